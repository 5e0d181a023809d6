import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError, InvalidOptionError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { stage, type TransformerStage } from '../../stage.js'
import { maxLength, overflow, partial } from './frame-options.js'
import { LENGTH_FIELD_OPTIONS, type LengthField, lengthSize, readLength } from './length-field.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'

const LARGEST_OFFSET = 65_535
const LONGEST_VARINT = 10

const OPTIONS = {
  ...LENGTH_FIELD_OPTIONS,
  offset: integer({
    unit: 'bytes',
    maximum: LARGEST_OFFSET,
    default: 0,
    help: 'how many bytes stand in front of the length',
  }),
  strip: integer({
    unit: 'bytes',
    maximum: LARGEST_OFFSET + LONGEST_VARINT,
    absent: 'all up to the end of the length',
    help: 'how many bytes to take off the beginning of a message; what is left is the frame, and 0 keeps the length in it',
  }),
  maxLength: maxLength('the longest frame, as it is emitted'),
  overflow,
  partial: partial('inside a message'),
}

/** Options of `lengthPrefixed()`. */
export type LengthPrefixedOptions = OptionsOf<typeof OPTIONS>

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
 * pipeline().through(lengthPrefixed({ width: 2 })).through(toLengthPrefixed({ width: 2 }))
 */
export const lengthPrefixed: StageFactory<
  (options?: LengthPrefixedOptions) => TransformerStage<Buffer, Frame>
> = defineStage({
  name: 'lengthPrefixed',
  summary: 'cuts bytes into frames with their length in front',
  accepts: 'bytes',
  emits: 'frame',
  holds: 'maxLength',
  options: OPTIONS,
  examples: ['length-prefixed --width 2 | to-length-prefixed --width 2'],
  make: ({ offset, strip, maxLength, overflow, partial, ...field }) => {
    const head = offset + (field.width === 'varint' ? 1 : field.width)
    if (head - (strip ?? head) > maxLength) {
      throw new InvalidOptionError(
        `lengthPrefixed(): with a 'maxLength' of ${maxLength} no frame can hold the ${head} bytes of its head. Raise 'maxLength' or 'strip'.`,
      )
    }
    const name = 'lengthPrefixed'
    const rules: LengthPrefixedRules = {
      stage: name,
      head,
      field,
      offset,
      strip,
      maxLength,
      overflow,
      partial,
    }
    return stage<Buffer, Frame>({
      name,
      accepts: 'bytes',
      emits: 'frame',
      lazy: true,
      asks: false,
      open: () => new LengthPrefixedFrames(rules),
    })
  },
})

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
