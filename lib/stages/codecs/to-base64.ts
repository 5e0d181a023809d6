import { defineStage } from '../../define-stage.js'
import { type Controller, stage, type Transformer } from '../../stage.js'

/**
 * Encodes bytes in base64 (RFC 4648 §4), padded at the end and without line feeds. Takes bytes and emits the characters
 * as bytes. `fromBase64()` is the decoder. Three bytes become four characters, so up to two bytes wait for more, or for
 * the end.
 *
 * @example
 * pipeline().through(toBase64())
 */
export const toBase64 = defineStage({
  name: 'toBase64',
  summary: 'turns bytes into base64',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { perByte: 4 / 3, perRead: 4 },
  examples: ['to-base64'],
  make: () =>
    stage<Buffer, Buffer>({
      name: 'toBase64',
      accepts: 'bytes',
      emits: 'bytes',
      asks: false,
      open: () => new ToBase64Transformer(),
    }),
})

/** Encoder of one connection. */
class ToBase64Transformer implements Transformer<Buffer, Buffer> {
  /** Up to two bytes that wait, as a latin1 string: a small Buffer would keep the memory of a whole chunk alive. */
  #remainder = ''

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    const bytes =
      this.#remainder === '' ? chunk : Buffer.concat([Buffer.from(this.#remainder, 'latin1'), chunk])
    const end = bytes.length - (bytes.length % 3)
    this.#remainder = bytes.toString('latin1', end)
    if (end > 0) controller.enqueue(Buffer.from(bytes.toString('base64', 0, end), 'latin1'))
  }

  flush(controller: Controller<Buffer>): void {
    if (this.#remainder !== '') controller.enqueue(Buffer.from(btoa(this.#remainder), 'latin1'))
  }
}
