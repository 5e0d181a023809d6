import { Duplex, type Readable, type Writable } from 'node:stream'

/** Which end failed, and how. */
export interface StreamFailure {
  readonly side: 'input' | 'output'
  readonly error: NodeJS.ErrnoException
}

/**
 * One Duplex of something to read and something to write to, for `pipeline.handle()`. It is over when its output is;
 * what the input might still say is nobody's then.
 */
export class CombinedDuplex extends Duplex {
  readonly #input: Readable
  readonly #output: Writable
  /** The output is not ended with the last byte, as that of the process. */
  readonly keepsOutput: boolean
  /** Bytes that have been read. */
  bytesRead = 0
  failure: StreamFailure | undefined

  constructor(input: Readable, output: Writable, { keepsOutput = false } = {}) {
    super({ readableHighWaterMark: 1 })
    this.#input = input
    this.#output = output
    this.keepsOutput = keepsOutput
    input.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onInputError)
    output.on('error', this.#onOutputError).on('close', this.#onOutputClose)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytesRead += chunk.length
    if (!this.push(chunk)) this.#input.pause()
  }

  readonly #onEnd = (): void => {
    this.push(null)
  }

  readonly #onInputError = (error: Error): void => this.#fail({ side: 'input', error })
  readonly #onOutputError = (error: Error): void => this.#fail({ side: 'output', error })

  readonly #onOutputClose = (): void => {
    this.destroy()
  }

  #fail(failure: StreamFailure): void {
    this.failure ??= failure
    this.destroy(failure.error)
  }

  override _read(): void {
    this.#input.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.#output.write(chunk)) callback()
    else this.#output.once('drain', callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    const done = (error?: Error | null) => {
      // An output that fails says so in an event of its own, with the cause.
      if (error) return
      callback()
      this.destroy()
    }
    if (this.keepsOutput) this.#output.write('', done)
    else this.#output.end(done)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#input.off('data', this.#onData).destroy()
    this.#output.off('close', this.#onOutputClose)
    if (!this.keepsOutput) this.#output.end()
    callback(error)
  }
}
