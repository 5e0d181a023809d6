import { checkChoice, checkInteger, checkNames } from '../check-option.js'
import { InvalidFrameError, InvalidOptionError } from '../errors.js'
import type { Frame } from '../kind.js'
import { stage, type TransformerStage } from '../stage.js'
import {
  LENGTH_FIELD_NAMES,
  type LengthField,
  type LengthFieldOptions,
  lengthField,
  lengthSize,
  readLength,
} from './length-field.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'
import { LARGEST_FRAME } from './unfinished-frame.js'

/** Options of `lengthPrefixed()`. */
export interface LengthPrefixedOptions extends LengthFieldOptions {
  /** How many bytes stand in front of the length, up to 65,535. @default 0 */
  readonly offset?: number
  /**
   * How many bytes to take off the beginning of a message, up to 65,545; what is left is the frame. 0 keeps the length
   * in the frame. @default what there is up to the end of the length
   */
  readonly strip?: number
  /** The longest frame, in bytes as it is emitted. @default 65536 */
  readonly maxLength?: number
  /**
   * What happens to a longer frame, once its length is there: `error` ends the connection behind the frames before it,
   * `report` tells `onError`, discards its bytes as they come and goes on, `skip` does that without a word.
   * @default 'error'
   */
  readonly overflow?: 'error' | 'report' | 'skip'
  /** What happens when the input ends inside a message; `error` ends the connection. @default 'error' */
  readonly partial?: 'error' | 'drop'
}

const LARGEST_OFFSET = 65_535
const LONGEST_VARINT = 10

/**
 * Cuts bytes into frames that have their length in front of them. The model is Netty's `LengthFieldBasedFrameDecoder`:
 * a message is `offset` bytes, the length, and as many bytes as it says, plus `adjustment`, less its own with
 * `includesItself`; the frame is the message without its first `strip` bytes. The defaults are those of tokio-util's
 * `LengthDelimitedCodec`: a 4-byte length, highest byte first, and frames without it. (tokio-util counts from the end of
 * what is stripped: its `length_adjustment` is this `adjustment` plus `offset` plus `width` less `strip`.)
 *
 * A length is unsigned. One that leaves less than nothing behind it, less than is stripped, over 2^53 - 1, or a varint
 * of more than 10 bytes or more than it needs, ends the connection. Nothing of a frame over the limit is kept, and of
 * another only what has come. A frame may be a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for a length as above, and with
 * `partial: 'error'`.
 * @example
 * pipeline().through(lengthPrefixed({ width: 2 })).through(prefixLength({ width: 2 }))
 */
export function lengthPrefixed(options: LengthPrefixedOptions = {}): TransformerStage<Buffer, Frame> {
  const owner = 'lengthPrefixed()'
  const { offset = 0, strip, maxLength = 65_536, overflow = 'error', partial = 'error' } = options
  checkNames(owner, options, [...LENGTH_FIELD_NAMES, 'offset', 'strip', 'maxLength', 'overflow', 'partial'])
  const field = lengthField(owner, options)
  checkInteger(owner, 'offset', offset, 0, LARGEST_OFFSET)
  if (strip !== undefined) checkInteger(owner, 'strip', strip, 0, LARGEST_OFFSET + LONGEST_VARINT)
  checkInteger(owner, 'maxLength', maxLength, 1, LARGEST_FRAME)
  checkChoice(owner, 'overflow', overflow, ['error', 'report', 'skip'])
  checkChoice(owner, 'partial', partial, ['error', 'drop'])
  const head = offset + (field.width === 'varint' ? 1 : field.width)
  if (head - (strip ?? head) > maxLength) {
    throw new InvalidOptionError(
      `lengthPrefixed(): with a 'maxLength' of ${maxLength} no frame can hold the ${head} bytes of its head. Raise 'maxLength' or 'strip'.`,
    )
  }
  const rules: LengthPrefixedRules = {
    stage: 'lengthPrefixed',
    head,
    field,
    offset,
    strip,
    maxLength,
    overflow,
    partial,
  }
  return stage<Buffer, Frame>({
    name: 'lengthPrefixed',
    accepts: 'bytes',
    emits: 'frame',
    open: () => new LengthPrefixedFrames(rules),
  })
}

interface LengthPrefixedRules extends SizedRules {
  readonly field: LengthField
  readonly offset: number
  readonly strip: number | undefined
}

class LengthPrefixedFrames extends SizedFrames<LengthPrefixedRules> {
  protected measure(bytes: Buffer, from: number, end: number): void {
    const { stage, field, offset, strip } = this.rules
    const length = readLength(stage, field, bytes, from + offset, end)
    if (length === undefined) return
    const size = lengthSize(field.width, length)
    const behind = length + field.adjustment - (field.includesItself ? size : 0)
    if (behind < 0) throw new InvalidFrameError(stage, 'the length is negative')
    this.total = offset + size + behind
    this.stripped = strip ?? offset + size
    if (this.stripped > this.total) throw new InvalidFrameError(stage, 'it is shorter than its head')
  }
}
