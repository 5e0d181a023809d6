import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { TransformerStage } from '../../stage.js'
import { DECODE_OPTIONS, type DecodeOptions, decode } from '../functions/decode.js'
import type { FrameReader } from '../functions/frame-reader.js'

const CR = 0x0d
const DIGIT_ZERO = 0x30
const DIGIT_NINE = 0x39

/** A length of RFC 6587: no leading zero; with more digits it would be over every `maxLength`. */
const LENGTH = /^[1-9]\d{0,8}$/

/** Options of `octetCounted()`. */
export type OctetCountedOptions = Omit<DecodeOptions, 'asks'>

/**
 * Reads the messages of syslog over TCP (RFC 6587), as senders mix them: one that begins with a digit has its length in front,
 * as in `5 <1>ab`, and any other ends with a line feed. Takes bytes and emits a frame for each message, without its length, and
 * without the line feed and a CR in front of that. `syslog()` parses it, and `toOctetCounted()` is the encoder.
 *
 * Empty lines are left out, also a line feed behind a message with a length, which some senders add. A length is a number from 1
 * without leading zeros, with a space behind it: anything else ends the connection, since nothing then says where the next
 * message begins. A frame may be a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) for a message over `maxLength`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for such a length, and with `partial: 'error'`.
 * @example
 * pipeline().through(octetCounted()).through(syslog()).through(toJsonLines()).through(toLines())
 */
export const octetCounted: StageFactory<(options?: OctetCountedOptions) => TransformerStage<Buffer, Frame>> =
  defineStage({
    name: 'octetCounted',
    summary: 'reads messages of syslog, each with its length in front or a line feed behind, RFC 6587',
    accepts: 'bytes',
    emits: 'frame',
    isProposed: false,
    memory: ({ maxLength }) => ({ itemsPerByte: 1 / 2, frame: maxLength }),
    options: DECODE_OPTIONS,
    examples: ['octet-counted | syslog | to-json-lines | to-lines'],
    make: settings => decode('octetCounted', 'frame', readMessage, { ...settings, asks: false }),
  })

function* readMessage(read: FrameReader) {
  const first = (yield* read.peek())[0] as number
  if (first >= DIGIT_ZERO && first <= DIGIT_NINE) {
    const length = (yield* read.until(' ')).toString('latin1')
    if (!LENGTH.test(length)) throw new InvalidFrameError('octetCounted', 'its length is not a number from 1')
    return yield* read.bytes(Number(length))
  }
  const line = yield* read.until('\n')
  const message = line.at(-1) === CR ? line.subarray(0, -1) : line
  return message.length === 0 ? undefined : message
}
