import { closeSync, readSync } from 'node:fs'
import { Readable } from 'node:stream'

/** As much as a socket gives at once; larger buffers are mapped and cleared anew by the system each time. */
const READ_BYTES = 65_536

/**
 * Reads an open file from where it stands. Node's own stream hands each read to another thread, which takes several
 * times as long as the read; this one reads at once, and lets signals and timers come between two reads.
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
