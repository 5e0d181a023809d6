import { Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import type { Connection } from '../../connection.js'
import { StageError } from '../../errors.js'
import type { ItemKinds, ItemOf, Kind, KindOf, NamedKinds } from '../../kind.js'
import { checkFunction, checkNames } from '../../options/check-option.js'
import { showValue } from '../../options/show-value.js'
import { fromStream, type StageOptions, type StreamStage } from '../../stage.js'

/** Options of `fromWeb()` for bytes. */
export interface FromWebOptions extends StageOptions {}

/** A pair of web streams, such as a `TransformStream`, a `CompressionStream` or a `TextDecoderStream`. */
export interface WebPair {
  readonly readable: unknown
  readonly writable: unknown
}

type Pair = { readable: ReadableStream; writable: WritableStream }

/**
 * Makes a stage of a web `TransformStream`, or of any other pair of web streams, bytes to bytes by default. `open` makes a fresh
 * one for each connection. Like that of `fromStream()` the stage costs a stream for each connection.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const inflated = fromWeb('inflated', () => new DecompressionStream('deflate'))
 */
export function fromWeb(
  name: string,
  open: (connection: Connection) => WebPair,
  options?: FromWebOptions,
): StreamStage<Buffer, Buffer>
export function fromWeb<In, Out>(
  name: string,
  open: (connection: Connection) => WebPair,
  options: FromWebOptions & ItemKinds<In, Out>,
): StreamStage<In, Out>
export function fromWeb<A extends Kind, E extends Kind>(
  name: string,
  open: (connection: Connection) => WebPair,
  options: FromWebOptions & NamedKinds<A, E>,
): StreamStage<ItemOf<A>, ItemOf<E>>
export function fromWeb<In, Out>(
  name: string,
  open: (connection: Connection) => WebPair,
  options: FromWebOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): StreamStage<In, Out> {
  checkFunction(`fromWeb('${name}')`, 'open', open)
  checkNames(`fromWeb('${name}')`, options, ['accepts', 'emits', 'asks'])
  const { accepts = 'bytes', emits = 'bytes', asks = true } = options
  const objectMode = accepts !== 'bytes' || emits !== 'bytes'
  const openDuplex = (connection: Connection) => {
    const pair = open(connection) as Partial<WebPair> | null | undefined
    const { readable, writable } = pair ?? {}
    if (!isObject(readable) || !isObject(writable)) {
      throw new StageError(
        name,
        `must return an object with 'readable' and 'writable' from open; it gave ${showValue(pair)}.`,
      )
    }
    return Duplex.fromWeb({ readable, writable } as Pair, { objectMode, allowHalfOpen: true })
  }
  return fromStream<In, Out>(name, openDuplex, {
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    asks,
  })
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
