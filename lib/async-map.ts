import { Transform, type TransformCallback } from 'node:stream'
import type { Connection } from './connection.js'
import { type Kind, type KindOf, sizeOf, wrongKind } from './kind.js'
import { checkFunction, checkNames } from './options/check-option.js'
import { integer } from './options/option.js'
import { type OptionsOf, settingsFrom } from './options/option-values.js'
import { fromStream, type StageOptions, type StreamStage } from './stage.js'

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
 * Makes a stage that waits for a promise for each item. Results leave in the order of the items, and no more than
 * `concurrency` (and 32 that wait in stream buffers) are held when the client does not read. Lines to lines by
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
): StreamStage<string, string>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection) => Promise<Out>,
  options: AsyncMapOptions & { readonly accepts: KindOf<In>; readonly emits: KindOf<Out> },
): StreamStage<In, Out>
export function asyncMap<In, Out>(
  name: string,
  work: (item: In, connection: Connection) => Promise<Out>,
  options: AsyncMapOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): StreamStage<In, Out> {
  const owner = `asyncMap('${name}')`
  checkFunction(owner, 'work', work)
  checkNames(owner, options, ['concurrency', 'accepts', 'emits', 'asks'])
  const { accepts = 'line', emits = 'line', asks = true } = options
  const { concurrency } = settingsFrom(owner, OPTIONS, options)
  return fromStream<In, Out>(
    name,
    (connection, fail) =>
      new OrderedMap(
        concurrency,
        async (item: In) => {
          const result = await work(item, connection)
          if (sizeOf(emits, result) === -1) throw wrongKind(name, emits, result)
          return result
        },
        fail,
      ),
    { accepts: accepts as KindOf<In>, emits: emits as KindOf<Out>, asks },
  )
}

/** An item whose result has not left yet. `settle` hands the result on; it is set once the promise has settled. */
interface PendingItem {
  settle?: () => void
}

/** Runs up to `concurrency` promises and pushes their results in order. */
class OrderedMap<In, Out> extends Transform {
  readonly #concurrency: number
  readonly #work: (item: In) => Promise<Out>
  readonly #fail: (error: unknown) => void
  readonly #slots: PendingItem[] = []
  #failed = false
  /**
   * A callback of the stream that is not called yet: that of `_transform`, until fewer than `concurrency` items are
   * pending, or that of `_flush`, until none is.
   */
  #waiting: TransformCallback | undefined
  #flushing = false

  constructor(concurrency: number, work: (item: In) => Promise<Out>, fail: (error: unknown) => void) {
    super({ objectMode: true, highWaterMark: 16 })
    this.#concurrency = concurrency
    this.#work = work
    this.#fail = fail
  }

  override _transform(item: In, _encoding: BufferEncoding, callback: TransformCallback): void {
    const slot: PendingItem = {}
    this.#slots.push(slot)
    this.#work(item).then(
      result => this.#settle(slot, () => this.push(result)),
      error =>
        this.#settle(slot, () => {
          this.#failed = true
          this.#fail(error)
        }),
    )
    this.#wait(callback)
  }

  override _flush(callback: TransformCallback): void {
    this.#flushing = true
    this.#wait(callback)
  }

  #settle(slot: PendingItem, settle: () => void): void {
    slot.settle = settle
    for (let first = this.#slots[0]; first?.settle !== undefined; first = this.#slots[0]) {
      this.#slots.shift()
      if (!this.#failed && !this.destroyed) first.settle()
    }
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) this.#wait(waiting)
  }

  #wait(callback: TransformCallback): void {
    if (this.#flushing ? this.#slots.length === 0 : this.#slots.length < this.#concurrency) callback()
    else this.#waiting = callback
  }
}
