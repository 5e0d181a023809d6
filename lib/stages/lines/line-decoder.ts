import type { Controller, Transformer } from '../../stage.js'
import { type LineBlocks, lineBlocks } from './line-blocks.js'
import type { LineRules } from './line-rules.js'

/** Decoder of lines for one connection: gets blocks of complete lines, which a subclass splits. */
export abstract class LineDecoder<Item> implements Transformer<Buffer, Item> {
  protected readonly rules: LineRules
  readonly #blocks: LineBlocks

  constructor(rules: LineRules) {
    this.rules = rules
    this.#blocks = lineBlocks(rules)
  }

  /** Emits the lines of a block. */
  protected abstract split(block: Buffer, controller: Controller<Item>): void

  /** Emits one line, given without its delimiter unless `keep` is set. */
  protected abstract emit(line: Buffer, controller: Controller<Item>): void

  transform(chunk: Buffer, controller: Controller<Item>): void {
    this.#blocks.push(chunk, block => this.split(block, controller), controller)
  }

  unfinished(): number {
    return this.#blocks.unfinished()
  }

  flush(controller: Controller<Item>): void {
    const lastLine = this.#blocks.end(controller)
    if (lastLine !== undefined) this.emit(lastLine, controller)
  }
}
