import { choice, integer } from '../../options/option.js'

/** The largest `maxLength` of a frame, in bytes; the same as that of a line. */
export const MAX_FRAME_BYTES = 268_435_456

/** The length that all frames have. */
export const frameLength = integer({
  unit: 'bytes',
  minimum: 1,
  maximum: MAX_FRAME_BYTES,
  help: 'the length of each frame',
})

/** The option that limits a frame. */
export const maxLength = (help: string) =>
  integer({ unit: 'bytes', minimum: 1, maximum: MAX_FRAME_BYTES, default: 65_536, help })

/** What decoders of frames that say how long they are, or that end with a mark, do with a longer one. */
export const overflow = choice(['error', 'report', 'skip'], {
  default: 'error',
  help: 'what happens to a longer frame: it ends the connection behind the frames before it, goes to onError and is discarded, or is discarded without a word',
})

/** What happens to a frame that has not ended; `when` is how the format says so. */
export const partial = (when: string) =>
  choice(['error', 'drop'], {
    default: 'error',
    help: `what happens when the input ends ${when}: it ends the connection, or what there is is left out`,
  })
