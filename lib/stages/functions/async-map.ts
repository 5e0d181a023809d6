import { MAX_TIMEOUT_MS, type Timer } from '../../clock.js'
import type { Connection } from '../../connection.js'
import { blame, StageError } from '../../errors.js'
import type { Given, ItemFrom, ItemKinds, ItemOf, Kind, KindOf, NamedKinds } from '../../kind.js'
import { checkFunction, checkNames } from '../../options/check-option.js'
import { formatDuration } from '../../options/format-duration.js'
import { boolean, integer } from '../../options/option.js'
import { type OptionsOf, settingsFrom } from '../../options/option-values.js'
import {
  type Controller,
  type HoldingController,
  type InBand,
  internalStage,
  reported,
  type StageOptions,
  settle,
  type Transformer,
  type TransformerStage,
  working,
} from '../../stage.js'
import { checkSemaphore, type Semaphore } from './semaphore.js'

/** The options; exported, so that an editor shows their help. */
export const ASYNC_MAP_OPTIONS = {
  concurrency: integer({
    help: 'how many items of a connection are worked on at the same time',
    default: 1,
    minimum: 1,
    maximum: 65_536,
  }),
  ordered: boolean({
    help: 'whether results leave in the order of their items, and not as they come',
    default: true,
  }),
  timeout: integer({
    help: 'how long a call may take; 0 is for ever',
    details: 'Beyond it the connection ends with `stage-error`.',
    default: 0,
    minimum: 0,
    maximum: MAX_TIMEOUT_MS,
    unit: 'ms',
  }),
}

/** Options of `asyncMap()` for lines. */
export interface AsyncMapOptions extends StageOptions, OptionsOf<typeof ASYNC_MAP_OPTIONS> {
  /** A limit of calls that connections, and stages, share. @default none */
  readonly limit?: Semaphore
}

/** A call of the function of `asyncMap()`. */
export interface Call {
  /**
   * Aborted when the connection is over, or when the call has taken longer than `timeout`. Read it before the function first
   * waits.
   */
  readonly signal: AbortSignal
}

/**
 * Makes a stage that waits for a promise for each item. Results leave in the order of the items, or with `ordered: false` as they
 * come. No more than `concurrency` calls of a connection are under way, and none is begun while the client does not read. Lines
 * to lines by default; name the kinds for anything else. A rejection ends the connection with `stage-error`, behind the results
 * of the items before it. Hand `signal` on to what may take long: it is aborted when the connection is over.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const lookup = asyncMap('lookup', line => db.find(line), { concurrency: 8 })
 * const fetched = asyncMap('fetched', async (url, connection, { signal }) => (await fetch(url, { signal })).text())
 */
export function asyncMap(
  name: string,
  work: (line: string, connection: Connection, call: Call) => PromiseLike<string> | string,
  options?: AsyncMapOptions,
): TransformerStage<string, string>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection, call: Call) => PromiseLike<Out> | Out,
  options: AsyncMapOptions & ItemKinds<In, Out>,
): TransformerStage<In, Out>
export function asyncMap<A extends Kind, E extends Kind, Out extends ItemFrom<E>>(
  name: string,
  work: (item: ItemOf<A>, connection: Connection, call: Call) => PromiseLike<Out> | Out,
  options: AsyncMapOptions & NamedKinds<A, E>,
): TransformerStage<ItemOf<A>, Given<E, Out>>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection, call: Call) => PromiseLike<Out> | Out,
  options: AsyncMapOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): TransformerStage<In, Out> {
  const owner = `asyncMap('${name}')`
  checkFunction(owner, 'work', work)
  checkNames(owner, options, ['accepts', 'emits', 'asks', 'limit', ...Object.keys(ASYNC_MAP_OPTIONS)])
  const { accepts = 'line', emits = 'line', asks = true, limit } = options
  if (limit !== undefined) checkSemaphore(owner, limit)
  const rules: Rules = { name, limit, ...settingsFrom(owner, ASYNC_MAP_OPTIONS, options) }
  return internalStage<In, Out>({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    lazy: true,
    waits: callsOf(rules),
    asks,
    open: connection => new Calling<In, Out>(rules, connection, (item, call) => work(item, connection, call)),
  })
}

/** The cause of a wait, in words. */
function callsOf({ concurrency, ordered, limit }: Rules): string {
  const calls = concurrency === 1 ? 'for one call at a time' : `for up to ${concurrency} calls at a time`
  const order = concurrency === 1 ? '' : ordered ? ', in order' : ', in any order'
  const shared = limit === undefined ? '' : `; the limit of ${limit.limit} calls is shared`
  return calls + order + shared
}

/** The settings of a stage, which all its connections share. */
interface Rules {
  readonly name: string
  readonly concurrency: number
  readonly ordered: boolean
  readonly timeout: number
  readonly limit: Semaphore | undefined
}

/** A place for a call, used again for later items. */
class Slot<In, Out> implements Call {
  /** `free`: there is none. In `report` there is a report of an earlier stage in its place. */
  state: 'free' | 'pending' | 'done' | 'failed' | 'report' = 'free'
  /** The result, what the call was rejected with, or the report. */
  value: unknown
  /** The item that waits for the limit. */
  item: In | undefined
  timer: Timer | undefined
  /** Aborts the call, where its signal was read and the call has a deadline of its own. */
  controller: AbortController | undefined
  readonly begin: () => void
  readonly onResult: (result: Out) => void
  readonly onError: (cause: unknown) => void
  readonly #owner: Calling<In, Out>

  constructor(owner: Calling<In, Out>) {
    this.#owner = owner
    this.begin = () => owner.begin(this)
    this.onResult = result => owner.settle(this, 'done', result)
    this.onError = cause => owner.settle(this, 'failed', cause)
  }

