import { isUtf8 } from 'node:buffer'
import { InvalidUtf8Error } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller } from '../../stage.js'
import type { Reporter } from './line-blocks.js'
import { LineDecoder } from './line-decoder.js'
import type { LineRules } from './line-rules.js'

/** Throws or reports the error for a line that is not UTF-8, as `invalid` says. */
export function refuseInvalid({ invalid }: LineRules, reporter: Reporter): void {
  const error = () => new InvalidUtf8Error('lines', 'line')
  if (invalid === 'error') throw error()
  reporter.report(error)
}

/**
 * Decoder that looks at the bytes of every single line. Used where `LineTransformer`, which decodes whole blocks, would
 * not do: for strict CR LF, for lines that keep their delimiter, for frames, and where a line that is not UTF-8 is
 * refused.
 */
abstract class ExactLines<Item> extends LineDecoder<Item> {
  protected override split(block: Buffer, controller: Controller<Item>): void {
    const { delimiter, keep } = this.rules
    const lineEnd = delimiter === '\r\n' ? '\r\n' : '\n'
    let from = 0
    for (let end = block.indexOf(lineEnd); end !== -1; end = block.indexOf(lineEnd, from)) {
      const next = end + lineEnd.length
      const hasCr = delimiter === '\r?\n' && end > from && block[end - 1] === 0x0d
      this.emit(block.subarray(from, keep ? next : hasCr ? end - 1 : end), controller)
      from = next
    }
    // With overflow 'split' a block may be a piece of a line that was too long.
    if (from < block.length) this.emit(block.subarray(from), controller)
  }
}

/** Emits lines as text. */
export class ExactTextLines extends ExactLines<string> {
  protected override emit(line: Buffer, controller: Controller<string>): void {
    const { isStrict, encoding } = this.rules
    if (isStrict && !isUtf8(line)) refuseInvalid(this.rules, controller)
    else controller.enqueue(line.toString(encoding as BufferEncoding))
  }
}

/** Emits lines as frames, for `encoding: 'buffer'`. */
export class FrameLines extends ExactLines<Frame> {
  protected override emit(line: Buffer, controller: Controller<Frame>): void {
    controller.enqueue(line)
  }
}
