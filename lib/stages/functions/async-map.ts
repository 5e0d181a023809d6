import type { Connection } from '../../connection.js'
import { blame, type Fault } from '../../errors.js'
import type { Kind, KindOf } from '../../kind.js'
import { checkFunction, checkNames } from '../../options/check-option.js'
import { integer } from '../../options/option.js'
import { type OptionsOf, settingsFrom } from '../../options/option-values.js'
import {
  type Controller,
  type HoldingController,
  internalStage,
  reported,
  type StageOptions,
  settle,
  type Transformer,
  type TransformerStage,
} from '../../stage.js'

const OPTIONS = {
  concurrency: integer({
    help: 'how many items of a connection are worked on at the same time',
    default: 1,
    minimum: 1,
    maximum: 65_536,
  }),
}

/** Options of `asyncMap()` for lines. */
export interface AsyncMapOptions extends StageOptions, OptionsOf<typeof OPTIONS> {}

/**
 * Makes a stage that waits for a promise for each item. Results leave in the order of the items. No more than `concurrency`
 * calls are under way, and none is begun while the client does not read. Lines to lines by
 * default; name the kinds for anything else. A rejection ends the connection with `stage-error`, behind the results
 * of the items before it. Work that may take long should listen to `connection.signal`, which is aborted at the end of
 * the connection.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const lookup = asyncMap('lookup', (line: string) => db.find(line), { concurrency: 8 })
 */
export function asyncMap(
  name: string,
  work: (line: string, connection: Connection) => Promise<string>,
  options?: AsyncMapOptions,
): TransformerStage<string, string>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection) => Promise<Out>,
  options: AsyncMapOptions & { readonly accepts: KindOf<In>; readonly emits: KindOf<Out> },
): TransformerStage<In, Out>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection) => Promise<Out>,
  options: AsyncMapOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): TransformerStage<In, Out> {
  const owner = `asyncMap('${name}')`
  checkFunction(owner, 'work', work)
  checkNames(owner, options, ['concurrency', 'accepts', 'emits', 'asks'])
  const { accepts = 'line', emits = 'line', asks = true } = options
  const { concurrency } = settingsFrom(owner, OPTIONS, options)
  return internalStage<In, Out>({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    lazy: true,
    waits: true,
    asks,
    open: connection => new OrderedMap(name, concurrency, (item: In) => work(item, connection)),
  })
}

/** A call that is under way, or whose result waits for those of the items before it. Used again for later items. */
interface Slot<Out> {
  /** In `report` the slot has no call, but a report of an earlier stage. */
  state: 'pending' | 'done' | 'failed' | 'report'
  /** The result, what the call was rejected with, or the report. */
  value: unknown
  readonly onResult: (result: Out) => void
  readonly onError: (cause: unknown) => void
}

/** Runs up to `concurrency` calls, and enqueues their results in the order of the items. */
class OrderedMap<In, Out> implements Transformer<In, Out> {
  readonly #name: string
  readonly #concurrency: number
  readonly #work: (item: In) => Promise<Out>
  /** Ring of slots: `#count` of them, from `#first` on, have a call. */
  readonly #slots: Slot<Out>[] = []
  #first = 0
  #count = 0
  #controller: HoldingController<Out> | undefined
  /** The number of calls under way down to which the stage waits; undefined where it does not. */
  #waitsFor: number | undefined

  constructor(name: string, concurrency: number, work: (item: In) => Promise<Out>) {
    this.#name = name
    this.#concurrency = concurrency
    this.#work = work
  }

  transform(item: In, controller: Controller<Out>): void {
    this.#controller = controller as HoldingController<Out>
    const slot = this.#slotAt(this.#count++)
    slot.state = 'pending'
    try {
      Promise.resolve(this.#work(item)).then(slot.onResult, slot.onError)
    } catch (cause) {
      slot.onError(cause)
    }
    if (this.#count === this.#concurrency) this.#waitFor(this.#concurrency - 1)
  }

  [reported](fault: Fault, controller: Controller<Out>): void {
    if (this.#count === 0) {
      controller.report(fault)
      return
    }
    const slot = this.#slotAt(this.#count++)
    slot.state = 'report'
    slot.value = fault
    if (this.#count === this.#concurrency) this.#waitFor(this.#concurrency - 1)
  }

  flush(): void {
    this[settle]()
  }

  [settle](): void {
    if (this.#count > 0) this.#waitFor(0)
  }

  /** Drops the results that are still to come: nobody waits for them. */
  close(): void {
    this.#count = 0
  }

  #slotAt(place: number): Slot<Out> {
    const index = (this.#first + place) % this.#concurrency
    let slot = this.#slots[index]
    if (slot === undefined) {
      slot = this.#newSlot()
      this.#slots[index] = slot
    }
    return slot
  }

  #newSlot(): Slot<Out> {
    const settle = (state: 'done' | 'failed') => (value: unknown) => {
      slot.state = state
      slot.value = value
      this.#deliver()
    }
    const slot: Slot<Out> = {
      state: 'pending',
      value: undefined,
      onResult: settle('done'),
      onError: settle('failed'),
    }
    return slot
  }

  /** Enqueues the results that no earlier item is waited for. */
  #deliver(): void {
    const controller = this.#controller as HoldingController<Out>
    while (this.#count > 0) {
      const { state, value } = this.#slotAt(0)
      if (state === 'pending') break
      this.#slotAt(0).value = undefined
      this.#first = (this.#first + 1) % this.#concurrency
      this.#count--
      if (state === 'done') controller.answer(value as Out)
      else if (state === 'report') controller.report(value as Fault)
      else controller.error(blame(this.#name, 'transform', value))
    }
    if (this.#waitsFor === undefined || this.#count > this.#waitsFor) return
    this.#waitsFor = undefined
    controller.release()
  }

  #waitFor(count: number): void {
    this.#waitsFor = count
    this.#controller?.hold()
  }
}
