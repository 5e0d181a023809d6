import { performance } from 'node:perf_hooks'
import { Client, type Fail } from './client.js'
import { Histogram } from './histogram.js'
import type { Target } from './job.js'
import { WrongReply } from './reply-check.js'
import type { Tape } from './tape.js'

/** State that the connections of one pingpong run share. */
export class PingPong {
  readonly tape: Tape
  readonly depth: number
  /** Slices of the tape, made once: `writes[n - 1][line]` has n lines, beginning with that one. */
  readonly writes: Buffer[][]
  histogram = new Histogram()
  messages = 0
  over = false

  constructor(tape: Tape, depth: number) {
    const { sent, size, count } = tape
    const twice = Buffer.concat([sent, sent])
    this.tape = tape
    this.depth = depth
    this.writes = Array.from({ length: depth }, (_, n) =>
      Array.from({ length: count }, (_, line) => twice.subarray(line * size, (line + n + 1) * size)),
    )
  }

  join(target: Target, firstLine: number, fail: Fail): Player {
    return new Player(this, target, firstLine, fail)
  }

  restart(): void {
    this.histogram = new Histogram()
    this.messages = 0
  }
}

/** One connection of a pingpong run: sends a line for each that comes back. */
export class Player {
  readonly #game: PingPong
  readonly #client: Client
  readonly #sentAt: Float64Array
  #oldest = 0
  #line: number
  #sent = 0
  #answered = 0

  constructor(game: PingPong, target: Target, firstLine: number, fail: Fail) {
    this.#game = game
    this.#line = firstLine
    this.#sentAt = new Float64Array(game.depth)
    this.#client = new Client(target, game.tape, firstLine, () => this.#read(), fail)
  }

  /** Sends the first lines. */
  serve(): void {
    this.#sentAt.fill(performance.now())
    this.#write(this.#game.depth)
  }

  async finish(): Promise<void> {
    await this.#client.finish(this.#sent * this.#game.tape.size)
  }

  #read(): void {
    const game = this.#game
    const answered = Math.floor(this.#client.check.received / game.tape.size)
    if (answered === this.#answered) return
    if (answered > this.#sent) throw new WrongReply(`${this.#sent} lines were sent, ${answered} came back`)
    const done = answered - this.#answered
    const now = performance.now()
    this.#answered = answered
    game.messages += done
    for (let n = 0; n < done; n++) {
      game.histogram.add(now - (this.#sentAt[this.#oldest] as number))
      this.#sentAt[this.#oldest] = now
      this.#oldest = this.#oldest + 1 === game.depth ? 0 : this.#oldest + 1
    }
    if (!game.over) this.#write(done)
  }

  #write(lines: number): void {
    this.#client.socket.write(this.#game.writes[lines - 1]?.[this.#line] as Buffer)
    this.#sent += lines
    this.#line = (this.#line + lines) % this.#game.tape.count
  }
}
