import { StageError } from './errors.js'

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

/** The type of the items that a function of type `Item` gives where it says that their kind is `K`. */
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

/** Lets a promise that nobody waits for reject, for an error that is said already. */
export function dropRejection(promise: unknown): void {
  if (isThenable(promise)) promise.then(undefined, () => {})
}

/** The error of a stage that emitted an item of another kind than it says. */
export function wrongKind(stage: string, kind: Kind, item: unknown): StageError {
  dropRejection(item)
  return new StageError(
    stage,
    `emitted ${describeItem(item)}, but its 'emits: ${kind}' stands for ${ITEM_NOUNS[kind]}.`,
  )
}
