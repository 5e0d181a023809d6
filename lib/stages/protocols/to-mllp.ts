import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { frameEncoder } from '../frames/frame-encoder.js'
import { BLOCK_END, VT } from './mllp.js'

/**
 * Writes each frame as a block of MLLP, the Minimal Lower Layer Protocol of HL7: VT, the message, FS and CR. The encoder for
 * `mllp()`. Takes frames and emits bytes.
 *
 * A frame that has FS and CR in it, one behind the other, fails the connection (outcome `stage-error`): its block would end there.
 *
 * @example
 * pipeline().through(mllp()).through(toMllp())
 */
export const toMllp = defineStage({
  name: 'toMllp',
  summary: 'writes each frame as a block of MLLP',
  accepts: 'frame',
  emits: 'bytes',
  isProposed: false,
  memory: { perItem: 3 },
  examples: ['mllp | to-mllp'],
  make: () => frameEncoder('toMllp', { maxSize: ({ length }) => length + 3, write }),
})

function write(frame: Frame, to: Buffer, at: number): number {
  if (frame.includes(BLOCK_END)) {
    throw new StageError('toMllp', 'was given a frame with FS and CR in it, which would end its block.')
  }
  to[at] = VT
  to.set(frame, at + 1)
  to.set(BLOCK_END, at + 1 + frame.length)
  return at + frame.length + 3
}
