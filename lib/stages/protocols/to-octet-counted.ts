import { defineStage } from '../../define-stage.js'
import { StageError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { frameEncoder, MAX_DIGITS, writeDecimal } from '../frames/frame-encoder.js'

const SPACE = 0x20

/**
 * Writes each frame with its length in front, as in `5 <1>ab`: the octet counting of syslog over TCP (RFC 6587), and the encoder
 * for `octetCounted()`. Takes frames and emits bytes. An empty frame fails the connection (outcome `stage-error`),
 * since a message of syslog has at least one byte.
 *
 * @example
 * pipeline().through(octetCounted()).through(toOctetCounted())
 */
export const toOctetCounted = defineStage({
  name: 'toOctetCounted',
  summary: 'writes each frame with its length in front, as syslog does, RFC 6587',
  accepts: 'frame',
  emits: 'bytes',
  isProposed: false,
  // The length has one digit more for each tenfold.
  memory: { perByte: 1.1, perItem: 2 },
  examples: ['octet-counted | to-octet-counted'],
  make: () => frameEncoder('toOctetCounted', { maxSize: ({ length }) => length + MAX_DIGITS + 1, write }),
})

function write(frame: Frame, to: Buffer, at: number): number {
  if (frame.length === 0)
    throw new StageError('toOctetCounted', 'was given an empty frame, which syslog does not have.')
  const from = writeDecimal(frame.length, to, at)
  to[from] = SPACE
  to.set(frame, from + 1)
  return from + 1 + frame.length
}
