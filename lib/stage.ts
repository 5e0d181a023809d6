import type { Duplex } from 'node:stream'
import type { BlockMap, BlockRole } from './block-role.js'
import { byteTable } from './byte-table.js'
import type { Connection } from './connection.js'
import {
  type BywashError,
  type Fault,
  InvalidOptionError,
  type Reported,
  type UntoldFaults,
} from './errors.js'
import {
  type Given,
  type ItemFrom,
  type ItemKinds,
  type ItemOf,
  isThenable,
  KINDS,
  type Kind,
  type KindOf,
  type NamedKinds,
} from './kind.js'
import type { ChunkUse } from './net/socket-reader.js'
import { checkBoolean, checkNames } from './options/check-option.js'
import type { Outcome } from './outcome.js'
import type { SideWrites } from './side-writes.js'
import type { Passed } from './stage-counts.js'
import type { StatusSource } from './status/source.js'

/** The actions of a transformer, with the names of WHATWG's `TransformStreamDefaultController`. */
export interface Controller<Out> {
  /**
   * Hands one item to the next stage. It may be called at any time: what is enqueued from a timer, or from another connection,
   * leaves as one write for each tick. At most `maxPending` bytes of that may wait for the peer. Once the connection has ended
   * it is dropped; in a call of the stage itself, after the stage has terminated, it fails the connection.
   */
  enqueue: (item: Out) => void
  /**
   * How many more bytes the peer takes before it is slow, as in WHATWG streams; 0 or less once it is slow, or a later stage
   * waits for a promise, and 0 at the end.
   */
  readonly desiredSize: number
  /**
   * Resolves once `desiredSize` is positive, or the connection has ended.
   *
   * @example
   * for (const row of rows) {
   *   await controller.ready
   *   controller.enqueue(row)
   * }
   */
  readonly ready: Promise<void>
  /**
   * Ends the connection in good order: later stages are flushed, and of this stage and earlier ones only `close` is
   * called.
   */
  terminate: () => void
  /**
   * Sends bytes to the peer past the later stages: behind what this stage has enqueued so far, and what they make of it. They are
   * in `bytesWritten` of the outcome, and not in the counts of stages. As with `enqueue`, a client that does not read holds the
   * input back, and `maxPending` limits what is replied from outside of a call.
   *
   * @throws StageError for what is no Uint8Array.
   * @example
   * // Telnet: whatever the client offers is refused, below the lines.
   * if (command === WILL) controller.reply(Buffer.of(IAC, DONT, option))
   */
  reply: (bytes: Uint8Array) => void
  /**
   * Goes on with another list of stages on the same connection, behind the frame that the stage is at: for a protocol that
   * begins with another one, such as SOCKS or STARTTLS. Later stages are flushed, and their output leaves; then `close` of all
   * stages of this list is called with the reason `become`, the new list is opened, and gets what came behind the frame. The
   * stage needs `upgrades: true`, so that nothing behind the frame was taken before. Call it in `transform`, or later while
   * `transform` has returned a promise.
   *
   * @param next - A pipeline or a stage from what this list takes to what it gives: from bytes to bytes.
   * @throws StageError without `upgrades: true`.
   * @throws StageOrderError for a list of other kinds.
   * @example
   * const login = stage({
   *   name: 'login', accepts: 'line', emits: 'line', upgrades: true,
   *   open: () => ({
   *     transform: (line, controller) => {
   *       if (line === 'binary') controller.become(pipeline().through(lengthPrefixed()).through(toLengthPrefixed()))
   *     },
   *   }),
   * })
   */
  become: (next: Stage<Buffer, Buffer>) => void
  /**
   * Ends the output, as a half-close does: later stages are flushed, and the peer is sent FIN, while what it sends still goes
   * through this stage and earlier ones. What this stage enqueues later is dropped. The connection ends when the peer ends too.
   */
  endOutput: () => void
  /** Fails the connection. Output that was made before still reaches the peer. */
  error: (reason: unknown) => void
  /**
   * Calls `onError`, as with a fault of the peer. The connection goes on. Of each second only `maxReports` faults are told: give
   * a function that makes the error, and it is made for those only.
   */
  report: (error: Reported) => void
}

