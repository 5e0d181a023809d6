import { InvalidOptionError, StageError } from '../errors.js'
import type { Frame } from '../kind.js'
import { map, type TransformerStage } from '../stage.js'

/**
 * Turns frames into bytes, each with a delimiter behind it, as one chunk: the counterpart of `delimited()`.
 *
 * A frame that `delimited()` would cut elsewhere, since it holds the delimiter or makes an earlier one with it, fails
 * the connection (outcome `stage-error`): sent, it would be two frames.
 *
 * @param delimiter - Text (UTF-8) or bytes, at least one.
 * @throws InvalidOptionError when it is neither, or empty.
 * @example
 * pipeline().through(delimited({ delimiters: '\0' })).through(delimit('\0'))
 */
export function delimit(delimiter: string | Uint8Array): TransformerStage<Frame, Buffer> {
  const bytes = checkDelimiter('delimit()', 'delimiter', delimiter)
  const encode = (frame: Frame) => {
    const encoded = Buffer.concat([frame, bytes])
    if (encoded.indexOf(bytes) !== frame.length) {
      throw new StageError('delimit', 'was given a frame that holds its delimiter.')
    }
    return encoded
  }
  return map<Frame, Buffer>('delimit', encode, { accepts: 'frame', emits: 'bytes' })
}

/** Takes a copy, so that the caller's later changes do not reach the stage. */
export function checkDelimiter(owner: string, name: string, delimiter: unknown): Buffer {
  if ((typeof delimiter !== 'string' && !(delimiter instanceof Uint8Array)) || delimiter.length === 0) {
    const got = delimiter === '' ? '""' : delimiter instanceof Uint8Array ? 'no bytes' : String(delimiter)
    throw new InvalidOptionError(`${owner}: '${name}' is text or bytes, at least one; got ${got}.`)
  }
  return Buffer.from(delimiter as string)
}
