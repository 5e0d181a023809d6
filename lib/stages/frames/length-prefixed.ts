import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError, InvalidOptionError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { boolean, integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { stage, type TransformerStage } from '../../stage.js'
import { maxLength, overflow, partial } from './frame-options.js'
import {
  LENGTH_FIELD_OPTIONS,
  type LengthField,
  lengthSize,
  MAX_HEAD_BYTES,
  MAX_VARINT_BYTES,
  offset,
  readLength,
} from './length-field.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'

const OPTIONS = {
  ...LENGTH_FIELD_OPTIONS,
  offset: offset('how many bytes stand in front of the length'),
  strip: integer({
    unit: 'bytes',
    maximum: MAX_HEAD_BYTES,
    absent: 'all up to the end of the length',
    help: 'how many bytes to take off the beginning of a message; what is left is the frame, and 0 keeps the length in it',
  }),
  keepHeader: boolean({
    default: false,
    help: 'takes only the length out of a message, so that the frame is the bytes in front of it and those behind it, as toLengthPrefixed takes them with the same offset; in place of strip',
  }),
  maxLength: maxLength('the longest frame, as it is emitted'),
  overflow,
  partial: partial('inside a message'),
}

/** Options of `lengthPrefixed()`. */
export type LengthPrefixedOptions = OptionsOf<typeof OPTIONS>

/**
 * Cuts bytes into frames that have their length in front of them. Takes bytes and emits frames. `toLengthPrefixed()` is
 * the encoder.
 *
 * The model is Netty's `LengthFieldBasedFrameDecoder`. A message consists of `offset` bytes, the length, and a body.
 * The body has as many bytes as the length says, plus `adjustment`, and with `includesItself` less the bytes of the
 * length. The frame is the message without its first `strip` bytes; with `keepHeader` it is the message without its length:
 * the `offset` bytes and the body, copied together.
 *
 * The defaults are those of tokio-util's `LengthDelimitedCodec`: a length of 4 bytes, highest byte first, which is not
 * part of the frame. (tokio-util counts from the end of the stripped bytes: its `length_adjustment` is `adjustment` +
 * `offset` + `width` - `strip` of this stage.)
 *
 * A length is unsigned. It ends the connection when the body would be shorter than 0 bytes or the message shorter than
 * `strip`, when it is over 2^53 - 1, and when it is a varint of more than 10 bytes or of more bytes than it needs.
 *
 * Memory is taken only for bytes that have arrived, whatever length the peer announces, and for none of a frame over
 * the limit. A frame may be a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for such a length, and with `partial: 'error'`.
 * @example
 * pipeline().through(lengthPrefixed({ width: 2 })).through(toLengthPrefixed({ width: 2 }))
 * @example
 * // PostgreSQL: a byte for the type, and a length that counts itself.
 * const field = { offset: 1, width: 4, includesItself: true } as const
 * pipeline().through(lengthPrefixed({ ...field, keepHeader: true })).through(toLengthPrefixed(field))
 */
export const lengthPrefixed: StageFactory<
  (options?: LengthPrefixedOptions) => TransformerStage<Buffer, Frame>
> = defineStage({
  name: 'lengthPrefixed',
  summary: 'cuts bytes into frames with their length in front',
  accepts: 'bytes',
  emits: 'frame',
  memory: ({ maxLength, offset, width, strip }) => ({
    itemsPerByte: 1 / headLength(offset, width),
    frame: maxLength + (strip ?? offset + MAX_VARINT_BYTES),
  }),
  options: OPTIONS,
  examples: ['length-prefixed --width 2 | to-length-prefixed --width 2'],
  make: ({ offset, strip, keepHeader, maxLength, overflow, partial, ...field }) => {
    const minHeaderLength = headLength(offset, field.width)
    if (keepHeader && strip !== undefined) {
      throw new InvalidOptionError(
        "lengthPrefixed(): 'keepHeader' takes the length out, and 'strip' the beginning. Give one of them.",
      )
    }
    const kept = keepHeader ? offset : minHeaderLength - (strip ?? minHeaderLength)
    if (kept > maxLength) {
      throw new InvalidOptionError(
        `lengthPrefixed(): with a 'maxLength' of ${maxLength} no frame can hold the ${keepHeader ? offset : minHeaderLength} bytes of its head. Raise 'maxLength'${keepHeader ? '' : " or 'strip'"}.`,
      )
    }
    const name = 'lengthPrefixed'
    const rules: LengthPrefixedRules = {
      stage: name,
      minHeaderLength,
      field,
      offset,
      strip,
      keepHeader,
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

/** Least number of bytes up to the end of the length. */
function headLength(offset: number, width: LengthField['width']): number {
  return offset + (width === 'varint' ? 1 : width)
}

interface LengthPrefixedRules extends SizedRules {
  readonly field: LengthField
  readonly offset: number
  readonly strip: number | undefined
  readonly keepHeader: boolean
}

class LengthPrefixedFrames extends SizedFrames<LengthPrefixedRules> {
  protected readHeader(bytes: Buffer, from: number, end: number): void {
    const { stage, field, offset, strip, keepHeader } = this.rules
    const length = readLength(stage, field, bytes, from + offset, end)
    if (length === undefined) return
    const size = lengthSize(field.width, length)
    const bodyLength = length + field.adjustment - (field.includesItself ? size : 0)
    if (bodyLength < 0) throw new InvalidFrameError(stage, 'the length is negative')
    this.messageLength = offset + size + bodyLength
    this.strippedLength = keepHeader ? size : (strip ?? offset + size)
    if (this.strippedLength > this.messageLength)
      throw new InvalidFrameError(stage, 'it is shorter than its head')
  }

  protected override frameOf(bytes: Buffer, from: number, end: number): Frame {
    const { offset, keepHeader } = this.rules
    if (!keepHeader || offset === 0) return super.frameOf(bytes, from, end)
    const body = from + offset
    return Buffer.concat([bytes.subarray(from, body), bytes.subarray(body + this.strippedLength, end)])
  }
}
