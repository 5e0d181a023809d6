import type { Writable } from 'node:stream'
import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { type BywashError, blame, CopyError, StageError } from '../../errors.js'
import { callback, choice, integer, orCode, text } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import type { Outcome } from '../../outcome.js'
import { type SideWrite, SideWrites } from '../../side-writes.js'
import {
  type Controller,
  type HoldingController,
  internalStage,
  type Transformer,
  type TransformerStage,
} from '../../stage.js'
import type { Copier, CopySink } from './copy-sink.js'
import { fileSink } from './file-sink.js'
import { ownRejection } from './own-rejection.js'
import { WritableSink } from './writable-sink.js'

const dropOrFail = (help: string) => choice(['drop', 'fail'], { default: 'drop', help })

const OPTIONS = {
  to: orCode<Writable, string, 'required'>(
    text({
      required: true,
      minimum: 1,
      help: "where the copy goes: the path of a file, a FIFO or a device, opened once in append mode for all connections that write to it; or a Writable, shared by all connections and never ended, whose 'error' event says why it failed",
    }),
    {
      inCode: 'a Writable',
      isCode: value => typeof (value as Writable | null | undefined)?.write === 'function',
      wants: 'is a Writable or the path of a file',
    },
  ),
  onLag: choice(['drop', 'fail', 'wait'], {
    default: 'drop',
    help: 'what happens to an item when maxPending waits already: it is missing in the copy, ends the connection with stage-error before it passes, or waits for the sink, and nothing more is read from the client meanwhile',
  }),
  onError: dropOrFail(
    'what happens to an item that could not be written, then or later: it is missing in the copy, or ends the connection with stage-error',
  ),
  maxPending: integer({
    unit: 'bytes',
    minimum: 1,
    default: 1_048_576,
    help: 'how much may wait in the sink before it lags; of an object-mode Writable items',
  }),
  onDrop: callback<(count: number, connection: Connection) => void>({
    inCode: '(count, connection) => void',
    help: 'called for each item that is missing in the copy, with how many of this connection are',
  }),
}

/** Options of `tee()`. */
export type TeeOptions = OptionsOf<typeof OPTIONS>

type Settings = SettingsOf<typeof OPTIONS> & { readonly onDrop: NonNullable<TeeOptions['onDrop']> }

function ignore(): void {}

/**
 * Passes items of any kind on unchanged, and writes a copy of each to a second sink: a file or a Writable. Bytes and
 * frames are written as they are, each line with a line feed behind it (UTF-8). An object-mode Writable gets the items
 * themselves; values need such a one.
 *
 * A path may be that of a file, a FIFO or a device. It is opened once, in append mode, for all connections and stages of
 * the process that write to it, and closed when the last of them is over. Nothing waits for it but the copies: not a
 * FIFO that nobody reads, nor a terminal that is stopped.
 *
 * A slow sink does not slow down the connection, unless `onLag` is `wait`: what waits in it is bounded by `maxPending` and
 * one item (of a Writable that is to be waited for, by its own high-water mark if that is higher), and beyond that `onLag`
 * decides. A connection whose copy is not complete is reported to `onError` once, when it is over, with a
 * CopyError that says how many items are missing. `listener.close()` waits for copies that are not written yet.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws StageError on the connection (outcome `stage-error`) with `fail`, when the sink lags or fails. If the
 * connection is over by then, `onError` gets it.
 * @example
 * pipeline().through(tee({ to: 'received.log', onDrop: count => console.error(`${count} chunks not logged`) }))
 */
export const tee = defineStage({
  name: 'tee',
  summary: 'writes a copy to a second sink, and passes everything on',
  accepts: 'any',
  emits: 'same',
  // The items that wait, and the one that is written last.
  memory: ({ maxPending }) => ({ keeps: maxPending + 65_536 }),
  options: OPTIONS,
  examples: ['tee --to received.log --on-lag wait'],
  make: ({ onDrop = ignore, ...rest }) => {
    const settings: Settings = { ...rest, onDrop }
    const sideWrites = new SideWrites()
    return internalStage({
      name: 'tee',
      accepts: 'any',
      emits: 'same',
      sideWrites,
      ...(settings.onLag === 'wait' ? { waits: 'for its copies' } : {}),
      open: connection => new TeeTransformer<unknown>(settings, connection, sideWrites),
    })
  },
}) as StageFactory<<Item = Buffer>(options: TeeOptions) => TransformerStage<Item, Item>>

