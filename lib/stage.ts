import type { Duplex } from 'node:stream'
import type { BlockRole } from './block-role.js'
import { byteTable } from './byte-table.js'
import type { Connection } from './connection.js'
import { type BywashError, InvalidOptionError } from './errors.js'
import { type ItemKinds, KINDS, type Kind, type KindOf } from './kind.js'
import { checkBoolean, checkNames } from './options/check-option.js'
import type { Outcome } from './outcome.js'
import { ownRejection } from './own-rejection.js'
import type { SideWrites } from './side-writes.js'

/** The actions of a transformer, with the names of WHATWG's `TransformStreamDefaultController`. */
export interface Controller<Out> {
  /** Hands one item to the next stage. Called after the end of the stage, it fails the connection. */
  enqueue: (item: Out) => void
  /**
   * Ends the connection in good order: later stages are flushed, and of this stage and earlier ones only `close` is
   * called.
   */
  terminate: () => void
  /** Fails the connection. Output that was made before still reaches the peer. */
  error: (reason: unknown) => void
  /** Calls `onError`, as with a fault of the peer. The connection goes on. */
  report: (error: BywashError) => void
}

/**
 * A stage at work for one connection: the shape that `new TransformStream({...})` takes, made synchronous, plus
 * `readComplete`, `unfinished` and `close`. Every function may be left out; without `transform` items pass unchanged.
 * A function that throws, or returns a promise, ends its own connection with `stage-error`.
 */
export interface Transformer<In, Out> {
  /** Called before the first item. Later stages start first, so that they can take what this one enqueues. */
  start?: (controller: Controller<Out>) => void
  /** Called with each item. */
  transform?: (item: In, controller: Controller<Out>) => void
  /**
   * Called when all items that came of one read from the peer have passed (Netty's `channelReadComplete`), and before
   * `flush`. A stage that gathers items enqueues them here as one, so that many items become one write.
   */
  readComplete?: (controller: Controller<Out>) => void
  /**
   * Returns a number for the frame that has begun and not ended, another one for each frame, or 0 when there is none. It
   * is called a few times in each `frameTimeout`, and not for each item. A frame that stays unfinished for `frameTimeout`
   * ends the connection, and a listener that closes waits for the rest of one. The stream of a stage may have such a
   * method too.
   */
  unfinished?: () => number
  /** Called once after the last item, unless the connection has failed, or this or a later stage has ended it. */
  flush?: (controller: Controller<Out>) => void
  /** Called exactly once and last, also when `start` threw: the place to release timers, files and the like. */
  close?: (outcome: Outcome) => void
}

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
  readonly [flow]?: (item: In) => Out
}

/**
 * Opens a stage that is a stream, for one connection. An 'error' event of the stream loses the output that waits in its
 * buffer. `fail(error)` also fails the connection, but behind that output; `report(error)` calls `onError`, and the
 * connection goes on.
 */
