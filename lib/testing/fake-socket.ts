import { Duplex } from 'node:stream'

/**
 * The server's end of a connection whose client is a test. In place of `duplexPair()`, which does not show one side's
 * destroy to the other, and does not tell what of a chunk the server has taken.
 */
export class FakeSocket extends Duplex {
  /** What the client has received, and not looked at. */
  received: Buffer = Buffer.alloc(0)
  /** Nothing more will be received. */
  isOver = false
  /** Rises whenever something moves. */
  moved = 0
  /** What the client has sent and the stream has not asked for; null is its FIN. */
  readonly #sent: (Buffer | null)[] = []
  #asked = false
  #reading = true
  /** Goes on with a write that the client has not read. */
  #written: (() => void) | undefined
  #wake = () => {}

  constructor() {
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: 16_384 })
  }

  /** Bytes that were sent and not taken. */
  get waiting(): number {
    return this.#sent.reduce((sum, chunk) => sum + (chunk?.length ?? 0), this.readableLength)
  }

  send(data: string | Uint8Array | null): void {
    // A socket gives no empty chunks, and a stream that is pushed several may stop to ask for more.
    if (this.destroyed || data?.length === 0) return
    this.#sent.push(data === null ? null : Buffer.from(data))
    this.#give()
  }

  /** The client stops to read, or reads on. */
  stall(isStalled: boolean): void {
    this.#reading = !isStalled
    if (isStalled) return
    this.#written?.()
    this.#written = undefined
  }

  /** Takes from the front of what was received. */
  takeReceived(length: number): Buffer {
    const taken = this.received.subarray(0, length)
    this.received = this.received.subarray(length)
    return taken
  }

  /** Resolves when something was received, or never will be. */
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
