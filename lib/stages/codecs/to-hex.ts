import { defineStage } from '../../define-stage.js'
import { map } from '../../stage.js'

/**
 * Encodes each byte as two hexadecimal digits (RFC 4648 §8, base16), in lower case and with nothing between them. Takes
 * bytes and emits the digits as bytes, at once. `fromHex()` is the decoder.
 *
 * @example
 * pipeline().through(toHex())
 */
export const toHex = defineStage({
  name: 'toHex',
  summary: 'turns each byte into two hexadecimal digits',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { perByte: 2 },
  examples: ['to-hex'],
  make: () =>
    map<Buffer, Buffer>('toHex', chunk => Buffer.from(chunk.toString('hex'), 'latin1'), {
      accepts: 'bytes',
      emits: 'bytes',
      asks: false,
    }),
})
