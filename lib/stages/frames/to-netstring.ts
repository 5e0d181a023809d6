import { defineStage } from '../../define-stage.js'
import type { Frame } from '../../kind.js'
import { map, pureStage } from '../../stage.js'

const COMMA = 0x2c

/**
 * Turns frames into netstrings, such as `5:hello,` (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt): the
 * encoder for `netstring()`. Takes frames and emits one chunk for each.
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
  make: () =>
    pureStage(map<Frame, Buffer>('toNetstring', encode, { accepts: 'frame', emits: 'bytes', asks: false })),
})

function encode(frame: Frame): Buffer {
  const header = `${frame.length}:`
  const encoded = Buffer.allocUnsafe(header.length + frame.length + 1)
  encoded.write(header, 'latin1')
  encoded.set(frame, header.length)
  encoded[encoded.length - 1] = COMMA
  return encoded
}
