import { defineStage } from '../../define-stage.js'
import { map } from '../../stage.js'

/**
 * Turns each byte into two hexadecimal digits (RFC 4648 §8, base16), in lower case and without anything between them.
 * Holds nothing: what came in goes on at once.
 *
 * @example
 * pipeline().through(toHex())
 */
export const toHex = defineStage({
  name: 'toHex',
  summary: 'turns each byte into two hexadecimal digits',
  accepts: 'bytes',
  emits: 'bytes',
  examples: ['to-hex'],
  make: () =>
    map<Buffer, Buffer>('toHex', chunk => Buffer.from(chunk.toString('hex'), 'latin1'), {
      accepts: 'bytes',
      emits: 'bytes',
      asks: false,
    }),
})
