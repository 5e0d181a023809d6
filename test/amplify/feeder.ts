import { Duplex } from 'node:stream'

/** The most bytes that a socket hands over in one read. */
const READ_BYTES = 65_536

/** A connection whose client sends as fast as it may, and either takes all output and ends, or takes none and stays. */
export class Feeder extends Duplex {
  /** Bytes that were read. */
  taken = 0
  readonly #input: Buffer
  readonly #reads: boolean

  /** @param reads - Whether the client takes what it is sent. */
  constructor(input: Buffer, reads: boolean) {
    super({ allowHalfOpen: true, readableHighWaterMark: READ_BYTES })
    this.#input = input
    this.#reads = reads
    // A server waits some seconds for the client's end after its own.
    this.on('finish', () => this.destroy())
  }

  override _read(): void {
    // A chunk of memory of its own, as a socket makes one for each read.
    const chunk = Buffer.from(this.#input.subarray(this.taken, this.taken + READ_BYTES))
    this.taken += chunk.length
    if (chunk.length > 0) this.push(chunk)
    else if (this.#reads) this.push(null)
  }

  override _write(_chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.#reads) callback()
  }

  override _writev(_chunks: unknown, callback: () => void): void {
    if (this.#reads) callback()
  }
}
