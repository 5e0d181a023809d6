import type { Readable, Writable } from 'node:stream'
import type { HoldingController } from '../../stage.js'

/**
 * Joins a transformer to the two ends of something that works elsewhere, such as the socket of another server: what the
 * transformer takes is written to the one, and what comes from the other is enqueued. Both ways wait for a slow reader, and the
 * end of one direction leaves the other open.
 */
export class Bridge {
  readonly #controller: HoldingController<Buffer>
  readonly #writable: Writable
  /** The bytes that have come in this turn. */
  #pending: Buffer | Buffer[] | undefined
  /** The input has ended, and the transformer holds until everything has come back. */
  #isFlushing = false
  #hasEnded = false
  /** The transformer holds until the writable has drained. */
  #awaitsDrain = false
  /** The writable takes nothing more. */
  #drops = false
  /** Bytes that have come back. */
  answered = 0
  /** Whether nothing has come back since the last that was taken. */
  isAwaited = false

  /** Begins to read and to write. The owner says with `end()` when nothing more comes back. */
  constructor(controller: HoldingController<Buffer>, writable: Writable, readable: Readable) {
    this.#controller = controller
    this.#writable = writable
    writable.on('finish', () => this.#finishFlush())
    readable.on('data', (chunk: Buffer) => {
      this.answered += chunk.length
      this.isAwaited = false
      controller.give(chunk)
      if (controller.desiredSize > 0) return
      readable.pause()
      controller.ready.then(() => readable.resume())
    })
  }

  /** Takes a chunk, which leaves with the end of the turn. */
  take(chunk: Buffer): void {
    this.isAwaited = true
    const pending = this.#pending
    if (pending === undefined) this.#pending = chunk
    else if (Array.isArray(pending)) pending.push(chunk)
    else this.#pending = [pending, chunk]
  }

  /** Writes what has come in this turn. */
  write(): void {
    const pending = this.#pending
    const writable = this.#writable
    if (pending === undefined) return
    this.#pending = undefined
    if (this.#drops) return
    writable.write(Array.isArray(pending) ? Buffer.concat(pending) : pending)
    // A write that the system has taken at once leaves nothing to wait for, though `write` may have returned false.
    if (writable.writableLength < writable.writableHighWaterMark) return
    this.#controller.hold()
    this.#awaitsDrain = true
    writable.once('drain', () => this.#drained())
  }

  /** Ends the writable, and holds until everything has come back. */
  flush(): void {
    this.#isFlushing = true
    this.#controller.hold()
    this.#writable.end()
  }

  /** The writable takes nothing more, though there may be more to come back: what is written from now on is dropped. */
  drop(): void {
    this.#drops = true
    this.#drained()
    this.#finishFlush()
  }

  /** Nothing more comes back. */
  end(): void {
    this.#hasEnded = true
    this.#controller.endOutput()
    this.#finishFlush()
  }

  /** Whether both directions have ended in good order. */
  get isComplete(): boolean {
    return this.#hasEnded && this.#writable.writableEnded
  }

  #drained(): void {
    if (!this.#awaitsDrain) return
    this.#awaitsDrain = false
    this.#controller.release()
  }

  #finishFlush(): void {
    const isWritten = this.#drops || this.#writable.writableFinished
    if (this.#isFlushing && this.#hasEnded && isWritten) this.#controller.release()
  }
}
