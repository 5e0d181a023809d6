import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { boolean } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import type { TransformerStage } from '../../stage.js'
import { frameEncoder } from './frame-encoder.js'
import { END, ESC, ESC_END, ESC_ESC } from './slip.js'

const OPTIONS = {
  leadingEnd: boolean({
    default: true,
    help: "sends an END also in front of each frame, as RFC 1055's own sender does, which on a serial line ends what noise had begun; without it a frame is a byte shorter",
  }),
}

/** Options of `toSlip()`. */
export type ToSlipOptions = OptionsOf<typeof OPTIONS>

/**
 * Writes frames in SLIP (RFC 1055), each with END behind it: the encoder for `slip()`. Takes frames and emits bytes.
 *
 * An empty frame fails the connection (outcome `stage-error`), since receivers would ignore it.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(slip()).through(toSlip({ leadingEnd: false }))
 */
export const toSlip: StageFactory<(options?: ToSlipOptions) => TransformerStage<Frame, Buffer>> = defineStage(
  {
    name: 'toSlip',
    summary: 'writes frames in SLIP, RFC 1055',
    accepts: 'frame',
    emits: 'bytes',
    memory: ({ leadingEnd }) => ({ perByte: 2, perItem: leadingEnd ? 2 : 1 }),
    options: OPTIONS,
    examples: ['slip | to-slip --no-leading-end'],
    make: ({ leadingEnd }) =>
      frameEncoder('toSlip', {
        maxSize: frame => {
          if (frame.length > 0) return escapedLength(frame) + (leadingEnd ? 2 : 1)
          throw new StageError('toSlip', 'was given an empty frame, which SLIP cannot send.')
        },
        write: (frame, to, at) => {
          let end = at
          if (leadingEnd) to[end++] = END
          end = writeEscaped(frame, to, end)
          to[end++] = END
          return end
        },
      }),
  },
)

function escapedLength(frame: Frame): number {
  let { length } = frame
  for (const byte of frame) if (byte === END || byte === ESC) length++
  return length
}

function writeEscaped(frame: Frame, to: Buffer, at: number): number {
  let end = at
  for (const byte of frame) {
    if (byte === END || byte === ESC) {
      to[end++] = ESC
      to[end++] = byte === END ? ESC_END : ESC_ESC
    } else {
      to[end++] = byte
    }
  }
  return end
}
