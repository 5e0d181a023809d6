import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

/**
 * Passes the first items of each connection on, and then ends the connection in good order (outcome `terminated`): the
 * stages behind it are flushed, and their output is written. Takes items of any kind. Where bytes flow, an item is a
 * chunk, and where TCP cuts those is arbitrary: put it behind a stage that emits lines, frames or values.
 *
 * @param count - The number of items to pass on. With 0 the connection ends as soon as it is open.
 * @throws InvalidOptionError when `count` is not a whole number from 0.
 * @example
 * pipeline().through(lines()).through(take(1)).through(toLines())
 */
export const take = defineStage({
  name: 'take',
  summary: 'passes the first items on, and then ends the connection',
  accepts: 'any',
  emits: 'same',
  memory: {},
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
}) as StageFactory<<Item = string>(count: number | string) => TransformerStage<Item, Item>>

/** The count of one connection. */
class TakeTransformer<Item> implements Transformer<Item, Item> {
  #remaining: number

  constructor(count: number) {
    this.#remaining = count
  }

  start(controller: Controller<Item>): void {
    if (this.#remaining === 0) controller.terminate()
  }

  transform(item: Item, controller: Controller<Item>): void {
    controller.enqueue(item)
    if (--this.#remaining === 0) controller.terminate()
  }
}
