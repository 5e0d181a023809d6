import { checkChoice, checkInteger, checkNames } from '../check-option.js'
import type { Frame } from '../kind.js'
import { stage, type TransformerStage } from '../stage.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'
import { LARGEST_FRAME } from './unfinished-frame.js'

/** Options of `fixedLength()`. */
export interface FixedLengthOptions {
  /**
   * What happens when the input ends inside a frame: `error` ends the connection, `drop` leaves it out, `emit` emits it
   * as short as it is. @default 'error'
   */
  readonly partial?: 'error' | 'drop' | 'emit'
}

/**
 * Cuts bytes into frames of one length, as Netty's `FixedLengthFrameDecoder` does. A frame may be a view of a chunk:
 * copy one that you keep.
 *
 * @param length - The length of each frame, from 1 to 268,435,456 bytes: it is also the limit of what is held.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `partial: 'error'`.
 * @example
 * pipeline().through(fixedLength(16)).through(toFixedLength(16))
 */
export function fixedLength(
  length: number,
  options: FixedLengthOptions = {},
): TransformerStage<Buffer, Frame> {
  const { partial = 'error' } = options
  checkInteger('fixedLength()', 'length', length, 1, LARGEST_FRAME)
  checkNames('fixedLength()', options, ['partial'])
  checkChoice('fixedLength()', 'partial', partial, ['error', 'drop', 'emit'])
  const rules: SizedRules = { stage: 'fixedLength', head: 0, maxLength: length, overflow: 'error', partial }
  return stage<Buffer, Frame>({
    name: 'fixedLength',
    accepts: 'bytes',
    emits: 'frame',
    open: () => new FixedFrames(rules),
  })
}

class FixedFrames extends SizedFrames<SizedRules> {
  protected measure(): void {
    this.total = this.rules.maxLength
  }
}
