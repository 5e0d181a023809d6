import { AsyncResource } from 'node:async_hooks'
import { addAbortSignal, Duplex } from 'node:stream'
import type { ReadableStream, WritableStream } from 'node:stream/web'
import { Connection, countWith, endConnection, nextId } from '../connection.js'
import { isStage } from '../definition.js'
import {
  type BywashError,
  InvalidOptionError,
  isFault,
  type Reported,
  reasonOf,
  SlowConsumerError,
  StageError,
  UntoldFaults,
} from '../errors.js'
import { asBuffer, ITEM_BYTES, sizeOf, wrongInput } from '../kind.js'
import { checkChoice, checkNames } from '../options/check-option.js'
import { type OptionsOf, type SettingsOf, settingsFrom } from '../options/option-values.js'
import type { Outcome, Reason } from '../outcome.js'
import type { AnyStage, Stage } from '../stage.js'
import type { Book } from '../status/book.js'
import { abortSignal, CONNECTION_CALLBACKS, CONNECTION_LIMITS, time } from './connection-options.js'
import { type Deadlines, DeadlineWatch, deadlines, type Watched } from './drive/deadlines.js'
import { FaultReports } from './drive/fault-reports.js'
import { type IdleHost, IdleLimit } from './drive/idle-limit.js'
import { frameTimedOut, idleTimedOut, ownIdleTimedOut } from './drive/timeout-errors.js'
import type { Flow, Sink } from './flow/flow.js'
import { flowOf, load } from './flow/open-flow.js'
import { HIGH_WATER_MARK } from './flow/stream-marks.js'
import { guarded } from './guarded.js'
import { makePlan, type Plan, place, planOnce } from './plan.js'
import { PLAN_MODES, type PlanMode } from './planned-stage.js'
import { ProfiledRun } from './profiled-run.js'

/** Bytes that may wait on the side that is read, as in a socket. */
const BYTES_MARK = 65_536

/** The options; exported, so that an editor shows their help. */
export const TO_STREAM_OPTIONS = {
  idleTimeout: time('how long nothing may come or go; 0 is for ever', 0),
  frameTimeout: time('how long a line or frame may take from its first byte to its last; 0 is for ever', 0),
  ...CONNECTION_LIMITS,
  onError: CONNECTION_CALLBACKS.onError,
  signal: abortSignal('destroys the stream when it is aborted'),
}

/** Options of `toStream()` and `toWeb()`. Times are in milliseconds. */
export interface ToStreamOptions extends OptionsOf<typeof TO_STREAM_OPTIONS> {
  /** How the stages run. @default 'fused' */
  readonly plan?: PlanMode
  /** The connection that the stages get. @default one with the next id and the system's clock */
  readonly connection?: Connection
}

/**
 * Makes a Duplex of a stage or a pipeline, for `stream.pipeline()`, `for await`, child processes and bodies of HTTP. What is
 * written to it goes through the stages, and what they give is read from it: Buffers of bytes, and in object mode lines, frames
 * and values.
 *
 * A failure destroys it with its cause, once what was made before has been read. There is no farewell, and no deadline unless
 * one is asked for. Where a stage ends the connection, as `take` does, the output ends, and what is written behind that is
 * dropped.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * await pipeline(createReadStream('in.txt'), toStream(shout), createWriteStream('out.txt'))
 * for await (const line of createReadStream('in.txt').pipe(toStream(lines()))) console.log(line)
 */
export function toStream<In, Out>(stage: Stage<In, Out>, options: ToStreamOptions = {}): Duplex {
  return pipelineStream(stage, options)
}

/** As `toStream()`, with the books of the run, in which every turn is timed. */
export function profiledStream<In, Out>(
  stage: Stage<In, Out>,
  options: ToStreamOptions,
): { readonly stream: Duplex; readonly book: Book } {
  const stream = pipelineStream(stage, options)
  return { stream, book: stream.profile() }
}

