import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Passes a connection's first items on, of any kind, and then ends the connection in good order (outcome
 * `terminated`): what is behind it is flushed and written. Of bytes an item is a chunk, whose boundaries mean nothing:
 * put it behind a stage that makes lines, frames or values.
 *
 * @param count - How many items. With 0 the connection ends as soon as it is open.
 * @throws InvalidOptionError when `count` is not a whole number from 0.
 * @example
 * pipeline().through(lines()).through(take(1)).through(toLines())
 */
export const take = defineStage({
  name: 'take',
  summary: 'passes the first items on, and then ends the connection',
  accepts: 'any',
  emits: 'same',
  arguments: [
    { count: integer({ help: 'how many items; with 0 the connection ends as soon as it is open' }) },
  ],
  examples: ['lines | take 1 | to-lines'],
  make: ({ count }) =>
    stage({
      name: 'take',
      accepts: 'any',
      emits: 'same',
      asks: false,
      open: () => new TakeTransformer<unknown>(count),
    }),
}) as StageFactory<<Item = string>(count: number) => TransformerStage<Item, Item>>

class TakeTransformer<Item> implements Transformer<Item, Item> {
  #left: number

  constructor(count: number) {
    this.#left = count
  }

  start(controller: Controller<Item>): void {
    if (this.#left === 0) controller.terminate()
  }

  transform(item: Item, controller: Controller<Item>): void {
    controller.enqueue(item)
    if (--this.#left === 0) controller.terminate()
  }
}
