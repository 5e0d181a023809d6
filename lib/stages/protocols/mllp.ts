import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { TransformerStage } from '../../stage.js'
import { DECODE_OPTIONS, type DecodeOptions, decode } from '../functions/decode.js'
import type { FrameReader } from '../functions/frame-reader.js'

/** The byte that begins a block. */
export const VT = 0x0b

/** The bytes that end a block: FS and CR. */
export const BLOCK_END = Buffer.from([0x1c, 0x0d])

/** Options of `mllp()`. */
export type MllpOptions = Omit<DecodeOptions, 'asks'>

/**
 * Reads messages in blocks of MLLP, the Minimal Lower Layer Protocol of HL7: VT, the message, FS and CR. Takes bytes and emits
 * a frame for each message, as it stands in its block. `toMllp()` is the encoder.
 *
 * A block ends with the first FS that a CR follows: an FS by itself, and any other byte, is content. What stands in front of a
 * block and is no VT ends the connection, since nothing then says where the next message begins. A frame may be a view of a
 * chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) for a block over `maxLength`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for bytes outside of a block, and with
 * `partial: 'error'`.
 * @example
 * pipeline().through(mllp({ maxLength: '1MiB' })).through(toMllp())
 */
export const mllp: StageFactory<(options?: MllpOptions) => TransformerStage<Buffer, Frame>> = defineStage({
  name: 'mllp',
  summary: 'reads messages of HL7 in the blocks of MLLP',
  accepts: 'bytes',
  emits: 'frame',
  isProposed: false,
  memory: ({ maxLength }) => ({ itemsPerByte: 1 / 3, frame: maxLength }),
  options: DECODE_OPTIONS,
  examples: ['mllp --max-length 1MiB | to-mllp'],
  make: settings => decode('mllp', 'frame', readBlock, { ...settings, asks: false }),
})

function* readBlock(read: FrameReader) {
  if ((yield* read.uint8()) !== VT) throw new InvalidFrameError('mllp', 'it does not begin with VT')
  return yield* read.until(BLOCK_END)
}