/**
 * The controller that the engine hands to the transformers of bywash itself: it can say that a transformer waits without a
 * promise for each item.
 *
 * @internal
 */
export interface HoldingController<Out> extends Controller<Out> {
  /** The transformer gets no call before `release()`; items that come are queued, and the source is held back. */
  hold: () => void
  /** Ends one `hold()`. Does nothing once the stage was stopped. */
  release: () => void
  /** Enqueues the answer to an item at a later time: it is no push, so `maxPending` does not count it. */
  answer: (item: Out) => void
  /**
   * The same for an item that comes by itself, such as a chunk of a socket: it leaves at once, and not with the end of this tick.
   * Not in a call of a stage.
   */
  give: (item: Out) => void
  /** The user of the memory of the next chunk that is given. */
  readonly givenUse: ChunkUse
  /** Whether the output has left for the kernel. Asked after `give()`, where the `givenUse` before it was `sink`. */
  readonly isFlushed: boolean
  /** Passes on a report of an earlier stage, behind what this stage and those behind it have made so far. */
  passReport: (fault: InBand) => void
  /** Whether a `hold()` has no `release()` yet; false once the stage was stopped. */
  readonly waits: boolean
  /** Whether what it enqueues is dropped, since the stage or the connection has ended. */
  readonly isOver: boolean
  /** Stands for the stages behind the transformer where all of them are pure, for all connections of a list; else undefined. */
  readonly encoders: object | undefined
  /** The output of the stages behind the transformer for an item. It goes to nobody; undefined where one of them fails. */
  encode: (item: Out) => Encoded | undefined
  /** Enqueues an item that was encoded, by this controller or one with the same `encoders`. */
  enqueueEncoded: (encoded: Encoded) => void
}

/**
 * Bytes that a stage sends to the peer past the later stages. It travels as a report does, behind the items in front of it.
 */
export class Reply {
  constructor(
    readonly stage: string,
    readonly bytes: Buffer,
  ) {}
}

/**
 * An event that travels behind the items in front of it, and past the stages: a report of a stage, or a reply.
 */
export type InBand = Fault | UntoldFaults | Reply

/**
 * An item with what the stages behind a transformer have made of it, for any number of connections.
 *
 * @internal
 */
export interface Encoded {
  /** The size of the item. */
  readonly size: number
  readonly output: readonly unknown[]
  /** The size of the output, in bytes. */
  readonly bytes: number
  /** Items and bytes that have left each of the stages. */
  readonly counts: readonly Passed[]
}

/**
 * A stage at work for one connection: the shape that `new TransformStream({...})` takes, plus `readComplete`, `unfinished` and
 * `close`. Every function may be left out; without `transform` items pass unchanged. A function that throws ends its own
 * connection with `stage-error`, behind what was made before.
 *
 * `start`, `transform`, `readComplete` and `flush` may return a promise, as in WHATWG streams. The items behind it wait for it,
 * in order; meanwhile nothing more is read from the peer. A promise that is rejected is as a throw.
 */
export interface Transformer<In, Out> {
  /** Called before the first item. Later stages start first, so that they can take what this one enqueues. */
  start?: (controller: Controller<Out>) => void | PromiseLike<void>
  /** Called with each item. */
  transform?: (item: In, controller: Controller<Out>) => void | PromiseLike<void>
  /**
   * Called when all items that came of one read from the peer have passed (Netty's `channelReadComplete`), and before
   * `flush`. A stage that gathers items enqueues them here as one, so that many items become one write.
   */
  readComplete?: (controller: Controller<Out>) => void | PromiseLike<void>
  /**
   * Returns a number for the frame that has begun and not ended, another one for each frame, or 0 when there is none. It
   * is called a few times in each `frameTimeout`, and not for each item. A frame that stays unfinished for `frameTimeout`
   * ends the connection, and a listener that closes waits for the rest of one. The stream of a stage may have such a
   * method too.
   */
  unfinished?: () => number
  /**
   * Called once after the last item, unless the connection has failed, or this or a later stage has ended it. A promise holds
   * the end open until it has settled.
   */
  flush?: (controller: Controller<Out>) => void | PromiseLike<void>
  /** Called exactly once and last, also when `start` threw: the place to release timers, files and the like. */
  close?: (outcome: Outcome) => void
  /** @internal */
  [settle]?: () => void
  /** @internal */
  [unanswered]?: (time: number) => BywashError
  /** @internal */
  [reported]?: (fault: InBand, controller: Controller<Out>) => void
  /** @internal */
  [working]?: () => boolean
  /** @internal */
  [holdsChunk]?: () => boolean
}

