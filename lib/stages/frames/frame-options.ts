import { choice, integer } from '../../options/option.js'

/** Largest `maxLength` of frames and lines. V8 limits the length of a string, and no protocol has longer lines. */
export const MAX_FRAME_BYTES = 268_435_456

/** `maxLength` of frames and lines where the option is not given. */
export const DEFAULT_MAX_LENGTH_BYTES = 65_536

/** The argument of `fixedLength()` and `toFixedLength()`. */
export const frameLength = integer({
  unit: 'bytes',
  minimum: 1,
  maximum: MAX_FRAME_BYTES,
  help: 'the length of each frame',
})

/** The option `maxLength` of a decoder of frames or lines; `help` says what it counts. */
export const maxLength = (help: string) =>
  integer({ unit: 'bytes', minimum: 1, maximum: MAX_FRAME_BYTES, default: DEFAULT_MAX_LENGTH_BYTES, help })

/** The option `overflow` of `lengthPrefixed()`, `netstring()` and `slip()`. */
export const overflow = choice(['error', 'report', 'skip'], {
  default: 'error',
  help: 'what happens to a longer frame: it ends the connection behind the frames before it, goes to onError and is discarded, or is discarded without a word',
})

/** The option `partial` of the same decoders; `when` says in the words of a format where the input may not end. */
export const partial = (when: string) =>
  choice(['error', 'drop'], {
    default: 'error',
    help: `what happens when the input ends ${when}: it ends the connection, or what there is is left out`,
  })
