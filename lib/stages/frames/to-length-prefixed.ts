import { defineStage } from '../../define-stage.js'
import type { StageFactory, StageMemory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import type { TransformerStage } from '../../stage.js'
import { frameEncoder } from './frame-encoder.js'
import { LENGTH_FIELD_OPTIONS, lengthSize, MAX_VARINT_BYTES, offset, writeLength } from './length-field.js'

const OPTIONS = {
  ...LENGTH_FIELD_OPTIONS,
  offset: offset('how many bytes at the beginning of a frame go in front of the length, such as a type'),
}

/** Options of `toLengthPrefixed()`: the options of `lengthPrefixed()` that say how a length is written, and where. */
export type ToLengthPrefixedOptions = OptionsOf<typeof OPTIONS>

type Settings = SettingsOf<typeof OPTIONS>

/**
 * Turns frames into bytes, each frame with its length in front of it: the encoder for `lengthPrefixed()` with the same
 * options, and with `keepHeader` where there is an `offset`. Takes frames and emits bytes.
 *
 * The first `offset` bytes of the frame go in front of the length, and the others behind it. The length is the number of
 * these others, less `adjustment`, and with `includesItself` plus the bytes that the length takes: one that counts the header
 * in front of it too has an `adjustment` of -`offset`. A frame that is shorter than `offset`, or whose length is negative or
 * does not fit into `width` bytes, fails the connection (outcome `stage-error`).
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lengthPrefixed({ width: 'varint' })).through(toLengthPrefixed({ width: 'varint' }))
 */
export const toLengthPrefixed: StageFactory<
  (options?: ToLengthPrefixedOptions) => TransformerStage<Frame, Buffer>
> = defineStage({
  name: 'toLengthPrefixed',
  summary: 'puts its length in front of each frame',
  accepts: 'frame',
  emits: 'bytes',
  memory: memoryWith,
  options: OPTIONS,
  examples: ['length-prefixed --width varint | to-length-prefixed --width varint'],
  make: settings => {
    const { offset, width } = settings
    return frameEncoder('toLengthPrefixed', {
      maxSize: frame => frame.length + (width === 'varint' ? MAX_VARINT_BYTES : width),
      write: (frame, to, at) => {
        const length = lengthOf(frame, settings)
        const size = lengthSize(width, length)
        writeLength(settings, to, at + offset, length)
        if (offset === 0) {
          to.set(frame, at + size)
        } else {
          frame.copy(to, at, 0, offset)
          frame.copy(to, at + offset + size, offset)
        }
        return at + size + frame.length
      },
    })
  },
})

/** The memory that the lengths take: a varint of a frame has a byte more for each 128-fold. */
function memoryWith({ width, adjustment, includesItself }: Settings): StageMemory {
  if (width !== 'varint') return { perItem: width }
  const added = Math.max(0, -adjustment) + (includesItself ? MAX_VARINT_BYTES : 0)
  return { perByte: 1 + 1 / 128, perItem: lengthSize(width, added) + 1 }
}

/** The value of the length in a frame. */
function lengthOf(frame: Frame, { offset, width, adjustment, includesItself }: Settings): number {
  if (frame.length < offset) {
    throw new StageError(
      'toLengthPrefixed',
      `was given a frame of ${frame.length} bytes: less than its 'offset' of ${offset}.`,
    )
  }
  const withoutItself = frame.length - offset - adjustment
  let length = withoutItself
  if (includesItself) {
    // A varint that counts itself may need one byte more for that reason: hence twice.
    length = withoutItself + lengthSize(width, withoutItself)
    length = withoutItself + lengthSize(width, length)
  }
  if (length < 0) {
    throw new StageError(
      'toLengthPrefixed',
      `was given a frame of ${frame.length} bytes: less than its 'adjustment'.`,
    )
  }
  if (width !== 'varint' && length >= 256 ** width) {
    throw new StageError(
      'toLengthPrefixed',
      `was given a frame of ${frame.length} bytes, whose length does not fit its 'width' of ${width}.`,
    )
  }
  return length
}
