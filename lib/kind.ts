import { InvalidOptionError, StageError } from './errors.js'

/**
 * The kind of the items between two stages: `bytes` (chunks whose boundaries mean nothing), `line` (a string),
 * `frame` (a Buffer that is one message) or `value` (anything but null, undefined and a promise).
 */
export type Kind = 'bytes' | 'line' | 'frame' | 'value'

export const KINDS: readonly Kind[] = ['bytes', 'line', 'frame', 'value']

declare const frame: unique symbol

/** One complete binary message. Any Buffer is assignable to it; the type only keeps frames apart from bytes. */
export type Frame = Buffer & { readonly [frame]?: true }

/** The kind of items of type `T`. */
export type KindOf<T> = [T] extends [string]
  ? 'line'
  : [T] extends [Uint8Array]
    ? typeof frame extends keyof T
      ? 'frame'
      : 'bytes'
    : 'value'

/** The kinds that a stage takes and gives. */
export interface ItemKinds<In, Out> {
  readonly accepts: KindOf<In>
  readonly emits: KindOf<Out>
}

/** The kinds that a stage takes and gives, where the types of its items come from them. */
export interface NamedKinds<A extends Kind, E extends Kind> {
  readonly accepts: A
  readonly emits: E
}

/** The type of the items of a kind. */
export type ItemOf<K extends Kind> = { bytes: Buffer; line: string; frame: Frame; value: unknown }[K]

/** The type of what may be given as an item of a kind: any bytes are turned into a Buffer. */
export type ItemFrom<K extends Kind> = {
  bytes: Uint8Array
  line: string
  frame: Uint8Array
  value: unknown
}[K]

/** The type of the items of a stage that gives an `Item`, and says that its kind is `K`. */
export type Given<K extends Kind, Item> = K extends 'value' ? Item : ItemOf<K>

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function'
}

/**
 * The size of an item for counts and buffers: bytes, characters of a line, 0 for a value. -1 when the item is not of
 * the kind. Called for each item.
 */
export function sizeOf(kind: Kind, item: unknown): number {
  if (kind === 'line') return typeof item === 'string' ? item.length : -1
  if (kind === 'value') return item !== undefined && item !== null && !isThenable(item) ? 0 : -1
  return Buffer.isBuffer(item) ? item.length : -1
}

/** The memory that an item takes beside its bytes or characters: about that of a Buffer. */
export const ITEM_BYTES = 128

const ITEM_NOUNS: Record<Kind, string> = {
  bytes: 'a Buffer',
  line: 'a string',
  frame: 'a Buffer',
  value: 'a value that is not null or undefined',
}

function describeItem(item: unknown): string {
  if (item === null || item === undefined) return String(item)
  if (isThenable(item)) return 'a promise (wait for it first, or use asyncMap())'
  return typeof item === 'object'
    ? `an object (${item.constructor?.name ?? 'no prototype'})`
    : `a ${typeof item}`
}

/** A Buffer of an item that is bytes, but no Buffer; undefined where the kind is not of bytes. */
export function asBuffer(kind: Kind, item: unknown): Buffer | undefined {
  if (Buffer.isBuffer(item)) return kind === 'bytes' || kind === 'frame' ? item : undefined
  if ((kind !== 'bytes' && kind !== 'frame') || !(item instanceof Uint8Array)) return undefined
  return Buffer.from(item.buffer, item.byteOffset, item.byteLength)
}

/** Lets a promise that nobody waits for reject, for an error that is said already. */
export function dropRejection(promise: unknown): void {
  if (isThenable(promise)) promise.then(undefined, () => {})
}

/**
 * The error of a stage whose function returned an item in place of enqueueing it; undefined for what is none. A number is no
 * such item: `items => held.push(items)` gives one.
 */
export function resultOf(stage: string, kind: Kind, result: unknown, when: string): StageError | undefined {
  const isItem = asBuffer(kind, result) !== undefined || sizeOf(kind, result) !== -1
  if (!isItem || typeof result === 'number' || typeof result === 'boolean') return undefined
  return new StageError(
    stage,
    `returned ${describeItem(result)} from ${when}, which goes nowhere. Hand it on with controller.enqueue().`,
  )
}

/** The error of a stage that emitted an item of another kind than it says. */
export function wrongKind(stage: string, kind: Kind, item: unknown): StageError {
  dropRejection(item)
  return new StageError(
    stage,
    `emitted ${describeItem(item)}, but its 'emits: ${kind}' stands for ${ITEM_NOUNS[kind]}.`,
  )
}

/** The error of a caller that has written an item of another kind than a pipeline takes. */
export function wrongInput(kind: Kind, item: unknown): InvalidOptionError {
  return new InvalidOptionError(`The pipeline takes ${ITEM_NOUNS[kind]}, but got ${describeItem(item)}.`)
}