/**
 * The key of a function of a transformer that is called instead of `flush` where an earlier stage has failed: the stage
 * finishes what it has begun, and makes nothing else.
 *
 * @internal
 */
export const settle = Symbol('bywash.settle')

/**
 * The key of a function of a transformer that makes the error of a connection in which it has waited for `time` milliseconds
 * without progress.
 *
 * @internal
 */
export const unanswered = Symbol('bywash.unanswered')

/**
 * The key of a function of a transformer that tells whether it waits for something of its own, such as a call under way, also
 * where it takes more.
 *
 * @internal
 */
export const working = Symbol('bywash.working')

/**
 * The key of a function of a transformer that tells whether the memory of the last chunk is still in use, where its stage passes
 * chunks on.
 *
 * @internal
 */
export const holdsChunk = Symbol('bywash.holdsChunk')

/**
 * The key of a function of a transformer that takes a fault which an earlier stage has reported, and reports it behind the
 * items that it has not answered yet. Without it the report passes.
 *
 * @internal
 */
export const reported = Symbol('bywash.reported')

/** The key of a property that no stage has: it carries the types of a stage's items for the type checker. */
export declare const flow: unique symbol

/**
 * An immutable description of one step of a pipeline, shared by all connections. Made by `stage()`, `map()`, `tap()`,
 * `asyncMap()`, `fromStream()` or `pipeline()`.
 */
export interface Stage<In, Out> {
  /** The name in errors, in counts and in `explain()`. */
  readonly name: string
  /** The kind that it takes; `any` takes every kind. */
  readonly accepts: KindOf<In> | 'any'
  /** The kind that it gives; `same` is the kind that came in. */
  readonly emits: KindOf<Out> | 'same'
  /** Absent at run time; tells the type checker which stages may stand before and after. */
  readonly [flow]?: ((item: In) => Out) | undefined
}

/**
 * Opens a stage that is a stream, for one connection. An 'error' event of the stream loses the output that waits in its
 * buffer. `fail(error)` also fails the connection, but behind that output; `report(fault)` calls `onError`, and the
 * connection goes on.
 */
export type OpenStream = (
  connection: Connection,
  fail: (error: unknown) => void,
  report: (error: Reported) => void,
) => Duplex

/** Options of `stage()`, `map()`, `tap()`, `asyncMap()` and `fromStream()`. */
export interface StageOptions {
  /**
   * False promises that the stage does not read the addresses of its connection. The system forgets the address of a
   * client that has reset, so a listener asks for it when a connection opens, which takes about 5 µs. It does not ask
   * where all stages say false and no handler of the listener gets the connection. @default true
   */
  readonly asks?: boolean
}

/** Options of `stage()` that say how the stage can be run. */
export interface StageTraits extends StageOptions {
  /**
   * Says that the stage may change the connection, with `become()` or `startTls()`. The stages before it then get their input in
   * pieces in which at most one frame ends: up to each line feed behind `lines()`, and else byte by byte. Such a list runs without
   * streams on both plans. @default false
   */
  readonly upgrades?: boolean
  /**
   * Opens a stream that plan `streams` runs instead of a Transform around what `open` returns, for example one of a
   * library. It must give the same items, as `checkStage()` proves. @default a Transform around `open`
   */
  readonly stream?: OpenStream
  /**
   * Promises that the stage does nothing without an item: its transformers have no `start`, enqueue nothing when the
   * input ends before the first item, and `open` starts nothing. Where all stages are lazy, a connection opens them with
   * its first chunk, and holds nothing for them before. @default false
   */
  readonly lazy?: boolean
}

/** A stage of synchronous calls. Neighbours of this sort are fused: they call each other directly. */
export interface TransformerStage<In, Out> extends Stage<In, Out>, StageTraits {
  /** Returns a fresh transformer for one connection. */
  readonly open: (connection: Connection) => Transformer<In, Out>
}

