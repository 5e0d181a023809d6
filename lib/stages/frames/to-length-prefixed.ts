import { defineStage } from '../../define-stage.js'
import type { StageFactory, StageMemory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { map, pureStage, type TransformerStage } from '../../stage.js'
import {
  LENGTH_FIELD_OPTIONS,
  type LengthField,
  type LengthFieldOptions,
  lengthSize,
  MAX_VARINT_BYTES,
  writeLength,
} from './length-field.js'

/** Options of `toLengthPrefixed()`: the options of `lengthPrefixed()` that say how a length is written. */
export type ToLengthPrefixedOptions = LengthFieldOptions

/**
 * Turns frames into bytes, each frame with its length in front of it: the encoder for `lengthPrefixed()` with the same
 * options. Takes frames and emits one chunk for each.
 *
 * The length is that of the frame, less `adjustment`, and with `includesItself` plus the bytes that the length takes. A
 * frame for which this is negative, or does not fit into `width` bytes, fails the connection (outcome `stage-error`).
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
  options: LENGTH_FIELD_OPTIONS,
  examples: ['length-prefixed --width varint | to-length-prefixed --width varint'],
  make: field => {
    const encode = (frame: Frame) => {
      const length = lengthOf(frame, field)
      const size = lengthSize(field.width, length)
      const encoded = Buffer.allocUnsafe(size + frame.length)
      writeLength(field, encoded, length)
      if (frame.length > 0) frame.copy(encoded, size)
      return encoded
    }
    return pureStage(
      map<Frame, Buffer>('toLengthPrefixed', encode, { accepts: 'frame', emits: 'bytes', asks: false }),
    )
  },
})

/** The memory that the lengths take: a varint of a frame has a byte more for each 128-fold. */
function memoryWith({ width, adjustment, includesItself }: LengthField): StageMemory {
  if (width !== 'varint') return { perItem: width }
  const added = Math.max(0, -adjustment) + (includesItself ? MAX_VARINT_BYTES : 0)
  return { perByte: 1 + 1 / 128, perItem: lengthSize(width, added) + 1 }
}

/** The value of the length in front of a frame. */
function lengthOf(frame: Frame, { width, adjustment, includesItself }: LengthField): number {
  const withoutItself = frame.length - adjustment
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
