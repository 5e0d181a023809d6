import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { Frame } from '../../kind.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { stage, type TransformerStage } from '../../stage.js'
import { frameLength } from './frame-options.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'

const OPTIONS = {
  partial: choice(['error', 'drop', 'emit'], {
    default: 'error',
    help: 'what happens when the input ends inside a frame: it ends the connection, or the frame is left out, or emitted as short as it is',
  }),
}

/** Options of `fixedLength()`. */
export type FixedLengthOptions = OptionsOf<typeof OPTIONS>

/**
 * Cuts bytes into frames of one length, as Netty's `FixedLengthFrameDecoder` does. Takes bytes and emits frames.
 * `toFixedLength()` is the encoder. A frame may be a view of a chunk: copy one that you keep.
 *
 * @param length - The length of each frame, from 1 to 268,435,456 bytes. At most that many are held for a connection.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `partial: 'error'`.
 * @example
 * pipeline().through(fixedLength(16)).through(toFixedLength(16))
 */
export const fixedLength: StageFactory<
  (length: number | string, options?: FixedLengthOptions) => TransformerStage<Buffer, Frame>
> = defineStage({
  name: 'fixedLength',
  summary: 'cuts bytes into frames of one length',
  accepts: 'bytes',
  emits: 'frame',
  memory: ({ length }) => ({ itemsPerByte: 1 / length, frame: length }),
  arguments: [{ length: frameLength }],
  options: OPTIONS,
  examples: ['fixed-length 16 --partial drop | to-fixed-length 16'],
  make: ({ length, partial }) => {
    const rules: SizedRules = {
      stage: 'fixedLength',
      minHeaderLength: 0,
      maxLength: length,
      overflow: 'error',
      partial,
    }
    return stage<Buffer, Frame>({
      name: 'fixedLength',
      accepts: 'bytes',
      emits: 'frame',
      lazy: true,
      asks: false,
      open: () => new FixedFrames(rules),
    })
  },
})

class FixedFrames extends SizedFrames<SizedRules> {
  protected readHeader(): void {
    this.messageLength = this.rules.maxLength
  }
}
