import type { AsyncResource } from 'node:async_hooks'
import type { Connection } from '../../connection.js'
import { isStage } from '../../definition.js'
import { type BywashError, blame, InvalidOptionError, StageOrderError } from '../../errors.js'
import type { Outcome } from '../../outcome.js'
import type { AnyStage, Stage } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { LookAt, Wait } from '../../status/look.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import { makePlan, type Plan, place, planOnce } from '../plan.js'
import { KIND_NAMES, type PlannedStage } from '../planned-stage.js'
import type { Flow, Sink, Slowest } from './flow.js'
import type { UpgradeHost } from './upgrade.js'

/** The way in which flows of lists are made. */
interface FlowMaker {
  /** Whether the modules of a plan are loaded, so that it can be opened at once. */
  readonly isLoaded: (plan: Plan) => boolean
  readonly load: (plan: Plan) => Promise<void>
  readonly open: (plan: Plan, sink: Sink, host: UpgradeHost) => Flow
}

/**
 * The flow of a list that may become another list. It holds the flow of the list that is at work, and between two lists keeps
 * what comes; to its driver all of them are one flow.
 */
export class UpgradableFlow implements Flow, UpgradeHost {
  readonly #sink: Sink
  readonly #maker: FlowMaker
  #plan: Plan
  #inner: Flow
  #connection: Connection | undefined
  #scope: AsyncResource | undefined
  /** The plan of the next list, from `become()` until that list is open. */
  #next: Plan | undefined
  /** Whether it takes and gives the kinds that this one does: not where a test tries a part of a list. */
  #fits = true
  /** Whether the list at work has given all its output, so that the next one can be opened. */
  #isDue = false
  /** Input for the next list. */
  #held: unknown[] = []
  /** The input has ended. */
  #hasEnded = false
  /** The output has ended, so that what the next lists give is dropped. */
  #outputEnded = false
  /** Changes are made one after the other: input may be a long row of frames that each become another list. */
  #isChanging = false
  /** The list at work was told to hold back. */
  #isFull = false
  /** Bytes that earlier lists have taken. */
  #bytesBefore = 0
  #openedAt = 0
  /** Nothing comes in any more, and no other list follows. */
  #isOver = false

  /** Input may be kept for the next list. */
  readonly chunkUse = 'any'

  constructor(plan: Plan, sink: Sink, maker: FlowMaker) {
    this.#plan = plan
    this.#sink = sink
    this.#maker = maker
    this.#inner = maker.open(plan, sink, this)
  }

  get isDetached(): boolean {
    return this.#inner.isDetached
  }

  get confirmsEnd(): boolean {
    const { upgrades, detached } = this.#plan
    return upgrades || detached
  }

  get bytes(): number {
    return this.#bytesBefore + this.#inner.bytes
  }

  open(connection: Connection, scope: AsyncResource): void {
    this.#connection = connection
    this.#scope = scope
    this.#openInner()
  }

