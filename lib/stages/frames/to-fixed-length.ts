import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { TransformerStage } from '../../stage.js'
import { frameEncoder } from './frame-encoder.js'
import { frameLength } from './frame-options.js'

/**
 * Turns frames of one length into bytes, unchanged: the encoder for `fixedLength()`. Takes frames and emits
 * bytes. A frame of any other length fails the connection (outcome `stage-error`), since the peer would cut it, and
 * everything behind it, in the wrong places.
 *
 * @param length - The length of each frame, from 1 to 268,435,456 bytes.
 * @throws InvalidOptionError for a length that is not allowed.
 * @example
 * pipeline().through(fixedLength(16)).through(toFixedLength(16))
 */
export const toFixedLength: StageFactory<(length: number | string) => TransformerStage<Frame, Buffer>> =
  defineStage({
    name: 'toFixedLength',
    summary: 'writes frames of one length, and refuses any other',
    accepts: 'frame',
    emits: 'bytes',
    memory: {},
    arguments: [{ length: frameLength }],
    examples: ['fixed-length 16 | to-fixed-length 16'],
    make: ({ length }) =>
      frameEncoder('toFixedLength', {
        maxSize: frame => {
          if (frame.length === length) return length
          throw new StageError(
            'toFixedLength',
            `was given a frame of ${frame.length} bytes, and not of ${length}.`,
          )
        },
        write: (frame, to, at) => {
          to.set(frame, at)
          return at + length
        },
      }),
  })
