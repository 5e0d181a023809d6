import { createWriteStream } from 'node:fs'
import type { Writable } from 'node:stream'
import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { StageError } from '../../errors.js'
import { callback, choice, integer, orCode, text } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

const dropOrFail = (help: string) => choice(['drop', 'fail'], { default: 'drop', help })

const OPTIONS = {
  to: orCode<Writable, string, 'required'>(
    text({
      required: true,
      minimum: 1,
      help: "where the copy goes: the path of a file, opened for each connection with its first item, in append mode; or a Writable, shared by all connections and never ended, whose 'error' event says why it failed",
    }),
    {
      inCode: 'a Writable',
      isCode: value => typeof (value as Writable | null | undefined)?.write === 'function',
      wants: 'is a Writable or the path of a file',
    },
  ),
  onLag: dropOrFail(
    'what happens to an item when maxPending waits already: it is missing in the copy, or ends the connection with stage-error before it passes',
  ),
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

/** Writables that have our 'error' listener. Without one, an error of the sink would end the process. */
const listenedTo = new WeakSet<Writable>()

function listenTo(sink: Writable): Writable {
  if (!listenedTo.has(sink)) sink.on('error', ignore)
  listenedTo.add(sink)
  return sink
}

/**
 * Passes items of any kind on unchanged, and writes a copy of each to a second sink: a file or a Writable. Bytes and
 * frames are written as they are, each line with a line feed behind it (UTF-8). An object-mode Writable gets the items
 * themselves; values need such a one.
 *
 * A slow sink does not slow down the connection: what waits in it is bounded by `maxPending` and one item, and beyond
 * that `onLag` decides.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws StageError on the connection (outcome `stage-error`) with `fail`, when the sink lags or fails.
 * @example
 * pipeline().through(tee({ to: 'received.log', onDrop: count => console.error(`${count} chunks not logged`) }))
 */
export const tee = defineStage({
  name: 'tee',
  summary: 'writes a copy to a second sink, and passes everything on',
  accepts: 'any',
  emits: 'same',
  holds: 'maxPending',
  options: OPTIONS,
  examples: ['tee --to received.log --on-lag fail'],
  make: ({ onDrop = ignore, ...rest }) => {
    const settings: Settings = { ...rest, onDrop }
    return stage({
      name: 'tee',
      accepts: 'any',
      emits: 'same',
      open: connection => new TeeTransformer<unknown>(settings, connection),
    })
  },
}) as StageFactory<<Item = Buffer>(options: TeeOptions) => TransformerStage<Item, Item>>

/** The copying of one connection. */
class TeeTransformer<Item> implements Transformer<Item, Item> {
  readonly #settings: Settings
  readonly #connection: Connection
  /** The Writable of `to`, or the file at that path, opened with the first item. */
  #sink: Writable | undefined
  /** Callback for each write, made once. */
  #onWritten: ((error?: Error | null) => void) | undefined
  /** Number of items that are missing in the copy. */
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

  /** Writes an item to the sink, unless that is closed or full. */
  #copy(item: Item, controller: Controller<Item>): void {
    const { to, maxPending } = this.#settings
    this.#sink ??= listenTo(typeof to === 'string' ? createWriteStream(to, { flags: 'a' }) : to)
    this.#onWritten ??= error => this.#hearWritten(error, controller)
    const sink = this.#sink
    if (!sink.writable) {
      this.#handleMissing('onError', 'has a sink that has ended or failed', sink.errored)
    } else if (sink.writableLength >= maxPending) {
      const unit = sink.writableObjectMode ? 'items' : 'bytes'
      this.#handleMissing('onLag', `has a sink that lags: ${maxPending} ${unit} wait ('maxPending')`)
    } else {
      const copy = typeof item === 'string' && !sink.writableObjectMode ? `${item}\n` : item
      try {
        sink.write(copy, this.#onWritten)
      } catch (cause) {
        this.#refuse(cause)
      }
    }
  }

  /** Called when an item has been written or could not be, maybe after the end of the connection. */
  #hearWritten(error: Error | null | undefined, controller: Controller<Item>): void {
    if (!error) return
    try {
      this.#refuse(error)
    } catch (cause) {
      controller.error(cause)
    }
  }

  #refuse(cause: unknown): void {
    this.#handleMissing(
      'onError',
      `could not write to its sink: ${cause instanceof Error ? cause.message : cause}`,
      cause,
    )
  }

  /** Counts an item that is missing in the copy, or throws, as the policy says. */
  #handleMissing(policy: 'onError' | 'onLag', what: string, cause?: unknown): void {
    const { onDrop, [policy]: choice } = this.#settings
    if (choice === 'fail') throw new StageError('tee', `${what}.`, { cause })
    onDrop(++this.#dropped, this.#connection)
  }
}
