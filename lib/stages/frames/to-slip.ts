import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { boolean } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { map, pureStage, type TransformerStage } from '../../stage.js'
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
 * Writes frames in SLIP (RFC 1055): the encoder for `slip()`. Takes frames and emits one chunk for each, which ends
 * with END.
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
    make: ({ leadingEnd }) => {
      const encode = (frame: Frame): Buffer => {
        if (frame.length === 0)
          throw new StageError('toSlip', 'was given an empty frame, which SLIP cannot send.')
        return escaped(frame, leadingEnd)
      }
      return pureStage(
        map<Frame, Buffer>('toSlip', encode, { accepts: 'frame', emits: 'bytes', asks: false }),
      )
    },
  },
)

function escaped(frame: Frame, leadingEnd: boolean): Buffer {
  let length = frame.length + (leadingEnd ? 2 : 1)
  for (const byte of frame) if (byte === END || byte === ESC) length++
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  if (leadingEnd) bytes[at++] = END
  for (const byte of frame) {
    if (byte === END || byte === ESC) {
      bytes[at++] = ESC
      bytes[at++] = byte === END ? ESC_END : ESC_ESC
    } else {
      bytes[at++] = byte
    }
  }
  bytes[at] = END
  return bytes
}