/** A stage that is a stream of its own. */
export interface StreamStage<In, Out> extends Stage<In, Out>, StageOptions {
  readonly stream: OpenStream
}

/** Any stage, without the types of its items: the engine's view of stages. */
export interface AnyStage extends StageTraits {
  readonly name: string
  readonly accepts: Kind | 'any'
  readonly emits: Kind | 'same'
  readonly open?: (connection: Connection) => Transformer<never, unknown>
  readonly stages?: readonly AnyStage[]
  /**
   * Lets the planner run the stage on whole blocks of lines, or in one loop over them, with its neighbours.
   *
   * @internal
   */
  readonly blocks?: BlockRole
  /**
   * The bytes that the stage sends when a connection opens. The stage does nothing else, and passes every item on.
   *
   * @internal
   */
  readonly greeting?: Buffer
  /**
   * True where no code of the stage can run by itself, such as in a timer, once the connection is over.
   *
   * @internal
   */
  readonly inert?: boolean
  /**
   * What the stage waits for, such as `for its generator`. Chunks then come in pieces from the first one on.
   *
   * @internal
   */
  readonly waits?: string
  /**
   * Whether what the stage takes causes nothing of what it gives, as with the two directions of a connection elsewhere. A client
   * that does not read is then still read from, for as long as the stage takes it.
   *
   * @internal
   */
  readonly detached?: boolean
  /**
   * The byte with which every frame of a decoder ends. In front of a stage with `upgrades` the decoder gets its input up to each
   * of them, and not byte by byte.
   *
   * @internal
   */
  readonly frameEnd?: number
  /**
   * True where what the stage gives for an item depends on nothing else, and has left it at `readComplete`: what is made for
   * one connection is right for each.
   *
   * @internal
   */
  readonly pure?: boolean
  /**
   * True where nothing refers to the memory of an item when `transform` has returned: neither what the stage keeps nor what it
   * gives. The memory may then be used again at once.
   *
   * @internal
   */
  readonly consumes?: boolean
  /**
   * True where a chunk is written elsewhere at the end of its turn, and nothing else refers to its memory. `[holdsChunk]` says
   * whether that has not left yet.
   *
   * @internal
   */
  readonly passesOn?: boolean
  /**
   * What the stage writes beside its output, where that may take longer than its connections.
   *
   * @internal
   */
  readonly sideWrites?: SideWrites
  /**
   * The facts that the stage tells of what it works with, such as a hub.
   *
   * @internal
   */
  readonly statusSource?: StatusSource
  /**
   * Loads the modules that `stream` needs; called before a plan with the stream starts.
   *
   * @internal
   */
  readonly load?: () => Promise<void>
}

/** Checks a description and freezes it into a stage. */
function freezeStage<Description extends AnyStage>(description: Description): Readonly<Description> {
  const { name, accepts, emits, asks = true } = description
  if (typeof name !== 'string' || name === '') {
    throw new InvalidOptionError(
      `A stage needs a 'name' that is text, such as 'reverse'; got ${typeof name}.`,
    )
  }
  if (accepts !== 'any' && !KINDS.includes(accepts)) {
    throw new InvalidOptionError(`Stage '${name}' has 'accepts: ${accepts}'. Use ${KINDS.join(', ')} or any.`)
  }
  if (emits !== 'same' && !KINDS.includes(emits)) {
    throw new InvalidOptionError(`Stage '${name}' has 'emits: ${emits}'. Use ${KINDS.join(', ')} or same.`)
  }
  checkBoolean(`Stage '${name}'`, 'asks', asks)
  return Object.freeze({ ...description, asks })
}

function needFunction(name: string, what: string, value: unknown): void {
  if (typeof value !== 'function') {
    throw new InvalidOptionError(
      `Stage '${name}' needs ${what}; got ${value === null ? 'null' : typeof value}.`,
    )
  }
}

/** The definition that `stage()` takes. */
export interface StageDefinition<In, Out> extends StageTraits {
  /** The name in errors, in counts and in `explain()`. */
  readonly name: string
  /** The kind that it takes; `any` takes every kind. */
  readonly accepts: KindOf<In> | 'any'
  /** The kind that it gives; `same` is the kind that came in. */
  readonly emits: KindOf<Out> | 'same'
  /** Returns a fresh transformer for one connection. */
  readonly open: (connection: Connection) => Transformer<In, Out>
}

