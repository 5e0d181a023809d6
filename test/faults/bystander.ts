import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { RUNS_ALL } from '../runs.js'

/** The time between two lines while nobody waits for them: as fast as they come, they take half of the processors. */
const PAUSE_MS = RUNS_ALL ? 0 : 5

/** A client that does nothing wrong: sends lines, one at a time, and compares each with its echo, until it is stopped. */
export class Bystander {
  readonly #socket: Socket
  readonly #events = new EventEmitter()
  #rounds = 0
  #received = ''
  #wrong: string | undefined
  #stopped = false
  /** How many wait for rounds. */
  #waiting = 0
  #pause: NodeJS.Timeout | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => this.#take(text))
    socket.on('error', ({ message }) => this.#fail(message))
    socket.on('end', () => {
      if (!this.#stopped) this.#fail('the server ended')
    })
  }

  static async start(port: number, open = openTcp): Promise<Bystander> {
    const bystander = new Bystander(await open(port))
    bystander.#send()
    await bystander.rounds(1)
    return bystander
  }

  get #line(): string {
    return `BYSTANDER ${this.#rounds} ${'X'.repeat(this.#rounds % 997)}\n`
  }

  #send(): void {
    if (this.#stopped) this.#socket.end()
    else this.#socket.write(this.#line, 'latin1')
  }

  #take(text: string): void {
    this.#received += text
    if (!this.#received.endsWith('\n')) return
    if (this.#received !== this.#line) this.#fail(`${this.#received} came for ${this.#line}`)
    this.#received = ''
    this.#rounds++
    this.#events.emit('round')
    if (PAUSE_MS === 0 || this.#waiting > 0 || this.#stopped) setImmediate(() => this.#send())
    else this.#pause = setTimeout(() => this.#hurry(), PAUSE_MS)
  }

  /** Ends the pause, if there is one. */
  #hurry(): void {
    if (this.#pause === undefined) return
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#send()
  }

  #fail(message: string): void {
    this.#wrong ??= message
    this.#events.emit('round')
  }

  /** Resolves after so many more answers; rejects when one was wrong. */
  async rounds(count: number): Promise<void> {
    const last = this.#rounds + count
    this.#waiting++
    this.#hurry()
    while (this.#rounds < last && this.#wrong === undefined) await once(this.#events, 'round')
    this.#waiting--
    if (this.#wrong !== undefined) throw new Error(`The bystander was harmed: ${this.#wrong}.`)
  }

  /** Ends the connection in good order. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#hurry()
    if (!this.#socket.closed) await once(this.#socket, 'close')
    if (this.#wrong !== undefined) throw new Error(`The bystander was harmed: ${this.#wrong}.`)
  }
}

async function openTcp(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  return socket
}
