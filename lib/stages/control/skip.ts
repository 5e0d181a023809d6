import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Leaves out a connection's first items, of any kind, and passes the others on. Of bytes an item is a chunk, whose
 * boundaries mean nothing: put it behind a stage that makes lines, frames or values.
 *
 * @param count - How many items.
 * @throws InvalidOptionError when `count` is not a whole number from 0.
 * @example
 * pipeline().through(lines()).through(skip(1)).through(toLines())
 */
export const skip = defineStage({
  name: 'skip',
  summary: 'leaves out the first items',
  accepts: 'any',
  emits: 'same',
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
}) as StageFactory<<Item = string>(count: number) => TransformerStage<Item, Item>>

class SkipTransformer<Item> implements Transformer<Item, Item> {
  #left: number

  constructor(count: number) {
    this.#left = count
  }

  transform(item: Item, controller: Controller<Item>): void {
    if (this.#left > 0) this.#left--
    else controller.enqueue(item)
  }
}