  #openInner(): void {
    const connection = this.#connection as Connection
    this.#openedAt = Math.round(connection.clock.now())
    this.#inner.open(connection, this.#scope as AsyncResource)
  }

  write(item: unknown): boolean {
    if (this.#next !== undefined) {
      if (!this.#isOver) this.#held.push(item)
      return this.#isOver
    }
    const inner = this.#inner
    const isTaken = inner.write(item)
    if (this.#next !== undefined) return this.#isOver
    return inner === this.#inner ? isTaken : !this.#isFull
  }

  end(): void {
    this.#hasEnded = true
    this.#inner.end()
  }

  // UpgradeHost

  beginChange(next: Stage<Buffer, Buffer>): void {
    const { mode, accepts, emits } = this.#plan
    if (!isStage(next)) {
      throw new InvalidOptionError(
        'become() takes a pipeline or a stage, as in become(pipeline().through(…)).',
      )
    }
    const { stages = [next] }: AnyStage = next
    const kind = next.accepts === 'any' ? accepts : next.accepts
    const plan = planOnce(next, mode, () => makePlan(kind, place(kind, stages), mode))
    const fits = plan.accepts === accepts && plan.emits === emits
    this.#sink.becomes?.(next)
    if (!fits && this.#sink.becomes === undefined) {
      throw new StageOrderError(
        `become() takes a list from ${KIND_NAMES[accepts]} to ${KIND_NAMES[emits]}, as this one is, but that one goes from ${KIND_NAMES[plan.accepts]} to ${KIND_NAMES[plan.emits]}.`,
      )
    }
    this.#next = plan
    this.#fits = fits
  }

  change(rest: unknown, outputEnded: boolean): void {
    this.#isDue = true
    this.#outputEnded ||= outputEnded
    if (rest !== undefined) this.#held.unshift(rest)
    if (!this.#fits) this.#sink.finish(true)
    else if (!this.#isChanging) this.#changeAll()
  }

  /**
   * Changes to the next list, and again for as long as that becomes another one with the input that it gets.
   *
   * @param loaded - A plan whose modules were loaded.
   */
  #changeAll(loaded: Plan | undefined = undefined): void {
    this.#isChanging = true
    while (this.#isDue && !this.#isOver) {
      const next = this.#next as Plan
      if (next !== loaded && !this.#maker.isLoaded(next)) {
        this.#load(next)
        break
      }
      this.#changeTo(next)
    }
    this.#isChanging = false
  }

  #load(next: Plan): void {
    this.#maker.load(next).then(
      () => this.#changeAll(next),
      cause => this.#sink.fail(blame('become', 'the load of its list', cause)),
    )
  }

  #changeTo(plan: Plan): void {
    const counts = this.#inner.counts()
    const failure = this.#inner.close(this.#outcome())
    this.#bytesBefore += this.#inner.bytes
    this.#sink.listEnded?.(plan)
    this.#plan = plan
    this.#inner = this.#maker.open(plan, this.#outputEnded ? mutedSink(this.#sink) : this.#sink, this)
    this.#isDue = false
    this.#next = undefined
    if (failure === undefined) {
      this.#scope?.runInAsyncScope(() => this.#begin(counts))
    } else {
      this.#isOver = true
      this.#sink.fail(failure)
    }
  }

  /**
   * Opens the list, and gives it what has come.
   *
   * @param counts - Those of the list before it.
   */
  #begin(counts: readonly StageCounts[]): void {
    this.#openInner()
    this.#sink.listChanged?.(this.#plan, counts)
    const held = this.#held
    this.#held = []
    const items = held.length > 1 && this.#plan.accepts === 'bytes' ? [Buffer.concat(held as Buffer[])] : held
    this.#isFull = false
    for (const item of items) if (!this.write(item)) this.#isFull = true
    if (this.#next !== undefined) return
    if (!this.#isFull) this.#sink.drained()
    if (this.#hasEnded) this.#inner.end()
  }

  /** The outcome that the stages of a list are closed with when it becomes another one. */
  #outcome(): Outcome {
    const { clock } = this.#connection as Connection
    return {
      reason: 'become',
      error: undefined,
      bytesRead: this.#inner.bytes,
      bytesWritten: (this.#inner.counts().at(-1) as StageCounts).out.bytes,
      duration: Math.round(clock.now()) - this.#openedAt,
    }
  }

  resume(): void {
    this.#inner.resume()
  }

  holdInput(whenQuiet: () => void): string {
    return this.#inner.holdInput(whenQuiet)
  }

  releaseInput(): void {
    this.#inner.releaseInput()
  }

  overdue(limit: number): PlannedStage | undefined {
    return this.#inner.overdue(limit)
  }

  unfinished(): boolean {
    return this.#next !== undefined || this.#inner.unfinished()
  }

  unanswered(time: number): BywashError | undefined {
    return this.#inner.unanswered(time)
  }

  counts(): readonly StageCounts[] {
    return this.#inner.counts()
  }

  observe(at: LookAt | undefined, connection: Connection): void {
    this.#inner.observe(at, connection)
  }

  tap(see: SeeItem | undefined): void {
    this.#inner.tap(see)
  }

  charge(): void {
    this.#inner.charge()
  }

  get wait(): Wait | undefined {
    return this.#inner.wait
  }

  get held(): readonly Passed[] {
    return this.#inner.held
  }

  get heldSize(): number {
    return this.#inner.heldSize
  }

  get slowest(): Slowest | undefined {
    return this.#inner.slowest
  }

  abort(): void {
    this.#isOver = true
    this.#held = []
    this.#inner.abort()
  }

  close(outcome: Outcome): BywashError | undefined {
    this.#isOver = true
    this.#held = []
    return this.#inner.close(outcome)
  }
}

/** The sink for lists that begin when the output has ended: it takes nothing, and tells how they end. */
function mutedSink(sink: Sink): Sink {
  return {
    write: () => {},
    endTurn: () => true,
    desiredSize: 0,
    hasRoom: () => true,
    overflow: () => sink.overflow(),
    isFlushed: true,
    drained: () => sink.drained(),
    inputClosed: () => sink.inputClosed(),
    outputEnded: () => {},
    reply: () => {},
    finish: terminated => sink.finish(terminated),
    claimReport: () => sink.claimReport(),
    report: error => sink.report(error),
    fail: error => sink.fail(error),
  }
}
