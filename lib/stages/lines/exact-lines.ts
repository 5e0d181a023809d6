import { isUtf8 } from 'node:buffer'
import { InvalidUtf8Error } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { Controller, Transformer } from '../../stage.js'
import { type LineBlocks, lineBlocks, type Reports } from './line-blocks.js'
import type { LineRules } from './line-rules.js'

/** Reports or throws, as `invalid` says, a line that is not UTF-8. */
export function refuseInvalid({ invalid }: LineRules, to: Reports): void {
  const error = new InvalidUtf8Error('lines', 'line')
  if (invalid === 'error') throw error
  to.report(error)
}

/** Lines of bytes, one by one: with their delimiters, as frames, or refused where they are not UTF-8. */
abstract class ExactLines<Item> implements Transformer<Buffer, Item> {
  protected readonly rules: LineRules
  readonly #blocks: LineBlocks

  constructor(rules: LineRules) {
    this.rules = rules
    this.#blocks = lineBlocks(rules)
  }

  protected abstract give(line: Buffer, controller: Controller<Item>): void

  transform(chunk: Buffer, controller: Controller<Item>): void {
    this.#blocks.push(chunk, block => this.#split(block, controller), controller)
  }

  unfinished(): number {
    return this.#blocks.unfinished()
  }

  flush(controller: Controller<Item>): void {
    const rest = this.#blocks.end(controller)
    if (rest !== undefined) this.give(rest, controller)
  }

  #split(block: Buffer, controller: Controller<Item>): void {
    const { delimiter, keep } = this.rules
    const wanted = delimiter === '\r\n' ? '\r\n' : '\n'
    let from = 0
    for (let end = block.indexOf(wanted); end !== -1; end = block.indexOf(wanted, from)) {
      const next = end + wanted.length
      const cr = delimiter === '\r?\n' && end > from && block[end - 1] === 0x0d
      this.give(block.subarray(from, keep ? next : cr ? end - 1 : end), controller)
      from = next
    }
    // A piece of a line that was too long.
    if (from < block.length) this.give(block.subarray(from), controller)
  }
}

export class ExactTextLines extends ExactLines<string> {
  protected override give(line: Buffer, controller: Controller<string>): void {
    const { isStrict, encoding } = this.rules
    if (isStrict && !isUtf8(line)) refuseInvalid(this.rules, controller)
    else controller.enqueue(line.toString(encoding as BufferEncoding))
  }
}

export class FrameLines extends ExactLines<Frame> {
  protected override give(line: Buffer, controller: Controller<Frame>): void {
    controller.enqueue(line)
  }
}
