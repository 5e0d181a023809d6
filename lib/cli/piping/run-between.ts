import { type Duplex, finished, type Readable, type Writable } from 'node:stream'

/** The streams that a pipeline runs between, such as stdin and stdout. */
export interface Ends {
  readonly input: Readable
  readonly output: Writable
  /** Whether the output stays open after the last byte, as stdout must. */
  readonly keepsOutput: boolean
}

/** The stream that failed, and its error. */
export interface StreamFailure {
  readonly side: 'input' | 'output'
  readonly error: NodeJS.ErrnoException
}

/** How a run has ended; without an error, and without a failure, it has ended well. */
export interface RunResult {
  /** The error of a stage, or of an end. */
  readonly error: Error | undefined
  readonly failure: StreamFailure | undefined
}

/**
 * Runs a stream between two others until it has ended and the output has written what it was given. The input is destroyed then,
 * even if it has not ended: `stream.pipeline()` would wait for it, though a stage such as `take` reads no further.
 */
export function runBetween(stream: Duplex, { input, output, keepsOutput }: Ends): Promise<RunResult> {
  return new Promise(resolve => {
    let error: Error | undefined
    let failure: StreamFailure | undefined
    const failed = (side: StreamFailure['side']) => (cause: Error) => {
      failure ??= { side, error: cause }
      stream.destroy(cause)
    }
    const onOutputClose = () => void stream.destroy()
    input.on('error', failed('input'))
    output.on('error', failed('output')).on('close', onOutputClose)
    stream.on('error', cause => {
      error = cause
    })
    stream.on('end', () => void stream.destroy())
    stream.on('close', () => {
      output.off('close', onOutputClose)
      input.destroy()
      const done = () => resolve({ error: failure?.error ?? error, failure })
      if (!keepsOutput) finished(output.end(), { readable: false }, done)
      else if (output.writable) output.write('', done)
      else done()
    })
    input.pipe(stream).pipe(output, { end: false })
  })
}
