import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { bytes } from '../../options/option.js'
import type { TransformerStage } from '../../stage.js'
import { frameEncoder } from './frame-encoder.js'

/**
 * Turns frames into bytes, each frame with a delimiter behind it: the encoder for `delimited()`. Takes frames and emits
 * bytes.
 *
 * A frame fails the connection (outcome `stage-error`) when `delimited()` would cut it elsewhere, since it contains the
 * delimiter, or its last bytes form one with the first bytes of the delimiter: it would arrive as two frames.
 *
 * @param delimiter - Text (UTF-8) or bytes, at least one.
 * @throws InvalidOptionError when it is neither, or empty.
 * @example
 * pipeline().through(delimited({ delimiters: '\0' })).through(toDelimited('\0'))
 */
export const toDelimited: StageFactory<(delimiter: string | Uint8Array) => TransformerStage<Frame, Buffer>> =
  defineStage({
    name: 'toDelimited',
    summary: 'puts a delimiter behind each frame',
    accepts: 'frame',
    emits: 'bytes',
    memory: ({ delimiter }) => ({ perItem: Buffer.byteLength(delimiter) }),
    arguments: [{ delimiter: bytes({ minimum: 1, help: 'what is put after each frame' }) }],
    examples: ["delimited --delimiters '\\0' | to-delimited '\\n'"],
    make: ({ delimiter }) => {
      // A copy, so that the caller's later changes do not reach the stage.
      const end = Buffer.from(delimiter as string)
      const searched = end.length === 1 ? (end[0] as number) : end
      return frameEncoder('toDelimited', {
        maxSize: frame => frame.length + end.length,
        write: (frame, to, at) => {
          const frameEnd = at + frame.length
          to.set(frame, at)
          to.set(end, frameEnd)
          // Empty frames, of which a client can send most, are not searched.
          if (frameEnd > at && to.indexOf(searched, at) !== frameEnd) {
            throw new StageError('toDelimited', 'was given a frame that holds its delimiter.')
          }
          return frameEnd + end.length
        },
      })
    },
  })
