import { defineStage } from '../../define-stage.js'
import { type Controller, stage, type Transformer } from '../../stage.js'

/**
 * Turns bytes into base64 (RFC 4648 §4), padded at the end and without line feeds. Three bytes become four characters,
 * so up to two bytes wait for more, or for the end.
 *
 * @example
 * pipeline().through(toBase64())
 */
export const toBase64 = defineStage({
  name: 'toBase64',
  summary: 'turns bytes into base64',
  accepts: 'bytes',
  emits: 'bytes',
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

class ToBase64Transformer implements Transformer<Buffer, Buffer> {
  /** Up to two bytes, as latin1: a Buffer as small would keep a larger one alive. */
  #carry = ''

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    const bytes = this.#carry === '' ? chunk : Buffer.concat([Buffer.from(this.#carry, 'latin1'), chunk])
    const end = bytes.length - (bytes.length % 3)
    this.#carry = bytes.toString('latin1', end)
    if (end > 0) controller.enqueue(Buffer.from(bytes.toString('base64', 0, end), 'latin1'))
  }

  flush(controller: Controller<Buffer>): void {
    if (this.#carry !== '') controller.enqueue(Buffer.from(btoa(this.#carry), 'latin1'))
  }
}
