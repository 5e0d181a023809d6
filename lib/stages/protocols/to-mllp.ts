import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { map, pureStage } from '../../stage.js'
import { BLOCK_END, VT } from './mllp.js'

/**
 * Writes each frame as a block of MLLP, the Minimal Lower Layer Protocol of HL7: VT, the message, FS and CR. The encoder for
 * `mllp()`. Takes frames and emits one chunk for each.
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
  make: () =>
    pureStage(map<Frame, Buffer>('toMllp', encode, { accepts: 'frame', emits: 'bytes', asks: false })),
})

function encode(frame: Frame): Buffer {
  if (frame.includes(BLOCK_END)) {
    throw new StageError('toMllp', 'was given a frame with FS and CR in it, which would end its block.')
  }
  const block = Buffer.allocUnsafe(frame.length + 3)
  block[0] = VT
  block.set(frame, 1)
  block.set(BLOCK_END, frame.length + 1)
  return block
}
