import type { Connection } from '../../connection.js'
import { blame, StageError } from '../../errors.js'
import type { Given, ItemFrom, ItemKinds, ItemOf, Kind, KindOf, NamedKinds } from '../../kind.js'
import { checkFunction, checkNames } from '../../options/check-option.js'
import type { Outcome } from '../../outcome.js'
import {
  type Controller,
  type HoldingController,
  internalStage,
  type StageOptions,
  settle,
  type Transformer,
  type TransformerStage,
  working,
} from '../../stage.js'

/** Options of `generate()` for lines. */
export interface GenerateOptions extends StageOptions {}

/**
 * Makes a stage of an async generator function, which is called once for each connection. It takes the items as they come and
 * yields what the next stage gets: any number for an item, and at any time. Lines to lines by default; name the kinds for
 * anything else.
 *
 * The generator is resumed only while the client reads what it has yielded, and the client is read only while the generator
 * takes items. `items` ends when the client has ended its side; the connection stays open until the generator returns, and
 * ends in good order when it returns before that. What it throws ends the connection with `stage-error`. When the connection
 * is over `items` ends too, and the generator is made to return at its `yield`, so that its `finally` runs; `connection.signal`
 * ends what it waits for otherwise.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const countdown = generate('countdown', async function* (lines) {
 *   for await (const line of lines) {
 *     for (let left = Number(line); left >= 0; left--) yield String(left)
 *   }
 * })
 */
export function generate(
  name: string,
  generator: (items: AsyncIterable<string>, connection: Connection) => AsyncGenerator<string, void, unknown>,
  options?: GenerateOptions,
): TransformerStage<string, string>
export function generate<In, Out>(
  name: string,
  generator: (items: AsyncIterable<In>, connection: Connection) => AsyncGenerator<Out, void, unknown>,
  options: GenerateOptions & ItemKinds<In, Out>,
): TransformerStage<In, Out>
export function generate<A extends Kind, E extends Kind, Out extends ItemFrom<E>>(
  name: string,
  generator: (items: AsyncIterable<ItemOf<A>>, connection: Connection) => AsyncGenerator<Out, void, unknown>,
  options: GenerateOptions & NamedKinds<A, E>,
): TransformerStage<ItemOf<A>, Given<E, Out>>
export function generate<In, Out>(
  name: string,
  generator: (items: AsyncIterable<In>, connection: Connection) => AsyncGenerator<Out, void, unknown>,
  options: GenerateOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): TransformerStage<In, Out> {
  const { accepts = 'line', emits = 'line', asks = true } = options
  checkFunction(`generate('${name}')`, 'generator', generator)
  checkNames(`generate('${name}')`, options, ['accepts', 'emits', 'asks'])
  return internalStage<In, Out>({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    waits: 'for its generator, which takes one item at a time',
    asks,
    open: connection => new Generating(name, items => generator(items, connection)),
  })
}

/** Runs the generator of one connection. */
class Generating<In, Out> implements Transformer<In, Out>, AsyncIterableIterator<In> {
  readonly #name: string
  readonly #generator: (items: AsyncIterable<In>) => AsyncGenerator<Out, void, unknown>
  #generated: AsyncGenerator<Out, void, unknown> | undefined
  #controller: HoldingController<Out> | undefined
  /** An item that the generator has not asked for yet; the stage holds meanwhile. */
  #item: { readonly value: In } | undefined
  /** The generator's call of `next()` that waits for an item. */
  #asking: ((result: IteratorResult<In>) => void) | undefined
  /** No item comes any more. */
  #ended = false
  /** The end of the input waits for the generator. */
  #isFlushing = false
  /** The generator has returned, or nobody takes what it yields. */
  #isOver = false

  constructor(name: string, generator: (items: AsyncIterable<In>) => AsyncGenerator<Out, void, unknown>) {
    this.#name = name
    this.#generator = generator
  }

  start(controller: Controller<Out>): void {
    const holding = controller as HoldingController<Out>
    this.#controller = holding
    const generated = this.#generator(this)
    if (typeof generated?.[Symbol.asyncIterator] !== 'function') {
      throw new StageError(
        this.#name,
        "must be an async generator function, as in 'async function* (items) { … }'.",
      )
    }
    this.#generated = generated
    void this.#run(generated, holding)
  }

  transform(value: In, controller: Controller<Out>): void {
    const asking = this.#asking
    if (asking === undefined) {
      this.#item = { value }
      ;(controller as HoldingController<Out>).hold()
    } else {
      this.#asking = undefined
      asking({ done: false, value })
    }
  }

  /** The generator does something as long as it does not ask for an item. */
  [working](): boolean {
    return !this.#isOver && this.#asking === undefined
  }

  flush(): void {
    this[settle]()
  }

  [settle](): void {
    this.#endItems()
    this.#isFlushing = true
    this.#started.hold()
  }

  close(_outcome: Outcome): void {
    this.#isOver = true
    this.#endItems()
    // A generator that waits for something else than an item goes on until that has settled.
    this.#generated?.return().then(undefined, cause => this.#fail(cause))
  }

  // The iterator that the generator is given

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<In>> {
    const item = this.#item
    if (item !== undefined) {
      this.#item = undefined
      this.#started.release()
      return Promise.resolve({ done: false, value: item.value })
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => {
      this.#asking = resolve
    })
  }

  /** Called where the generator leaves a loop over the items; it may go on with another. */
  return(): Promise<IteratorResult<In>> {
    return Promise.resolve({ done: true, value: undefined })
  }

  /** The controller; `start` has set it before anything else is called. */
  get #started(): HoldingController<Out> {
    return this.#controller as HoldingController<Out>
  }

  #endItems(): void {
    this.#ended = true
    this.#asking?.({ done: true, value: undefined })
    this.#asking = undefined
  }

  async #run(
    generated: AsyncGenerator<Out, void, unknown>,
    controller: HoldingController<Out>,
  ): Promise<void> {
    try {
      for await (const item of generated) {
        if (this.#isOver) return
        controller.answer(item)
        if (controller.desiredSize <= 0) await controller.ready
      }
      if (!this.#isOver) this.#end(controller)
    } catch (cause) {
      if (!this.#isOver) this.#fail(cause)
    }
  }

  #fail(cause: unknown): void {
    this.#started.error(blame(this.#name, 'its generator', cause))
  }

  #end(controller: HoldingController<Out>): void {
    this.#isOver = true
    if (this.#isFlushing) controller.release()
    else controller.terminate()
  }
}