  get signal(): AbortSignal {
    if (!this.#owner.hasTimeout) return this.#owner.connection.signal
    this.controller ??= new AbortController()
    return this.controller.signal
  }
}

/** Runs up to `concurrency` calls for one connection, and enqueues their results. */
class Calling<In, Out> implements Transformer<In, Out> {
  readonly connection: Connection
  readonly #rules: Rules
  readonly #work: (item: In, call: Call) => PromiseLike<Out> | Out
  /** The slots; where results are ordered, a ring: `#count` slots, from `#first` on, have a call. */
  readonly #slots: Slot<In, Out>[] = []
  #first = 0
  /** The slots without a call, where results are not ordered. */
  readonly #free: Slot<In, Out>[] = []
  #count = 0
  #controller: HoldingController<Out> | undefined
  /** The number of calls under way down to which the stage waits; undefined where it does not. */
  #waitsFor: number | undefined
  /** The connection is over, or a call has failed: nobody waits for results. */
  #isOver = false

  constructor(rules: Rules, connection: Connection, work: (item: In, call: Call) => PromiseLike<Out> | Out) {
    this.#rules = rules
    this.connection = connection
    this.#work = work
  }

  get hasTimeout(): boolean {
    return this.#rules.timeout > 0
  }

  transform(item: In, controller: Controller<Out>): void {
    this.#controller = controller as HoldingController<Out>
    const { limit, concurrency } = this.#rules
    const slot = this.#nextSlot()
    slot.state = 'pending'
    slot.item = item
    if (limit === undefined) this.begin(slot)
    else limit.begin(slot.begin)
    if (this.#count === concurrency) this.#waitFor(concurrency - 1)
  }

  [working](): boolean {
    return this.#count > 0
  }

  [reported](fault: InBand, controller: Controller<Out>): void {
    if (this.#count === 0 || !this.#rules.ordered) {
      ;(controller as HoldingController<Out>).passReport(fault)
      return
    }
    const { concurrency } = this.#rules
    const slot = this.#nextSlot()
    slot.state = 'report'
    slot.value = fault
    if (this.#count === concurrency) this.#waitFor(concurrency - 1)
  }

  flush(): void {
    this[settle]()
  }

  [settle](): void {
    if (this.#count > 0) this.#waitFor(0)
  }

  close(): void {
    this.#isOver = true
    for (const slot of this.#slots) {
      this.#rules.limit?.cancel(slot.begin)
      this.#endTimer(slot)
      slot.controller?.abort()
    }
  }

  /** Begins the call of a slot, now that the limit allows it. */
  begin(slot: Slot<In, Out>): void {
    const item = slot.item as In
    slot.item = undefined
    const { timeout } = this.#rules
    if (timeout > 0) {
      slot.timer = this.connection.clock.setTimeout(() => this.#timeOut(slot), timeout)
    }
    try {
      const result = this.#work(item, slot)
      // A promise of Node's own needs no other around it.
      const promise = result instanceof Promise ? result : Promise.resolve(result)
      promise.then(slot.onResult, slot.onError)
    } catch (cause) {
      slot.onError(cause)
    }
  }

  /** Takes the end of a call. One that has timed out, or whose connection is over, only makes room for others. */
  settle(slot: Slot<In, Out>, state: 'done' | 'failed', value: unknown): void {
    this.#rules.limit?.end()
    if (this.#isOver || slot.state !== 'pending') return
    this.#finish(slot, state, value)
  }

  #finish(slot: Slot<In, Out>, state: 'done' | 'failed', value: unknown): void {
    if (this.#rules.timeout > 0) {
      this.#endTimer(slot)
      slot.controller = undefined
    }
    slot.state = state
    slot.value = value
    if (this.#rules.ordered) {
      while (this.#count > 0) {
        const first = this.#slots[this.#first] as Slot<In, Out>
        if (first.state === 'pending') break
        this.#first = (this.#first + 1) % this.#rules.concurrency
        this.#deliver(first)
      }
    } else {
      this.#deliver(slot)
    }
    if (this.#waitsFor === undefined || this.#count > this.#waitsFor) return
    this.#waitsFor = undefined
    this.#controller?.release()
  }

  #deliver(slot: Slot<In, Out>): void {
    const controller = this.#controller as HoldingController<Out>
    const { state, value } = slot
    slot.state = 'free'
    slot.value = undefined
    if (--this.#count === 0) this.#first = 0
    if (!this.#rules.ordered) this.#free.push(slot)
    if (state === 'done') controller.answer(value as Out)
    else if (state === 'report') controller.passReport(value as InBand)
    else controller.error(blame(this.#rules.name, 'transform', value))
  }

  /** The slot of the next item. There is room for one: the stage waits while `concurrency` are taken. */
  #nextSlot(): Slot<In, Out> {
    const { concurrency, ordered } = this.#rules
    const slots = this.#slots
    const slot = ordered ? slots[(this.#first + this.#count) % concurrency] : this.#free.pop()
    this.#count++
    if (slot !== undefined) return slot
    const made = new Slot<In, Out>(this)
    slots.push(made)
    return made
  }

  #endTimer(slot: Slot<In, Out>): void {
    if (slot.timer !== undefined) this.connection.clock.clearTimeout(slot.timer)
    slot.timer = undefined
  }

  #timeOut(slot: Slot<In, Out>): void {
    slot.timer = undefined
    const { name, timeout } = this.#rules
    const error = new StageError(name, `got no result within ${formatDuration(timeout)}.`)
    slot.controller?.abort(error)
    this.#finish(slot, 'failed', error)
  }

  #waitFor(count: number): void {
    this.#waitsFor = count
    this.#controller?.hold()
  }
}
