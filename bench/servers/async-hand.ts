// The work of async.ts by hand on node:net: up to 8 calls are under way, their results leave in order, once for each turn.
import type { Socket } from 'node:net'
import { serveSockets } from './serve-sockets.js'

const CONCURRENCY = 8
const shout = async (line: string) => line.toUpperCase()

/** Answers the lines of one connection. */
class Answers {
  readonly #socket: Socket
  #unfinished = ''
  /** Lines whose call has not begun, from `#next` on. */
  #lines: string[] = []
  #next = 0
  /** Results of the calls that are under way, oldest first; undefined for one that is still to come. */
  #results: { line: string | undefined }[] = []
  #output = ''
  #isDue = false
  #hasEnded = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  take(chunk: Buffer): void {
    const lines = (this.#unfinished + chunk.toString('latin1')).split('\n')
    this.#unfinished = lines.pop() as string
    this.#lines.push(...lines)
    this.#begin()
    if (this.isWaiting) this.#socket.pause()
  }

  end(): void {
    this.#hasEnded = true
    this.#write()
  }

  get isWaiting(): boolean {
    return this.#next < this.#lines.length
  }

  #begin(): void {
    while (this.#results.length < CONCURRENCY && this.isWaiting) {
      const result: { line: string | undefined } = { line: undefined }
      this.#results.push(result)
      shout(this.#lines[this.#next++] as string).then(line => {
        result.line = line
        this.#settle()
      })
    }
    if (this.isWaiting || this.#lines.length === 0) return
    this.#lines = []
    this.#next = 0
    this.#socket.resume()
  }

  #settle(): void {
    while (this.#results[0]?.line !== undefined) this.#output += `${this.#results.shift()?.line}\n`
    this.#begin()
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#write()
    })
  }

  #write(): void {
    const output = this.#output
    this.#output = ''
    if (output !== '' && !this.#socket.write(output, 'latin1')) this.#socket.pause()
    if (this.#hasEnded && this.#results.length === 0 && !this.isWaiting) this.#socket.end()
  }
}

serveSockets(socket => {
  const answers = new Answers(socket)
  socket.on('data', chunk => answers.take(chunk))
  socket.on('drain', () => {
    if (!answers.isWaiting) socket.resume()
  })
  socket.on('end', () => answers.end())
  socket.on('error', () => {})
})
