import { isUtf8 } from 'node:buffer'
import { InvalidUtf8Error } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller, Transformer } from '../../stage.js'
import { type LineBlocks, lineBlocks, type Reporter } from './line-blocks.js'
import type { LineRules } from './line-rules.js'

/** Reports or throws, as `invalid` says, a line that is not UTF-8. */
export function refuseInvalid({ invalid }: LineRules, reporter: Reporter): void {
  const error = new InvalidUtf8Error('lines', 'line')
  if (invalid === 'error') throw error
  reporter.report(error)
}

/** Lines of bytes, one by one: with their delimiters, as frames, or refused where they are not UTF-8. */
abstract class ExactLines<Item> implements Transformer<Buffer, Item> {
  protected readonly rules: LineRules
  readonly #blocks: LineBlocks

  constructor(rules: LineRules) {
    this.rules = rules
    this.#blocks = lineBlocks(rules)
  }

  protected abstract emit(line: Buffer, controller: Controller<Item>): void

  transform(chunk: Buffer, controller: Controller<Item>): void {
    this.#blocks.push(chunk, block => this.#split(block, controller), controller)
  }

  unfinished(): number {
    return this.#blocks.unfinished()
  }

  flush(controller: Controller<Item>): void {
    const lastLine = this.#blocks.end(controller)
    if (lastLine !== undefined) this.emit(lastLine, controller)
  }

  #split(block: Buffer, controller: Controller<Item>): void {
    const { delimiter, keep } = this.rules
    const lineEnd = delimiter === '\r\n' ? '\r\n' : '\n'
    let from = 0
    for (let end = block.indexOf(lineEnd); end !== -1; end = block.indexOf(lineEnd, from)) {
      const next = end + lineEnd.length
      const hasCr = delimiter === '\r?\n' && end > from && block[end - 1] === 0x0d
      this.emit(block.subarray(from, keep ? next : hasCr ? end - 1 : end), controller)
      from = next
    }
    // A piece of a line that was too long.
    if (from < block.length) this.emit(block.subarray(from), controller)
  }
}

export class ExactTextLines extends ExactLines<string> {
  protected override emit(line: Buffer, controller: Controller<string>): void {
    const { isStrict, encoding } = this.rules
    if (isStrict && !isUtf8(line)) refuseInvalid(this.rules, controller)
    else controller.enqueue(line.toString(encoding as BufferEncoding))
  }
}

export class FrameLines extends ExactLines<Frame> {
  protected override emit(line: Buffer, controller: Controller<Frame>): void {
    controller.enqueue(line)
  }
}