/** The copying of one connection. */
class TeeTransformer<Item> implements Transformer<Item, Item>, Copier, SideWrite {
  readonly #settings: Settings
  readonly #connection: Connection
  readonly #sideWrites: SideWrites
  /** The sink of `to`, opened with the first item. */
  #sink: CopySink | undefined
  #controller: Controller<Item> | undefined
  /** Items that the sink has taken and not answered for. */
  #pending = 0
  /** Items that are missing in the copy. */
  #dropped = 0
  /** The reason why the first of them is missing. */
  #dropReason = ''
  /** The error that has failed the connection, or would have, had it not been over. */
  #failure: BywashError | undefined
  #outcome: Outcome | undefined
  #isFinished = false

  constructor(settings: Settings, connection: Connection, sideWrites: SideWrites) {
    this.#settings = settings
    this.#connection = connection
    this.#sideWrites = sideWrites
  }

  transform(item: Item, controller: Controller<Item>): Promise<void> | undefined {
    this.#controller = controller
    const sink = this.#open()
    if (this.#settings.onLag === 'wait' && this.#lags(sink)) return this.#copyLater(item, sink, controller)
    this.#copy(item, sink)
    controller.enqueue(item)
    return undefined
  }

  close(outcome: Outcome): void {
    this.#outcome = outcome
    if (this.#sink === undefined) return
    if (this.#pending === 0) this.#finish()
    else this.#sideWrites.add(this)
  }

  settle(count: number, error?: Error | null): void {
    if (this.#isFinished) return
    this.#pending -= count
    if (error) this.#loseLater(count, `could not write to its sink: ${error.message}`, error)
    if (this.#outcome !== undefined && this.#pending === 0) this.#finish()
  }

  giveUp(): void {
    this.#loseLater(this.#pending, 'has a sink that had not taken everything when the listener closed')
    this.#finish()
  }

  #open(): CopySink {
    const { to } = this.#settings
    this.#sink ??= typeof to === 'string' ? fileSink(to) : new WritableSink(to, this)
    return this.#sink
  }

  #lags(sink: CopySink): boolean {
    return !sink.isClosed && sink.lags(this.#settings.maxPending)
  }

  /** Waits for room in the sink. Whoever leaves meanwhile has not passed the item on, so that no copy of it is missing. */
  async #copyLater(item: Item, sink: CopySink, controller: Controller<Item>): Promise<void> {
    do await sink.moved()
    while (this.#outcome === undefined && this.#lags(sink))
    if (this.#outcome !== undefined) return
    this.#copy(item, sink)
    ;(controller as HoldingController<Item>).answer(item)
  }

  /** Writes an item to the sink, unless that is closed or full. */
  #copy(item: Item, sink: CopySink): void {
    const { maxPending, onLag } = this.#settings
    if (sink.isClosed) {
      this.#lose(1, 'onError', 'has a sink that has ended or failed', sink.error)
    } else if (onLag !== 'wait' && sink.waiting >= maxPending) {
      this.#lose(1, 'onLag', `has a sink that lags: ${maxPending} ${sink.unit} wait ('maxPending')`)
    } else {
      try {
        sink.write(item, this)
        this.#pending++
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : cause
        this.#lose(1, 'onError', `could not write to its sink: ${text}`, cause)
      }
    }
  }

  /** Counts items that are missing in the copy, or throws, as the policy says. */
  #lose(count: number, policy: 'onError' | 'onLag', what: string, cause?: unknown): void {
    const { onDrop, [policy]: choice } = this.#settings
    if (choice === 'fail') throw new StageError('tee', `${what}.`, { cause })
    if (this.#dropped === 0) this.#dropReason = what
    for (let left = count; left > 0; left--) {
      ownRejection(onDrop(++this.#dropped, this.#connection), 'tee', 'onDrop', this.#connection)
    }
  }

  /** Does the same for items that a sink had taken, maybe after the end of the connection. */
  #loseLater(count: number, what: string, cause?: unknown): void {
    try {
      this.#lose(count, 'onError', what, cause)
    } catch (error) {
      if (this.#failure !== undefined) return
      this.#failure = blame('tee', 'onDrop', error)
      if (this.#outcome === undefined) this.#controller?.error(this.#failure)
    }
  }

  /** Reports what is missing, once the connection is over and the sink has answered for everything. */
  #finish(): void {
    const sink = this.#sink as CopySink
    this.#isFinished = true
    sink.release()
    const failure = this.#failure === this.#outcome?.error ? undefined : this.#failure
    const loss =
      this.#dropped === 0 ? undefined : new CopyError('tee', this.#dropReason, this.#dropped, sink.title)
    // Behind the outcome, of which the log has to know first.
    queueMicrotask(() => {
      for (const error of [failure, loss]) if (error !== undefined) this.#controller?.report(error)
      this.#sideWrites.delete(this)
    })
  }
}
