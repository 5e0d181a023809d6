import type { Duplex } from 'node:stream'

/** Up to so many pieces a gathering write costs less than a copy. */
const FEW = 4

/** A Duplex, with what of a socket's handle is asked for. */
export type SocketLike = Duplex & {
  readonly _handle?: { readonly writeQueueSize?: number; readonly getAsyncId?: () => number } | null
  /** The socket below a TLS socket, which has no queue of its own. */
  readonly _parent?: SocketLike | null
}

/** The end of a duplex that is written to: gathers what a turn makes, and writes it as one. */
export abstract class OutputEnd {
  protected readonly duplex: SocketLike
  /** What the turn has made. */
  #held: Buffer | Buffer[] | undefined
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
    if (held !== undefined) {
      this.#held = undefined
      if (!Array.isArray(held)) this.send(held)
      else if (held.length > FEW) this.send(Buffer.concat(held))
      else this.#sendTogether(held)
    }
    return !this.outputFull
  }

  /** One system call for several pieces, without a copy of them. */
  #sendTogether(pieces: readonly Buffer[]): void {
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