function pipelineStream<In, Out>(stage: Stage<In, Out>, options: ToStreamOptions): PipelineStream {
  checkNames('toStream()', options, ['plan', 'connection', ...Object.keys(TO_STREAM_OPTIONS)])
  const { plan: mode = 'fused', connection = new Connection(nextId()) } = options
  checkChoice('toStream()', 'plan', mode, PLAN_MODES)
  const settings = settingsFrom('toStream()', TO_STREAM_OPTIONS, options)
  if (!isStage(stage)) {
    throw new InvalidOptionError('toStream() takes a stage or a pipeline, as in toStream(lines()).')
  }
  const { stages = [stage], accepts }: AnyStage = stage
  const kind = accepts === 'any' ? 'bytes' : accepts
  const plan = planOnce(stage, mode, () => makePlan(kind, place(kind, stages), mode))
  const stream = new PipelineStream(plan, connection, settings)
  if (settings.signal !== undefined) addAbortSignal(settings.signal, stream)
  return stream
}

/**
 * Makes a pair of web streams of a stage or a pipeline, for `pipeThrough()`, as `toStream()` makes a Duplex. Bytes are
 * Uint8Arrays.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * const { body } = await fetch('https://example.com/log')
 * for await (const line of body.pipeThrough(toWeb(lines()))) console.log(line)
 */
export function toWeb<In, Out>(
  stage: Stage<In, Out>,
  options: ToStreamOptions = {},
): { readable: ReadableStream; writable: WritableStream } {
  return Duplex.toWeb(toStream(stage, options))
}

type Settings = SettingsOf<typeof TO_STREAM_OPTIONS>

/** Runs a plan as one stream: to its flow it is what a driver is for a connection. */
class PipelineStream extends Duplex implements Watched {
  readonly isTraceable = false
  readonly #plan: Plan
  readonly #connection: Connection
  readonly #settings: Settings
  readonly #watch: DeadlineWatch<Watched>
  readonly #openedAt: number
  #flow: Flow | undefined
  /** Calls back for the item that was written, once more is taken. */
  #goOn: (() => void) | undefined
  /** Calls back for the end of the input, once the stages have ended. */
  #onEnded: (() => void) | undefined
  /** The flow takes no more before it calls `drained`. */
  #flowIsFull = false
  /** The output of this turn. */
  #pending: unknown[] = []
  /** The reader is slow. */
  #isFull = false
  /** Sizes of the items that wait for the reader, and their sum; of bytes the stream itself knows the sum. */
  readonly #sizes: number[] = []
  #sizeOfItems = 0
  #reports: FaultReports | undefined
  /** Made when a stage sets an idle timeout. */
  #idleLimit: IdleLimit | undefined
  /** How the stages have ended; undefined before. */
  #end: Reason | undefined
  /** The error to destroy the stream with, behind the output from before it. */
  #failure: BywashError | undefined
  #bytesGiven = 0
  /** Set where the run is profiled. */
  #profiled: ProfiledRun | undefined
  #lastProgress = -1
  #quietTicks = 0

  constructor(plan: Plan, connection: Connection, settings: Settings) {
    super({
      writableObjectMode: plan.accepts !== 'bytes',
      readableObjectMode: plan.emits !== 'bytes',
      writableHighWaterMark: HIGH_WATER_MARK[plan.accepts],
      readableHighWaterMark: plan.emits === 'bytes' ? BYTES_MARK : HIGH_WATER_MARK[plan.emits],
    })
    this.#plan = plan
    this.#connection = connection
    this.#settings = settings
    this.#openedAt = Math.round(connection.clock.now())
    this.#watch = DeadlineWatch.shared(deadlines({ ...settings, drainTimeout: 0 }), connection.clock)
  }

  /** Begins a profile, before anything is written. */
  profile(): Book {
    this.#profiled = new ProfiledRun(this.#connection, this.#plan, () => this.#bytesGiven)
    return this.#profiled.book
  }

