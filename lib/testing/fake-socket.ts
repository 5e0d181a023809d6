import { Duplex } from 'node:stream'

/**
 * The server's end of a connection whose client is a test. Node's `duplexPair()` will not do: when one side is destroyed the
 * other does not see it, and it does not tell how much the server has taken.
 */
export class FakeSocket extends Duplex {
  /** Bytes that the client has received and `receive` has not returned. */
  received: Buffer = Buffer.alloc(0)
  /** Whether the server has ended, so that nothing more will be received. */
  isOver = false
  /** A counter that rises with each chunk that goes either way. */
  moved = 0
  /** Chunks that the client has sent and the stream has not taken; null is the FIN. */
  readonly #sent: (Buffer | null)[] = []
  /** Whether the stream waits for a chunk: `_read` was called, and nothing was pushed since. */
  #asked = false
  #reading = true
  /** Completes the write that waits for a client that has stopped reading. */
  #written: (() => void) | undefined
  /** Resolves the last promise of `changed()`. */
  #wake = () => {}

  constructor() {
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: 16_384 })
  }

  /** The number of bytes that the client has sent and the server has not taken. */
  get waiting(): number {
    return this.#sent.reduce((sum, chunk) => sum + (chunk?.length ?? 0), this.readableLength)
  }

  send(data: string | Uint8Array | null): void {
    // A socket gives no empty chunks, and a stream into which several are pushed may no longer ask for more.
    if (this.destroyed || data?.length === 0) return
    this.#sent.push(data === null ? null : Buffer.from(data))
    this.#give()
  }

  /** Stops reading, or goes on. */
  stall(isStalled: boolean): void {
    this.#reading = !isStalled
    if (isStalled) return
    this.#written?.()
    this.#written = undefined
  }

  /** Removes bytes from the front of `received`, and returns them. */
  takeReceived(length: number): Buffer {
    const taken = this.received.subarray(0, length)
    this.received = this.received.subarray(length)
    return taken
  }

  /** Resolves when more was received, or the server has ended. */
  changed(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  over(): void {
    this.isOver = true
    this.#wake()
  }

  #give(): void {
    const next = this.#sent[0]
    if (!this.#asked || next === undefined) return
    this.#asked = false
    this.#sent.shift()
    this.moved++
    this.push(next)
  }

  override _read(): void {
    this.#asked = true
    this.#give()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    const accept = () => {
      this.moved++
      this.received = Buffer.concat([this.received, chunk])
      this.#wake()
      setImmediate(callback)
    }
    if (this.#reading) accept()
    else this.#written = accept
  }

  override _final(callback: () => void): void {
    this.over()
    callback()
  }
}
