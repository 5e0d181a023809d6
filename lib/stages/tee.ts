import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import { checkChoice, checkFunction, checkInteger, checkNames } from '../check-option.js'
import type { Connection } from '../connection.js'
import { InvalidOptionError, StageError } from '../errors.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'

/** Options of `tee()`. */
export interface TeeOptions {
  /**
   * Where the copy goes. A Writable is shared by all connections and never ended; listen to its 'error' event to hear
   * why it failed. A path is opened for each connection, with its first item, and what is there stays (append mode).
   */
  readonly to: Writable | string
  /**
   * What happens to an item when `maxPending` waits already: `drop` leaves it out of the copy and counts it, `fail`
   * ends the connection with `stage-error` before the item passes. @default 'drop'
   */
  readonly onLag?: 'drop' | 'fail'
  /** The same for an item that could not be written, then or later. @default 'drop' */
  readonly onError?: 'drop' | 'fail'
  /** How much may wait in the sink before it lags: bytes, of an object-mode Writable items. @default 1048576 */
  readonly maxPending?: number
  /** Called for each item that is missing in the copy, with how many of this connection are. */
  readonly onDrop?: (count: number, connection: Connection) => void
}

type Settings = Required<TeeOptions>

function ignore(): void {}

/** The Writables that have our listener, without which an 'error' event would end the process. */
const listenedTo = new WeakSet<Writable>()

function listenTo(sink: Writable): Writable {
  if (!listenedTo.has(sink)) sink.on('error', ignore)
  listenedTo.add(sink)
  return sink
}

/**
 * Passes items of any kind on unchanged, and writes a copy to a second sink: bytes and frames as they are, each line
 * with a line feed behind it (UTF-8). An object-mode Writable gets the items themselves; values need one. A slow sink
 * holds nobody up: what waits in it is bounded by `maxPending` and one item.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws StageError on the connection (outcome `stage-error`) with `fail`, when the sink lags or fails.
 * @example
 * pipeline().through(tee({ to: 'received.log', onDrop: count => console.error(`${count} chunks not logged`) }))
 */
export function tee<Item = Buffer>(options: TeeOptions): TransformerStage<Item, Item> {
  const { to, onLag = 'drop', onError = 'drop', maxPending = 1_048_576, onDrop = ignore } = options
  checkNames('tee()', options, ['to', 'onLag', 'onError', 'maxPending', 'onDrop'])
  if (to === '' || (typeof to !== 'string' && typeof to?.write !== 'function')) {
    throw new InvalidOptionError(
      `tee(): 'to' is a Writable or the path of a file; got ${JSON.stringify(to)}.`,
    )
  }
  checkChoice('tee()', 'onLag', onLag, ['drop', 'fail'])
  checkChoice('tee()', 'onError', onError, ['drop', 'fail'])
  checkInteger('tee()', 'maxPending', maxPending, 1, Number.MAX_SAFE_INTEGER)
  checkFunction('tee()', 'onDrop', onDrop)
  const settings: Settings = { to, onLag, onError, maxPending, onDrop }
  return stage<Item, Item>({
    name: 'tee',
    accepts: 'any',
    emits: 'same',
    open: connection => new TeeTransformer<Item>(settings, connection),
  })
}

class TeeTransformer<Item> implements Transformer<Item, Item> {
  readonly #settings: Settings
  readonly #connection: Connection
  #sink: Writable | undefined
  #written: ((error?: Error | null) => void) | undefined
  #dropped = 0

  constructor(settings: Settings, connection: Connection) {
    this.#settings = settings
    this.#connection = connection
  }

  transform(item: Item, controller: Controller<Item>): void {
    this.#copy(item, controller)
    controller.enqueue(item)
  }

  close(): void {
    if (typeof this.#settings.to === 'string') this.#sink?.end()
  }

  #copy(item: Item, controller: Controller<Item>): void {
    const { to, maxPending } = this.#settings
    this.#sink ??= listenTo(typeof to === 'string' ? createWriteStream(to, { flags: 'a' }) : to)
    this.#written ??= error => this.#settle(error, controller)
    const sink = this.#sink
    if (!sink.writable) {
      this.#miss('onError', 'has a sink that has ended or failed', sink.errored)
    } else if (sink.writableLength >= maxPending) {
      const unit = sink.writableObjectMode ? 'items' : 'bytes'
      this.#miss('onLag', `has a sink that lags: ${maxPending} ${unit} wait ('maxPending')`)
    } else {
      const copy = typeof item === 'string' && !sink.writableObjectMode ? `${item}\n` : item
      try {
        sink.write(copy, this.#written)
      } catch (cause) {
        this.#refuse(cause)
      }
    }
  }

  /** Hears of each item that was written, or was not; that may be after the connection's end. */
  #settle(error: Error | null | undefined, controller: Controller<Item>): void {
    if (!error) return
    try {
      this.#refuse(error)
    } catch (cause) {
      controller.error(cause)
    }
  }

  #refuse(cause: unknown): void {
    this.#miss(
      'onError',
      `could not write to its sink: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    )
  }

  #miss(policy: 'onError' | 'onLag', what: string, cause?: unknown): void {
    const { onDrop, [policy]: choice } = this.#settings
    if (choice === 'fail') throw new StageError('tee', `${what}.`, { cause })
    onDrop(++this.#dropped, this.#connection)
  }
}
