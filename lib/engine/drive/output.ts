import { Duplex } from 'node:stream'

/** Up to so many pieces a gathering write costs less than a copy, unless they are small. */
const FEW = 4
const SMALL = 4_096

/** A Duplex, with what of a socket's handle is asked for. */
export type SocketLike = Duplex & {
  readonly _handle?: { readonly writeQueueSize?: number; readonly getAsyncId?: () => number } | null
  /** The socket below a TLS socket, which has no queue of its own. */
  readonly _parent?: SocketLike | null
}

/** Stands for every duplex that is over. */
const GONE: SocketLike = new Duplex().destroy()

/** So many turns of the event loop a first output waits for input; on a quiet server they take a few microseconds. */
const TURNS = 4

/** Whose first output waits, by the turn in which it leaves; turns go round. */
const waiting: OutputEnd[][] = Array.from({ length: TURNS }, () => [])
let turn = 0
let waitingCount = 0

function nextTurn(): void {
  turn = (turn + 1) % TURNS
  const due = waiting[turn] as OutputEnd[]
  if (due.length > 0) waiting[turn] = []
  waitingCount -= due.length
  if (waitingCount > 0) setImmediate(nextTurn)
  for (const end of due) end.settle()
}

/** The end of a duplex that is written to: gathers what a turn makes, and writes it as one. */
export abstract class OutputEnd {
  protected duplex: SocketLike
  /** What the turn has made. */
  #held: Buffer | Buffer[] | undefined
  /** What is made is kept until `release()` or `settleSoon()`. */
  protected holding = false
  /** The duplex takes no more before its 'drain'. */
  protected outputFull = false
  protected bytesWritten = 0

  constructor(duplex: Duplex) {
    this.duplex = duplex
  }

  /** Reads nothing more for the time being. */
  protected abstract pause(): void

  write(item: unknown): void {
    const bytes = item as Buffer
    if (bytes.length === 0) return
    if (this.#held === undefined) this.#held = bytes
    else if (Array.isArray(this.#held)) this.#held.push(bytes)
    else this.#held = [this.#held, bytes]
  }

  settle(): boolean {
    const held = this.#held
    if (held !== undefined && !this.holding) {
      this.#held = undefined
      if (Array.isArray(held)) this.#sendTogether(held)
      else this.send(held)
    }
    return !this.outputFull
  }

  /** Only of a socket: it has sent all that was written, and keeps none of it. */
  get isDone(): boolean {
    return this.#held === undefined && this.duplex.writableLength === 0
  }

  /** Lets go of the duplex: who still knows this end does not keep a socket, nor what nobody has read. */
  protected leaveDuplex(): void {
    this.duplex = GONE
    this.#held = undefined
  }

  protected release(): void {
    this.holding = false
    this.settle()
  }

  /**
   * Lets what was made wait for a few turns of the event loop: to a client that speaks at once, a greeting and the first
   * answer are then one write.
   */
  protected settleSoon(): void {
    this.holding = false
    if (this.#held === undefined) return
    if (waitingCount === 0) setImmediate(nextTurn)
    waitingCount++
    ;(waiting[turn] as OutputEnd[]).push(this)
  }

  #sendTogether(pieces: readonly Buffer[]): void {
    if (pieces.length > FEW || pieces.reduce((size, { length }) => size + length, 0) <= SMALL) {
      this.send(Buffer.concat(pieces))
      return
    }
    this.duplex.cork()
    for (const piece of pieces) this.send(piece)
    this.duplex.uncork()
  }

  protected send(bytes: Buffer): void {
    this.bytesWritten += bytes.length
    // To a duplex that is destroyed already this does nothing; its 'close' is on its way.
    if (this.duplex.write(bytes)) return
    this.outputFull = true
    this.pause()
  }

  /** A number that rises whenever bytes were made or have left. */
  protected get progress(): number {
    // `writableLength` counts a write until all of it has gone; what libuv still holds of it is what net's own timer asks.
    const waiting = this.duplex.writableLength
    const queued = waiting === 0 ? 0 : ((this.duplex._parent ?? this.duplex)._handle?.writeQueueSize ?? 0)
    return 2 * this.bytesWritten - waiting - queued
  }
}
