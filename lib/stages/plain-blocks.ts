import { isUtf8 } from 'node:buffer'
import { LineBlocks } from './line-blocks.js'

/**
 * Line blocks as the encoder would write the lines again: a CR that belongs to a delimiter is gone, and bytes that
 * are not UTF-8 are U+FFFD already.
 */
export class PlainBlocks extends LineBlocks {
  override push(chunk: Buffer, emit: (block: Buffer) => void): void {
    const { delimiter, encoding } = this.rules
    if (delimiter === '\n' && encoding === 'latin1') super.push(chunk, emit)
    else super.push(chunk, block => emit(this.#plain(block)))
  }

  override end(): Buffer | undefined {
    const rest = super.end()
    return rest && this.#valid(rest)
  }

  #plain(block: Buffer): Buffer {
    const { delimiter } = this.rules
    const valid = this.#valid(block)
    if (delimiter === '\n' || !valid.includes('\r\n')) return valid
    return Buffer.from(valid.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  }

  #valid(text: Buffer): Buffer {
    return this.rules.encoding === 'latin1' || isUtf8(text) ? text : Buffer.from(text.toString())
  }
}
