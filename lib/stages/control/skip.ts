import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Drops the first items of each connection and passes the others on. Takes items of any kind. Where bytes flow, an item
 * is a chunk, and where TCP cuts those is arbitrary: put it behind a stage that emits lines, frames or values.
 *
 * @param count - The number of items to drop.
 * @throws InvalidOptionError when `count` is not a whole number from 0.
 * @example
 * pipeline().through(lines()).through(skip(1)).through(toLines())
 */
export const skip = defineStage({
  name: 'skip',
  summary: 'leaves out the first items',
  accepts: 'any',
  emits: 'same',
  memory: {},
  arguments: [{ count: integer({ help: 'how many items' }) }],
  examples: ['lines | skip 1 | to-lines'],
  make: ({ count }) =>
    stage({
      name: 'skip',
      accepts: 'any',
      emits: 'same',
      lazy: true,
      asks: false,
      open: () => new SkipTransformer<unknown>(count),
    }),
}) as StageFactory<<Item = string>(count: number | string) => TransformerStage<Item, Item>>

/** The count of one connection. */
class SkipTransformer<Item> implements Transformer<Item, Item> {
  #remaining: number

  constructor(count: number) {
    this.#remaining = count
  }

  transform(item: Item, controller: Controller<Item>): void {
    if (this.#remaining > 0) this.#remaining--
    else controller.enqueue(item)
  }
}
