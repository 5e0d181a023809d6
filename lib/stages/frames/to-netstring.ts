import { defineStage } from '../../define-stage.js'
import type { Frame } from '../../kind.js'
import { frameEncoder, MAX_DIGITS, writeDecimal } from './frame-encoder.js'

const COLON = 0x3a
const COMMA = 0x2c

/**
 * Turns frames into netstrings, such as `5:hello,` (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt): the
 * encoder for `netstring()`. Takes frames and emits bytes.
 *
 * @example
 * pipeline().through(netstring()).through(toNetstring())
 */
export const toNetstring = defineStage({
  name: 'toNetstring',
  summary: 'writes each frame as a netstring',
  accepts: 'frame',
  emits: 'bytes',
  // The length has one digit more for each tenfold.
  memory: { perByte: 1.1, perItem: 3 },
  examples: ['netstring | to-netstring'],
  make: () => frameEncoder('toNetstring', { maxSize: ({ length }) => length + MAX_DIGITS + 2, write }),
})

function write(frame: Frame, to: Buffer, at: number): number {
  const from = writeDecimal(frame.length, to, at)
  to[from] = COLON
  to.set(frame, from + 1)
  const end = from + 1 + frame.length
  to[end] = COMMA
  return end + 1
}
