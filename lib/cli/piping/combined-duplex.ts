import { Duplex, finished, type Readable, type Writable } from 'node:stream'

/** The stream that failed, and its error. */
export interface StreamFailure {
  readonly side: 'input' | 'output'
  readonly error: NodeJS.ErrnoException
}

/**
 * Duplex that reads from one stream and writes to another, such as stdin and stdout, so that `pipeline.handle()` can
 * run between them. When the output finishes or closes, the Duplex is destroyed with its input, even if that has not
 * ended.
 */
export class CombinedDuplex extends Duplex {
  readonly #input: Readable
  readonly #output: Writable
  /** Whether the output stays open after the last byte, as stdout must. */
  readonly keepsOutput: boolean
  /** Bytes read from the input so far. */
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
      // The output also emits 'error', with the cause, and #onOutputError handles that.
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
    // What the output has taken is written before this is closed, and so before the process exits.
    if (this.keepsOutput) {
      callback(error)
    } else {
      this.#output.end()
      finished(this.#output, { readable: false }, () => callback(error))
    }
  }
}
