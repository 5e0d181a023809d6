import { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import type { Connection, ConnectionFigures } from '../../connection.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { Book, Observed } from '../../status/book.js'
import type { LookAt, Wait } from '../../status/look.js'
import type { StageBook } from '../../status/stage-book.js'
import type { DormantFlow } from '../flow/dormant-flow.js'
import type { Flow, Sink } from '../flow/flow.js'
import { flowOf, wakeFlow } from '../flow/open-flow.js'
import type { Plan } from '../plan.js'
import { type CloserSettings, DuplexCloser } from './duplex-closer.js'

/** The settings of a flow that all connections of a listener share. */
export interface FlowSettings extends CloserSettings {
  /** The books of the listener, or of the pipeline. */
  readonly book?: Book
  /** Whether nobody else holds the chunks that are read, as with those of a socket, so that stages may change them in place. */
  readonly ownsChunks?: boolean
  /** Called when a connection goes on with another list. */
  readonly onList?: (plan: Plan) => void
}

/** Makes a scope for calls of stages. Its async id tells later which connection has started a timer or a callback. */
function newScope(): AsyncResource {
  return new AsyncResource('bywash.connection', { requireManualDestroy: true })
}

/** Opens the flow of a connection, at its start or with its first chunk, and says what the flow does. */
export abstract class FlowOwner extends DuplexCloser implements Observed {
  stageBook: StageBook | undefined
  readonly openedAt: number
  protected abstract override readonly settings: FlowSettings
  /** Made at the start, or by the first chunk where the plan has a dormant flow. */
  protected flow: Flow | undefined
  /** Stands in for the flow until the first chunk. */
  #dormant: DormantFlow | undefined
  #heldAtMost = 0
  /** Async ids of the socket and of the scope in which the stages were opened; set where they may start something. */
  #socketId: number | undefined
  #openedIn: number | undefined

  constructor(duplex: Duplex, connection: Connection) {
    super(duplex, connection)
    this.openedAt = Math.round(connection.clock.now())
  }

  /** Opens the stages, or leaves that to the first chunk. */
  protected beginFlow(plan: Plan, sink: Sink): void {
    if (plan.dormant === undefined) this.openFlow(plan, sink)
    else this.greet(plan.dormant)
  }

  /** Opens the stages in a scope, so that their timers belong to this connection, and not to the listening socket. */
  protected openFlow(plan: Plan, sink: Sink): void {
    const scope = newScope()
    this.#openedIn = scope.asyncId()
    this.noteSocket()
    const flow = flowOf(plan, sink, this.settings.ownsChunks)
    this.flow = flow
    this.corked = true
    scope.runInAsyncScope(flow.open, flow, this.connection, scope)
    if (this.corked) this.uncorkSoon()
    this.observeFlow()
  }

  protected greet(dormant: DormantFlow): void {
    this.#dormant = dormant
    if (dormant.greeting === undefined) return
    this.write(dormant.greeting)
    this.uncorkSoon()
  }

  /** Opens the stages with the first chunk. */
  protected wake(sink: Sink): Flow {
    const dormant = this.#dormant as DormantFlow
    if (!dormant.isInert) this.noteSocket()
    const flow = wakeFlow(dormant, sink, this.settings.ownsChunks, this.connection)
    this.flow = flow
    this.#dormant = undefined
    this.observeFlow()
    return flow
  }

  protected observeFlow(): void {
    this.settings.book?.taps?.reopened(this)
    if (this.stageBook?.look !== undefined) this.observe(this.stageBook.look)
  }

  /** Goes on with another list; called by the flow. */
  listChanged(plan: Plan, counts: readonly StageCounts[]): void {
    this.settings.onList?.(plan)
    this.stageBook?.close(counts)
    this.stageBook = this.settings.book?.stageBook(plan.listed)
    this.observeFlow()
  }

  /** Ends the input of the flow. What the stages start then belongs to this connection. */
  protected flush(flow: Flow): void {
    if (this.isTraceable) {
      const scope = newScope()
      this.closing.flushedIn = scope.asyncId()
      scope.runInAsyncScope(flow.end, flow)
    } else {
      flow.end()
    }
  }

  /** Drops the flow, but for its counts, where this owner may be remembered for a while. */
  protected dropFlow(): void {
    if (!this.isTraceable) return
    this.closing.counts = this.counts()
    this.flow = undefined
  }

  /** Notes the async id of the socket, in whose callbacks stages may start something. */
  protected noteSocket(): void {
    this.#socketId = this.duplex._handle?.getAsyncId?.()
  }

  get isTraceable(): boolean {
    return this.#socketId !== undefined || this.#openedIn !== undefined
  }

  /** Whether `asyncId`, the id of what triggered a callback, belongs to this connection: then one of its stages started it. */
  started(asyncId: number): boolean {
    return asyncId === this.#openedIn || asyncId === this.#socketId || asyncId === this.closeState?.flushedIn
  }

  // Called by the connection

  /** The counts of each stage so far. */
  counts(): readonly StageCounts[] {
    return this.closeState?.counts ?? (this.flow ?? (this.#dormant as DormantFlow)).counts()
  }

  /** The figures so far. */
  figures(): ConnectionFigures {
    return { heldAtMost: this.#heldAtMost, slowest: this.closeState?.slowest ?? this.slowest }
  }

  protected get slowest(): ConnectionFigures['slowest'] {
    const slowest = this.flow?.slowest
    if (slowest === undefined) return undefined
    const name = slowest.for === 'client' ? 'client' : this.stageBook?.listed[slowest.for]?.stages.join(' | ')
    return { name: String(name), share: slowest.share }
  }

  /** Remembers what waits where a stage or the client holds the connection up. */
  protected noteHeld(): void {
    const held = this.waiting + (this.flow?.heldSize ?? 0)
    if (held > this.#heldAtMost) this.#heldAtMost = held
  }

  // Observed: called by the book

  get bytesIn(): number {
    return this.flow?.bytes ?? 0
  }

  get bytesOut(): number {
    return this.bytesWritten
  }

  get pendingBytes(): number {
    return this.waiting
  }

  get isDormant(): boolean {
    return this.flow === undefined && this.#dormant !== undefined
  }

  get wait(): Wait | undefined {
    return this.flow?.wait
  }

  get held(): readonly Passed[] {
    return this.flow?.held ?? []
  }

  observe(at: LookAt | undefined): void {
    this.flow?.observe(at, this.connection)
  }

  charge(): void {
    this.flow?.charge()
  }
}
