import { Duplex } from 'node:stream'
import { nextTurn } from '../clock.js'

/**
 * The server's end of a connection whose client is a test. Node's `duplexPair()` will not do: when one side is destroyed the
 * other does not see it, and it does not tell how much the server has taken.
 */
export class FakeSocket extends Duplex {
  /** Whether the server has ended, so that nothing more will be received. */
  isOver = false
  /** Whether the server has reset the connection. */
  wasReset = false
  /** A counter that rises with each chunk that goes either way. */
  moved = 0
  /** Chunks that the client has sent; null is the FIN. The stream has taken those before `#taken`. */
  #sent: (Buffer | null)[] = []
  #taken = 0
  /** Bytes in `#sent` that the stream has not taken. */
  #sentBytes = 0
  /** The memory of `received`, which ends at `#receivedEnd`; it doubles when it is full. */
  #memory: Buffer = Buffer.alloc(0)
  #receivedStart = 0
  #receivedEnd = 0
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
    return this.#sentBytes + this.readableLength
  }

  send(data: string | Uint8Array | null): void {
    // A socket gives no empty chunks, and a stream into which several are pushed may no longer ask for more.
    if (this.destroyed || data?.length === 0) return
    const chunk = data === null ? null : Buffer.from(data)
    this.#sent.push(chunk)
    this.#sentBytes += chunk?.length ?? 0
    this.#give()
  }

  /** Stops reading, or goes on. */
  stall(isStalled: boolean): void {
    this.#reading = !isStalled
    if (isStalled) return
    this.#written?.()
    this.#written = undefined
  }

  /** Bytes that the client has received and `receive` has not returned. */
  get received(): Buffer {
    return this.#memory.subarray(this.#receivedStart, this.#receivedEnd)
  }

  /** Removes bytes from the front of `received`, and returns them. */
  takeReceived(length: number): Buffer {
    const taken = this.received.subarray(0, length)
    this.#receivedStart += length
    return taken
  }

  #keep(chunk: Buffer): void {
    if (this.#receivedEnd + chunk.length > this.#memory.length) {
      // New memory each time, since what was taken stays a view of the old one.
      const { received } = this
      this.#memory = Buffer.alloc(2 * (received.length + chunk.length))
      this.#receivedStart = 0
      this.#receivedEnd = received.copy(this.#memory)
    }
    this.#receivedEnd += chunk.copy(this.#memory, this.#receivedEnd)
  }

  /** Wakes who waits for `changed()`. */
  wake(): void {
    this.#wake()
  }

  /** Resolves when more was received, the server has ended, or `wake` was called. */
  changed(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  resetAndDestroy(): void {
    this.wasReset = true
    this.destroy()
  }

  over(): void {
    this.isOver = true
    this.#wake()
  }

  #give(): void {
    const next = this.#sent[this.#taken]
    if (!this.#asked || next === undefined) return
    this.#asked = false
    this.#sentBytes -= next?.length ?? 0
    this.#taken++
    if (this.#taken === this.#sent.length) {
      this.#sent = []
      this.#taken = 0
    }
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
      this.#keep(chunk)
      this.#wake()
      nextTurn(callback)
    }
    if (this.#reading) accept()
    else this.#written = accept
  }

  override _final(callback: () => void): void {
    this.over()
    callback()
  }
}