export type OpenStream = (
  connection: Connection,
  fail: (error: unknown) => void,
  report: (error: BywashError) => void,
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
   * What the stage writes beside its output, where that may take longer than its connections.
   *
   * @internal
   */
  readonly sideWrites?: SideWrites
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

/**
 * Makes a stage from a function that opens a transformer for each connection. Keep the state of a connection inside
 * `open`, since the stage itself is shared by all connections.
 *
 * @throws InvalidOptionError when the definition is incomplete, or has an option that does not exist or a wrong value.
 * @example
 * const numbered = stage<string, string>({
 *   name: 'numbered', accepts: 'line', emits: 'line',
 *   open: () => {
 *     let n = 0
 *     return { transform: (line, controller) => controller.enqueue(`${++n}: ${line}`) }
 *   },
 * })
 */
export function stage<In, Out>(definition: StageDefinition<In, Out>): TransformerStage<In, Out> {
  const { name, stream, lazy = false } = definition
  checkNames(`stage('${name}')`, definition, STAGE_OPTIONS)
  checkBoolean(`Stage '${name}'`, 'lazy', lazy)
  if (stream !== undefined) needFunction(name, "a function as its 'stream'", stream)
  return internalStage(definition)
}

const STAGE_OPTIONS: readonly string[] = ['name', 'accepts', 'emits', 'open', 'stream', 'lazy', 'asks']

/**
 * Makes a stage as `stage()` does, with traits that `stage()` refuses. The planner relies on them and nothing checks them at
 * run time, so only the stages of bywash itself have them.
 *
 * @internal
 */
export function internalStage<In, Out>(
  definition: StageDefinition<In, Out> & Pick<AnyStage, 'blocks' | 'greeting' | 'inert' | 'sideWrites'>,
): TransformerStage<In, Out> {
  needFunction(definition.name, "an 'open' function", definition.open)
  return freezeStage(definition)
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
 * Makes a stage that turns each item into one other. Lines to lines by default; name the kinds for anything else.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const reverse = map('reverse', (line: string) => [...line].reverse().join(''))
 * const dashed = map('dashed', (line: string) => line.replaceAll('_', '-'), { bytewise: true })
 * const length = map('length', (line: string) => ({ length: line.length }), { accepts: 'line', emits: 'value' })
 */
export function map(
  name: string,
  transform: (line: string, connection: Connection) => string,
  options?: LineMapOptions,
): TransformerStage<string, string>
export function map<In, Out>(
  name: string,
  transform: (item: In, connection: Connection) => Out,
  options: ItemKinds<In, Out> & StageOptions,
): TransformerStage<In, Out>
export function map<In, Out>(
  name: string,
  transform: (item: In, connection: Connection) => Out,
  options: LineMapOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): TransformerStage<In, Out> {
  const { accepts = 'line', emits = 'line', bytewise = false, asks = !bytewise } = options
  needFunction(name, 'a function that maps an item', transform)
  checkNames(`map('${name}')`, options, ['accepts', 'emits', 'bytewise', 'asks'])
  checkBoolean(`map('${name}')`, 'bytewise', bytewise)
  return internalStage<In, Out>({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    lazy: true,
    asks,
    open: connection => ({
      transform: (item: In, controller: Controller<Out>) => controller.enqueue(transform(item, connection)),
    }),
    ...(accepts === 'line' && emits === 'line'
      ? { blocks: mapRole(name, transform as never, bytewise) }
      : {}),
  })
}

function mapRole(name: string, line: (line: string) => string, bytewise: boolean): BlockRole {
  return bytewise ? { role: 'map', table: byteTable(name, line), line } : { role: 'map', line }
}

/**
 * Makes a stage that calls a function with each item, of any kind, and passes the item on unchanged.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const log = tap('log', (line: string, connection) => console.error(connection.id, line))
 */
export function tap<Item>(
  name: string,
  look: (item: Item, connection: Connection) => void,
  options: StageOptions = {},
): TransformerStage<Item, Item> {
  const { asks = true } = options
  needFunction(name, 'a function that looks at an item', look)
  checkNames(`tap('${name}')`, options, ['asks'])
  return internalStage<Item, Item>({
    name,
    accepts: 'any',
    emits: 'same',
    lazy: true,
    asks,
    blocks: { role: 'map', line: looking(name, look as never) },
    open: connection => ({
      transform: (item: Item, controller: Controller<Item>) => {
        const result: unknown = look(item, connection)
        if (result !== undefined) ownRejection(result, name, 'its function', connection)
        controller.enqueue(item)
      },
    }),
  })
}

function looking(name: string, look: (line: string, connection: Connection) => void) {
  return (line: string, connection: Connection) => {
    const result: unknown = look(line, connection)
    if (result !== undefined) ownRejection(result, name, 'its function', connection)
    return line
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
export function fromStream<In, Out>(
  name: string,
  open: OpenStream,
  options: StageOptions & { readonly accepts?: Kind; readonly emits?: Kind } = {},
): StreamStage<In, Out> {
  const { accepts = 'bytes', emits = 'bytes', asks = true } = options
  needFunction(name, 'a function that opens a Duplex', open)
  checkNames(`fromStream('${name}')`, options, ['accepts', 'emits', 'asks'])
  return freezeStage({
    name,
    accepts: accepts as KindOf<In>,
    emits: emits as KindOf<Out>,
    asks,
    stream: open,
  })
}