/** The definition of a stage whose items have the types of its kinds. */
export interface NamedDefinition<A extends Kind, E extends Kind> extends NamedKinds<A, E> {
  readonly name: string
  readonly open: (connection: Connection) => Transformer<ItemOf<A>, ItemFrom<E>>
}

/**
 * Makes a stage from a function that opens a transformer for each connection. Keep the state of a connection inside
 * `open`, since the stage itself is shared by all connections.
 *
 * @throws InvalidOptionError when the definition is incomplete, or has an option that does not exist or a wrong value.
 * @example
 * const numbered = stage({
 *   name: 'numbered', accepts: 'line', emits: 'line',
 *   open: () => {
 *     let n = 0
 *     return { transform: (line, controller) => controller.enqueue(`${++n}: ${line}`) }
 *   },
 * })
 */
export function stage<A extends Kind, E extends Kind>(
  definition: StageTraits & NamedDefinition<A, E>,
): TransformerStage<ItemOf<A>, ItemOf<E>>
export function stage<In, Out>(definition: StageDefinition<In, Out>): TransformerStage<In, Out>
export function stage<In, Out>(definition: StageDefinition<In, Out>): TransformerStage<In, Out> {
  checkNames(`stage('${definition?.name}')`, definition, STAGE_OPTIONS)
  const { name, stream, lazy = false, upgrades = false } = definition
  checkBoolean(`Stage '${name}'`, 'lazy', lazy)
  checkBoolean(`Stage '${name}'`, 'upgrades', upgrades)
  if (stream !== undefined) needFunction(name, "a function as its 'stream'", stream)
  return internalStage(definition)
}

const STAGE_OPTIONS: readonly string[] = [
  'name',
  'accepts',
  'emits',
  'open',
  'stream',
  'lazy',
  'asks',
  'upgrades',
]

/**
 * Makes a stage as `stage()` does, with traits that `stage()` refuses. The planner relies on them and nothing checks them at
 * run time, so only the stages of bywash itself have them.
 *
 * @internal
 */
export function internalStage<In, Out>(
  definition: StageDefinition<In, Out> &
    Pick<
      AnyStage,
      | 'blocks'
      | 'greeting'
      | 'inert'
      | 'waits'
      | 'detached'
      | 'frameEnd'
      | 'pure'
      | 'consumes'
      | 'passesOn'
      | 'sideWrites'
      | 'statusSource'
      | 'load'
    >,
): TransformerStage<In, Out> {
  needFunction(definition.name, "an 'open' function", definition.open)
  return freezeStage(definition)
}

/**
 * Marks a stage as pure.
 *
 * @internal
 */
export function pureStage<In, Out>(made: TransformerStage<In, Out>): TransformerStage<In, Out> {
  return Object.freeze({ ...made, pure: true })
}

/** Options of `map()` for lines. */
export interface LineMapOptions extends StageOptions {
  /**
   * Promises that a line is changed one character at a time: each ASCII character becomes one other, wherever it stands,
   * and every other character stays. Between a decoder and an encoder of lines the stage then runs on whole blocks, and
   * `transform` is called only once for each ASCII character, when the stage is made and without a connection, so
   * `asks` is false by default. With NODE_ENV `development` or `test` it is called for each line too, and a line that
   * breaks the promise fails the connection. @default false
   */
  readonly bytewise?: boolean
}

/**
 * Makes a stage that turns each item into one other. Lines to lines by default; name the kinds for anything else. Where the
 * function returns a promise, the items behind it wait; `asyncMap()` works on several at a time.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const reverse = map('reverse', (line: string) => [...line].reverse().join(''))
 * const dashed = map('dashed', (line: string) => line.replaceAll('_', '-'), { bytewise: true })
 * const length = map('length', (line: string) => ({ length: line.length }), { accepts: 'line', emits: 'value' })
 */
