import { setMaxListeners } from 'node:events'
import { type Duplex, Stream } from 'node:stream'
import { type Clock, systemClock } from './clock.js'
import { Connection, type Endpoints, nextId } from './connection.js'
import { isStage } from './definition.js'
import {
  abortSignal,
  CONNECTION_OPTIONS,
  type ConnectionOptions,
  connectionSettings,
} from './engine/connection-options.js'
import { DeadlineWatch } from './engine/drive/deadlines.js'
import { ConnectionDriver } from './engine/drive/driver.js'
import { type Explanation, explain } from './engine/explain.js'
import { load } from './engine/flow/open-flow.js'
import { makePlan, type Plan, place, planOnce } from './engine/plan.js'
import { PLAN_MODES, type PlanMode, type PlannedStage } from './engine/planned-stage.js'
import { InvalidOptionError, StageOrderError } from './errors.js'
import { type ItemOf, KINDS, type Kind, type KindOf } from './kind.js'
import { checkChoice, checkNames } from './options/check-option.js'
import { type OptionsOf, settingsFrom } from './options/option-values.js'
import type { Outcome } from './outcome.js'
import type { AnyStage, flow, Stage } from './stage.js'
import { Book } from './status/book.js'
import { publishClose, publishOpen } from './status/diagnostics.js'
import type { Status } from './status/status.js'

/** The options; exported, so that an editor shows their help. */
export const HANDLE_OPTIONS = {
  signal: abortSignal('destroys the duplex when it is aborted; the outcome is `shutdown`'),
}

/** Options of `pipeline.handle()`. */
export interface HandleOptions extends ConnectionOptions, OptionsOf<typeof HANDLE_OPTIONS> {
  /** How the pipeline runs. @default 'fused' */
  readonly plan?: PlanMode
  /** The connection that the stages get. @default one with the next id, the addresses of the duplex and the system's clock */
  readonly connection?: Connection
}

/**
 * Gives the plan of a pipeline, made once for each mode. Throws for what is no pipeline, or none from bytes to bytes, with
 * `owner` in the message: the function that was given it.
 */
export let planOf: (pipeline: Pipeline<Buffer, Buffer>, owner: string, mode: PlanMode) => Plan

/**
 * An immutable list of stages. It is a stage itself: a pipeline that is put through another adds its stages one by one.
 */
export class Pipeline<In, Out> implements Stage<In, Out> {
  // esbuild renames a class that refers to itself to `_Pipeline`, which a stack trace would show.
  static readonly name = 'Pipeline'
  readonly name: string
  readonly accepts: KindOf<In>
  readonly emits: KindOf<Out>
  // Behind the kinds, which the compiler then names where a pipeline does not fit.
  declare readonly [flow]?: ((item: In) => Out) | undefined
  /** The stages in order, those of nested pipelines one by one. */
  readonly stages: readonly AnyStage[]
  readonly #placed: readonly PlannedStage[]
  /** The connections that handle() serves now. */
  readonly #open = new Set<ConnectionDriver>()
  /** Made by the first connection of handle(), whose clock it has. */
  #book: Book | undefined
  /** Whether somebody has looked before. */
  #isLookedAt = false

  /** @internal Made by `pipeline()` and `through()`. */
  constructor(accepts: Kind, placed: readonly PlannedStage[]) {
    this.#placed = placed
    this.stages = Object.freeze(placed.map(({ stage }) => stage))
    this.name = placed.map(({ name }) => name).join(' | ')
    this.accepts = accepts as KindOf<In>
    this.emits = (placed.at(-1)?.emits ?? accepts) as KindOf<Out>
  }

