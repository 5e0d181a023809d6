import type { Connection } from '../../connection.js'
import { InvalidFrameError, StageError } from '../../errors.js'
import { dropRejection, type Given, type ItemFrom, KINDS, type Kind, type KindOf } from '../../kind.js'
import { checkChoice, checkFunction, checkNames } from '../../options/check-option.js'
import { type OptionsOf, settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import {
  type Controller,
  internalStage,
  type StageOptions,
  type Transformer,
  type TransformerStage,
} from '../../stage.js'
import { maxLength, partial } from '../frames/frame-options.js'
import { BufferedReader, type FrameReader } from './frame-reader.js'

/** The options; exported, so that an editor shows their help. */
export const DECODE_OPTIONS = {
  maxLength: maxLength('the longest frame as it is sent, with its header and its delimiters'),
  partial: partial('inside a frame'),
}

/** Options of `decode()`. */
export interface DecodeOptions extends StageOptions, OptionsOf<typeof DECODE_OPTIONS> {}

/**
 * A generator function that reads one frame, and returns it. With the controller it may answer in the middle of a frame, as HTTP
 * does with `100 Continue`, or report what it leaves out.
 */
export type FrameParser<Item> = (
  read: FrameReader,
  connection: Connection,
  controller: Pick<Controller<unknown>, 'reply' | 'report'>,
) => Generator<undefined, Item | undefined, undefined>

/**
 * Makes a decoder of a generator function that reads one frame, as the specification of a format describes it. It is called
 * for each frame, waits at each `yield*` until the bytes are there, and returns the item; undefined for a frame that is left
 * out.
 *
 * How the input is cut into chunks makes no difference. The stage keeps a frame that has not arrived completely, limits it to
 * `maxLength`, tells `frameTimeout` of it, and takes linear time. A Buffer that is read may be a view of a chunk: copy one that
 * you keep. Throw an `InvalidFrameError` for what the format does not allow.
 *
 * @param emits - The kind of what the function returns.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) for a frame over `maxLength`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for a length that is no number, and where the input
 * ends inside a frame with `partial: 'error'`.
 * @example
 * const bulkStrings = decode('bulkStrings', 'frame', function* (read) {
 *   const header = yield* read.line()
 *   if (!header.startsWith('$')) throw new InvalidFrameError('bulkStrings', 'it does not begin with $')
 *   const body = yield* read.bytes(Number(header.slice(1)))
 *   yield* read.line()
 *   return body
 * })
 */
export function decode<K extends Kind, Item extends ItemFrom<K>>(
  name: string,
  emits: K,
  parser: FrameParser<Item>,
  options: DecodeOptions = {},
): TransformerStage<Buffer, Given<K, Item>> {
  const owner = `decode('${name}')`
  checkChoice(owner, 'emits', emits, KINDS)
  checkFunction(owner, 'parser', parser)
  checkNames(owner, options, ['maxLength', 'partial', 'asks'])
  const { asks = true } = options
  const { maxLength, partial } = settingsFrom(owner, DECODE_OPTIONS, options)
  return internalStage<Buffer, Given<K, Item>>({
    name,
    accepts: 'bytes',
    emits: emits as unknown as KindOf<Given<K, Item>>,
    lazy: true,
    asks,
    open: connection =>
      new Decoding<Given<K, Item>>(
        name,
        maxLength,
        partial,
        (read, controller) => parser(read, connection, controller) as ReturnType<FrameParser<Given<K, Item>>>,
      ),
  })
}

type Parse<Item> = (read: FrameReader, controller: Controller<unknown>) => ReturnType<FrameParser<Item>>

/** Decodes the frames of one connection. */
class Decoding<Item> implements Transformer<Buffer, Item> {
  readonly #name: string
  readonly #partial: 'error' | 'drop'
  readonly #parse: Parse<Item>
  readonly #reader: BufferedReader
  /** The generator of the frame under way. */
  #parsing: ReturnType<FrameParser<Item>> | undefined
  /** Number of frames that have begun, so that each unfinished frame has a number of its own. */
  #frames = 0

  constructor(name: string, maxLength: number, partial: 'error' | 'drop', parse: Parse<Item>) {
    this.#name = name
    this.#partial = partial
    this.#parse = parse
    this.#reader = new BufferedReader(name, maxLength)
  }

  transform(chunk: Buffer, controller: Controller<Item>): void {
    const reader = this.#reader
    let from = 0
    while (from < chunk.length) {
      if (reader.isUnfinished) {
        from = reader.takeMore(chunk, from)
      } else {
        reader.take(chunk.subarray(from))
        from = chunk.length
      }
      this.#decode(controller)
    }
  }

  unfinished(): number {
    return this.#parsing === undefined ? 0 : this.#frames
  }

  flush(): void {
    if (this.#parsing !== undefined && this.#partial === 'error') {
      throw new InvalidFrameError(this.#name, 'the input ended inside it')
    }
  }

  /** Lets a `finally` of the generator run. */
  close(): void {
    this.#parsing?.return(undefined)
  }

  /** Decodes the frames that the reader has the bytes of, and keeps those of one that is cut. */
  #decode(controller: Controller<Item>): void {
    const reader = this.#reader
    while (this.#parsing !== undefined || reader.hasMore) {
      this.#parsing ??= this.#begin(controller)
      const { done, value } = this.#parsing.next()
      if (!done) {
        if (!reader.isAsked)
          this.#refuse('yields. Return the frame, and call the methods of the reader with yield*.')
        reader.keep()
        return
      }
      this.#parsing = undefined
      reader.endFrame()
      if (value !== undefined) controller.enqueue(value)
    }
    reader.release()
  }

  #begin(controller: Controller<Item>): ReturnType<FrameParser<Item>> {
    const parsing = this.#parse(this.#reader, controller as Controller<unknown>)
    this.#frames++
    if (typeof parsing?.[Symbol.iterator] === 'function' && typeof parsing.next === 'function') return parsing
    dropRejection(parsing)
    this.#refuse(`needs a generator function, as in 'function* (read) { … }'; it gave ${showValue(parsing)}.`)
  }

  #refuse(what: string): never {
    throw new StageError(this.#name, what)
  }
}
