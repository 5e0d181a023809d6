import { closeSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'

/** Size of a chunk, the same as of a socket's. The system maps and clears the memory of larger buffers each time. */
const READ_BYTES = 65_536

/**
 * Reads an open file from its current position, with synchronous reads. fs.ReadStream hands each read to the thread
 * pool, which takes several times as long as the read itself. Each read waits for a turn of the event loop, so that
 * signals and timers are handled between two reads.
 */
export class FileSource extends Readable {
  readonly #descriptor: number

  constructor(descriptor: number) {
    super({ highWaterMark: READ_BYTES })
    this.#descriptor = descriptor
  }

  override _read(): void {
    setImmediate(() => {
      if (!this.destroyed) this.#readOnce()
    })
  }

  #readOnce(): void {
    const chunk = Buffer.allocUnsafeSlow(READ_BYTES)
    try {
      const length = readSync(this.#descriptor, chunk)
      this.push(length === 0 ? null : chunk.subarray(0, length))
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    closeSync(this.#descriptor)
    callback(error)
  }
}