  /**
   * Returns a new pipeline with one more stage at the end; this one stays as it is.
   *
   * @throws StageOrderError when the stage does not take what the one before it gives. TypeScript refuses that too.
   * @throws InvalidOptionError for what is no stage.
   */
  through<Next>(stage: Stage<Out, Next>): Pipeline<In, Next> {
    if (!isStage(stage)) throw new InvalidOptionError(`through() takes a stage. ${howToMake(stage)}`)
    const { stages } = stage as AnyStage
    const last = this.#placed.at(-1)
    const added = place(this.emits, stages ?? [stage as AnyStage], last && `stage '${last.name}'`)
    return new Pipeline<In, Next>(this.accepts, [...this.#placed, ...added])
  }

  /**
   * Runs the pipeline on any Duplex of bytes, and resolves with the outcome when the connection is over. It does not
   * reject for what a peer or a stage does. The duplex should be made with `allowHalfOpen: true`, or output that comes
   * after the peer's end is lost.
   *
   * @throws StageOrderError when the pipeline does not go from bytes to bytes.
   * @throws InvalidOptionError for a wrong option, or a duplex in object mode.
   * @example
   * const [client, server] = duplexPair()
   * const outcome = await pipeline().through(uppercaseLines).handle(server)
   */
  async handle(
    this: Pipeline<Buffer, Buffer>,
    duplex: Duplex,
    options: HandleOptions = {},
  ): Promise<Outcome> {
    checkNames('handle()', options, [
      'plan',
      'connection',
      ...Object.keys({ ...HANDLE_OPTIONS, ...CONNECTION_OPTIONS }),
    ])
    const { plan: mode = 'fused', connection = new Connection(nextId(), duplex as Endpoints) } = options
    const { signal } = settingsFrom('handle()', HANDLE_OPTIONS, options)
    const plan = planOf(this, 'handle()', mode)
    const settings = connectionSettings('handle()', options)
    if (duplex.readableObjectMode || duplex.readableEncoding) {
      throw new InvalidOptionError(
        'handle() takes a Duplex of bytes, without object mode and without an encoding.',
      )
    }
    // The driver listens to the duplex before the plan is loaded, so that it misses no early 'error' or 'close'.
    return new Promise((resolve, reject) => {
      const watch = DeadlineWatch.shared(settings.deadlines, connection.clock)
      const onAbort = () => driver.abort('shutdown')
      const book = this.#bookOf(plan, connection.clock)
      const onDone = (outcome: Outcome) => {
        this.#open.delete(driver)
        book.ended(outcome, driver)
        signal?.removeEventListener('abort', onAbort)
        watch.delete(driver)
        publishClose(connection, outcome)
        resolve(outcome)
      }
      const driver = new ConnectionDriver(duplex, connection, { ...settings.drive, onDone, book })
      watch.add(driver)
      this.#open.add(driver)
      book.opened()
      publishOpen(connection)
      if (signal !== undefined) {
        // Each of many connections may listen to it; Node would warn of a leak from 11 on.
        setMaxListeners(0, signal)
        signal.addEventListener('abort', onAbort)
        if (signal.aborted) onAbort()
      }
      load(plan).then(() => driver.start(plan), reject)
    })
  }

  /**
   * The work of the connections of `handle()`, as `listener.status()` tells it for those of a listener. Those have a status of their
   * own, and are not in this one.
   *
   * @example
   * await shout.status()
   * const outcome = await shout.handle(duplex)
   * console.error((await shout.status()).stages)
   */
  async status(): Promise<Status> {
    const { makeStatus } = await import('./status/make-status.js')
    this.#isLookedAt = true
    return makeStatus(this.#book ?? new Book(systemClock, 'off', () => []), {
      name: this.name,
      address: null,
      state: 'open',
      worker: null,
      connections: { open: this.#open.size, handshaking: 0, limit: null },
      workers: [],
    })
  }

  #bookOf({ listed }: Plan, clock: Clock): Book {
    if (this.#book === undefined) {
      this.#book = new Book(clock, 'sampled', () => this.#open)
      if (this.#isLookedAt) this.#book.lookOn()
    }
    this.#book.serve(listed)
    return this.#book
  }

  /** Describes how the pipeline will run, as data; `String()` of it is a tree. */
  explain(options: { readonly plan?: PlanMode } = {}): Explanation {
    checkNames('explain()', options, ['plan'])
    return explain(this.#plan('explain()', options.plan ?? 'fused'))
  }

  #plan(owner: string, mode: PlanMode): Plan {
    checkChoice(owner, 'plan', mode, PLAN_MODES)
    return planOnce(this, mode, () => makePlan(this.accepts, this.#placed, mode))
  }

  static {
    planOf = (pipeline, owner, mode) => {
      if (!(pipeline instanceof Pipeline)) {
        throw new InvalidOptionError(
          `${owner} takes a pipeline, as in pipeline().through(welcome('Hello\\n')).`,
        )
      }
      const { accepts, emits } = pipeline
      if (accepts !== 'bytes' || emits !== 'bytes') {
        throw new StageOrderError(
          `${owner} takes a pipeline from bytes to bytes, but this one goes from ${accepts} to ${emits}. ` +
            'Begin with a decoder such as lines() and end with its encoder, such as toLines().',
        )
      }
      return pipeline.#plan(owner, mode)
    }
  }
}

/**
 * Begins a pipeline without stages. To be served it takes bytes, the default, as a connection gives them; a pipeline that
 * is to be a part of another may begin with another kind.
 *
 * @param accepts - The kind of the items that come in. @default 'bytes'
 * @throws InvalidOptionError for a kind that does not exist.
 * @example
 * const shout = pipeline().through(lines()).through(uppercase()).through(toLines())
 * const polite = pipeline('line').through(map('polite', line => `${line}, please`))
 */
export function pipeline(): Pipeline<Buffer, Buffer>
export function pipeline<K extends Kind>(accepts: K): Pipeline<ItemOf<K>, ItemOf<K>>
export function pipeline<Item>(accepts: Kind = 'bytes'): Pipeline<Item, Item> {
  checkChoice('pipeline()', 'accepts', accepts, KINDS)
  return new Pipeline<Item, Item>(accepts, [])
}

/** How to make a stage of a value that is none. */
function howToMake(value: unknown): string {
  const { readable, writable, prototype } = (value ?? {}) as {
    [name in 'readable' | 'writable' | 'prototype']?: unknown
  }
  const sort = Object.prototype.toString.call(value)
  if (value instanceof Stream)
    return "Make one of a stream with fromStream('name', () => …), which makes a fresh one for each connection."
  if (typeof readable === 'object' && typeof writable === 'object') {
    return "Make one of a web stream with fromWeb('name', () => new TransformStream(…)), which makes a fresh one for each connection."
  }
  if (sort === '[object AsyncGeneratorFunction]')
    return "Make one of an async generator function with generate('name', async function* (items) { … })."
  if (sort === '[object GeneratorFunction]')
    return "Make a decoder of a generator function with decode('name', 'frame', function* (read) { … })."
  if (prototype instanceof Stream)
    return "Make one of a class of streams with fromStream('name', () => new …())."
  return "Call the function that makes it, as in through(lines()), or make one with stage(), or of a function with map('name', line => …)."
}