  // Duplex

  override _construct(callback: (error?: Error) => void): void {
    load(this.#plan).then(() => {
      const connection = this.#connection
      const flow = flowOf(this.#plan, this.#sink())
      this.#flow = flow
      countWith(connection, {
        counts: () => flow.counts(),
        failLater: error => this.#abort(error),
        setIdleTimeout: timeout => {
          this.#idleLimit?.end()
          if (!this.destroyed) this.#idleLimit = new IdleLimit(this.#idleHost(), timeout, connection.clock)
        },
      })
      this.#watch.add(this)
      flow.open(connection, new AsyncResource('bywash.stream'))
      this.#profiled?.begin(flow, this.#plan)
      callback()
    }, callback)
  }

  override _write(given: unknown, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    const { accepts } = this.#plan
    const item = sizeOf(accepts, given) === -1 ? asBuffer(accepts, given) : given
    if (item === undefined) callback(wrongInput(accepts, given))
    else {
      this.#goOn = callback
      this.#flowIsFull = !(this.#flow as Flow).write(item)
      this.#callBack()
    }
  }

  override _final(callback: () => void): void {
    if (this.#end === undefined) {
      this.#onEnded = callback
      ;(this.#flow as Flow).end()
    } else if (this.#failure === undefined) {
      callback()
    }
  }

  override _read(): void {
    if (!this.#isFull) return
    this.#isFull = false
    this.#flow?.resume()
    this.#callBack()
  }

  override read(size?: number): unknown {
    const item = super.read(size)
    // The reader has all output from before the failure, and asks for more.
    if (item === null && this.#failure !== undefined && this.readableLength === 0) this.destroy(this.#failure)
    return item
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#watch.delete(this)
    this.#idleLimit?.end()
    const flow = this.#flow
    const outcome: Outcome = {
      reason: this.#end ?? 'client-reset',
      error: error ?? undefined,
      bytesRead: flow?.bytes ?? 0,
      bytesWritten: this.#bytesGiven,
      duration: Math.round(this.#connection.clock.now()) - this.#openedAt,
    }
    this.#end = outcome.reason
    endConnection(this.#connection)
    const failure = flow?.close(outcome)
    this.#reports?.end()
    this.#profiled?.end(outcome)
    callback(error ?? failure ?? null)
  }

  // Watched

  tick({ idle, frame, idleTimeout, frameTimeout }: Deadlines): void {
    const flow = this.#flow as Flow
    if (this.#end !== undefined) return
    const progress = this.#progress
    this.#quietTicks = progress === this.#lastProgress ? this.#quietTicks + 1 : 0
    this.#lastProgress = progress
    const stage = this.#isFull || this.#flowIsFull ? undefined : flow.overdue(frame)
    if (this.#quietTicks >= idle && this.#idleLimit === undefined) this.#abort(idleTimedOut(idleTimeout))
    else if (stage !== undefined) this.#abort(frameTimedOut(stage, frameTimeout))
  }

  get #progress(): number {
    return (this.#flow as Flow).bytes + this.#bytesGiven - this.readableLength
  }

  #idleHost(): IdleHost {
    return {
      idleProgress: inputOnly => {
        if (this.#end !== undefined || this.#isFull || this.#flowIsFull) return undefined
        return inputOnly ? (this.#flow as Flow).bytes : this.#progress
      },
      onIdle: timeout => this.#abort(ownIdleTimedOut(timeout)),
    }
  }

  /** The receiver of the flow's output, and of its end. */
  #sink(): Sink {
    const size = () => this.#waiting
    const mark = () =>
      this.#plan.emits === 'bytes' ? this.readableHighWaterMark : ITEM_BYTES * this.readableHighWaterMark
    return {
      write: item => this.#pending.push(item),
      endTurn: () => {
        this.#give()
        return !this.#isFull
      },
      get desiredSize() {
        return mark() - size()
      },
      hasRoom: held => held + this.#waiting <= this.#settings.maxPending,
      overflow: () => this.#abort(new SlowConsumerError(this.#settings.maxPending)),
      isFlushed: false,
      drained: () => {
        this.#flowIsFull = false
        this.#callBack()
      },
      inputClosed: () => {},
      outputEnded: () => {
        this.#give()
        this.push(null)
        this.#isFull = false
        this.#callBack()
      },
      finish: terminated => this.#finish(terminated ? 'terminated' : 'end'),
      reply: ({ stage, bytes }) => {
        if (this.#plan.emits === 'bytes') this.#pending.push(bytes)
        else this.#abort(new StageError(stage, 'called reply() in a list that does not give bytes.'))
      },
      countFault: stage => this.#profiled?.stageBook?.fail(stage),
      listChanged: (next, counts) => this.#profiled?.change(next, counts),
      claimReport: () => this.#faultReports?.claim() ?? false,
      report: reported => this.#report(reported),
      fail: error => this.#fail(error),
    }
  }

  /** Gives the output of a turn to the reader: bytes as one chunk. */
  #give(): void {
    const pending = this.#pending
    if (pending.length === 0) return
    this.#pending = []
    if (this.#plan.emits === 'bytes') {
      const chunk = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending as Buffer[])
      this.#bytesGiven += chunk.length
      if (!this.push(chunk)) this.#isFull = true
      return
    }
    for (const item of pending) {
      const size = sizeOf(this.#plan.emits, item)
      this.#bytesGiven += size
      this.#sizeOfItems += size + ITEM_BYTES
      this.#sizes.push(size + ITEM_BYTES)
      if (!this.push(item)) this.#isFull = true
    }
    this.#dropSizes()
  }

  /** Bytes of output that wait for the reader. */
  get #waiting(): number {
    if (this.#plan.emits === 'bytes') return this.readableLength
    this.#dropSizes()
    return this.#sizeOfItems
  }

  /** Drops the sizes of items that the reader has taken. */
  #dropSizes(): void {
    const taken = this.#sizes.length - this.readableLength
    if (taken <= 0) return
    for (const size of this.#sizes.splice(0, taken)) this.#sizeOfItems -= size
  }

  #callBack(): void {
    if ((this.#isFull && !this.#flow?.isDetached) || this.#flowIsFull || this.#failure !== undefined) return
    const goOn = this.#goOn
    this.#goOn = undefined
    goOn?.()
  }

  #finish(reason: Reason): void {
    this.#end = reason
    this.#give()
    this.push(null)
    this.#isFull = false
    this.#flowIsFull = false
    this.#callBack()
    this.#onEnded?.()
  }

  #report(reported: Reported | UntoldFaults): void {
    if (reported instanceof UntoldFaults || isFault(reported)) this.#faultReports?.report(reported)
    else this.#tell(reported)
  }

  /** Undefined where nobody would be told. */
  get #faultReports(): FaultReports | undefined {
    const { onError, maxReports } = this.#settings
    if (onError === undefined) return undefined
    this.#reports ??= new FaultReports(this.#connection.clock, maxReports, error => this.#tell(error))
    return this.#reports
  }

  #tell(error: BywashError): void {
    const { onError } = this.#settings
    const connection = this.#connection
    if (onError !== undefined) guarded('onError', () => onError(error, connection), connection)
  }

  /** Fails the stream now, though stages would have more output. */
  #abort(error: BywashError): void {
    this.#flow?.abort()
    this.#fail(error)
  }

  #fail(error: BywashError): void {
    // The promise of a stage that has rejected after the end: nobody else would hear of it.
    if (this.#end !== undefined) {
      if (this.#failure === undefined) this.#report(error)
      return
    }
    this.#end = reasonOf(error)
    this.#failure = error
    this.#give()
    if (this.readableLength === 0) this.destroy(error)
  }
}