export function map(
  name: string,
  transform: (line: string, connection: Connection) => string | PromiseLike<string>,
  options?: LineMapOptions,
): TransformerStage<string, string>
export function map<In, Out>(
  name: string,
  transform: (item: In, connection: Connection) => Out | PromiseLike<Out>,
  options: ItemKinds<In, Out> & StageOptions,
): TransformerStage<In, Out>
export function map<A extends Kind, E extends Kind, Out extends ItemFrom<E>>(
  name: string,
  transform: (item: ItemOf<A>, connection: Connection) => Out | PromiseLike<Out>,
  options: NamedKinds<A, E> & StageOptions,
): TransformerStage<ItemOf<A>, Given<E, Out>>
export function map<In, Out>(
  name: string,
  transform: (item: In, connection: Connection) => Out | PromiseLike<Out>,
  options: LineMapOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): TransformerStage<In, Out> {
  needFunction(name, 'a function that maps an item', transform)
  checkNames(`map('${name}')`, options, ['accepts', 'emits', 'bytewise', 'asks'])
  const { accepts = 'line', emits = 'line', bytewise = false, asks = !bytewise } = options
  checkBoolean(`map('${name}')`, 'bytewise', bytewise)
  return internalStage<In, Out>({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    lazy: true,
    asks,
    open: connection => ({
      transform: (item: In, controller: Controller<Out>) => {
        const made = transform(item, connection)
        return isThenable(made) ? made.then(value => answer(controller, value)) : controller.enqueue(made)
      },
    }),
    ...(accepts === 'line' && emits === 'line'
      ? { blocks: mapRole(name, transform as never, bytewise) }
      : {}),
  })
}

function answer<Out>(controller: Controller<Out>, item: Out): void {
  const holding = controller as HoldingController<Out>
  holding.answer(item)
}

function mapRole(name: string, line: BlockMap, bytewise: boolean): BlockRole {
  return bytewise
    ? { role: 'map', table: byteTable(name, line as (line: string) => string), line }
    : { role: 'map', line }
}

/**
 * Makes a stage that calls a function with each item, of any kind, and passes the item on unchanged; where the function
 * returns a promise, once that has settled.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const log = tap('log', (line: string, connection) => console.error(connection.id, line))
 */
export function tap<Item>(
  name: string,
  look: (item: Item, connection: Connection) => unknown,
  options: StageOptions = {},
): TransformerStage<Item, Item> {
  needFunction(name, 'a function that looks at an item', look)
  checkNames(`tap('${name}')`, options, ['asks'])
  const { asks = true } = options
  return internalStage<Item, Item>({
    name,
    accepts: 'any',
    emits: 'same',
    lazy: true,
    asks,
    blocks: { role: 'map', line: looking(look as never) },
    open: connection => ({
      transform: (item: Item, controller: Controller<Item>) => {
        const looked = look(item, connection)
        return isThenable(looked) ? looked.then(() => answer(controller, item)) : controller.enqueue(item)
      },
    }),
  })
}

function looking(look: (line: string, connection: Connection) => unknown): BlockMap {
  return (line, connection) => {
    const looked = look(line, connection)
    return isThenable(looked) ? looked.then(() => line) : line
  }
}

/**
 * Makes a stage of any Duplex, such as one from a package, bytes to bytes by default. `open` makes a fresh one for each
 * connection. Such a stage costs a stream for each connection, and is not fused with its neighbours.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const decompress = fromStream('decompress', () => createGunzip())
 */
export function fromStream(
  name: string,
  open: OpenStream,
  options?: StageOptions,
): StreamStage<Buffer, Buffer>
export function fromStream<In, Out>(
  name: string,
  open: OpenStream,
  options: ItemKinds<In, Out> & StageOptions,
): StreamStage<In, Out>
export function fromStream<A extends Kind, E extends Kind>(
  name: string,
  open: OpenStream,
  options: NamedKinds<A, E> & StageOptions,
): StreamStage<ItemOf<A>, ItemOf<E>>
export function fromStream<In, Out>(
  name: string,
  open: OpenStream,
  options: StageOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): StreamStage<In, Out> {
  needFunction(name, 'a function that opens a Duplex', open)
  checkNames(`fromStream('${name}')`, options, ['accepts', 'emits', 'asks'])
  const { accepts = 'bytes', emits = 'bytes', asks = true } = options
  return freezeStage({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    asks,
    stream: open,
  })
}
