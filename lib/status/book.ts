import { type Clock, type Timer, unref } from '../clock.js'
import type { Connection } from '../connection.js'
import type { Outcome } from '../outcome.js'
import type { Passed, StageCounts } from '../stage-counts.js'
import { Look, type LookAt, type Wait } from './look.js'
import type { ListedStage } from './source.js'
import { StageBook, type StageSample } from './stage-book.js'
import type { Observe, RefusalReason, Traffic } from './status.js'
import { LocalTally, type Tally } from './tally.js'
import type { SeeItem, Tap, TapEvent } from './taps/tap-event.js'
import type { TapSettings } from './taps/tap-options.js'

/** Milliseconds that a look lasts after the last call of `status()`. */
const LOOK_MS = 75_000
const SECOND_MS = 1_000
/** Samples that are kept: one a second, and the one before them. */
const MAX_SAMPLES = 61

/** A connection that is open, as its book sees it. */
export interface Observed {
  readonly connection: Connection
  /** The books of its list of stages; undefined before it has started. */
  readonly stageBook: StageBook | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly openedAt: number
  /** Bytes of output that wait for the peer. */
  readonly pendingBytes: number
  /** Whether nothing has come yet, and no stage is open. */
  readonly isDormant: boolean
  readonly wait: Wait | undefined
  readonly held: readonly Passed[]
  counts: () => readonly StageCounts[]
  observe: (at: LookAt | undefined) => void
  charge: () => void
  /** Shows from now on what comes, what each stage gives, and what goes; with undefined not any more. */
  tap?: (see: SeeItem | undefined) => void
}

/** The taps at the connections of a book. */
export interface TapHost {
  add: (settings: TapSettings, onEvent: (event: TapEvent) => void) => Tap
  /** Called when a connection has started. */
  opened: (observed: Observed) => void
  /** Called when the stages of a connection were opened, or are those of another list. */
  reopened: (observed: Observed) => void
  ended: (observed: Observed, outcome: Outcome) => void
}

/** The sums of a moment. */
export interface Sample {
  readonly at: number
  readonly traffic: Traffic
  readonly stages: readonly StageSample[]
  /** Connection time in which the clients did not read, and in which nothing came. */
  readonly unread: number
  readonly idle: number
  /** Time in turns. */
  readonly running: number
}

/** The books of a listener, or of a pipeline: what its connections have counted, and what a look finds out. */
export class Book {
  readonly clock: Clock
  #observe: Observe
  readonly startedAt = Date.now()
  readonly #openedAt: number
  readonly #open: () => Iterable<Observed>
  /** By the list of stages: after a `replace()` connections of both lists may be open. */
  readonly #stageBooks = new WeakMap<readonly ListedStage[], StageBook>()
  readonly #tally: Tally
  #bytesIn = 0
  #bytesOut = 0
  #itemsIn = 0
  #itemsOut = 0
  #look: Look | undefined
  #isClosed = false
  #lookBegan = 0
  #lookEnds = 0
  #timer: Timer
  #current: StageBook = new StageBook([])
  readonly #samples: Sample[] = []
  /** Called when the look ends. */
  readonly #lookEndCallbacks: (() => void)[] = []
  /** Set while somebody taps a connection. */
  taps: TapHost | undefined

  /**
   * @param open - Gives the connections that are open.
   * @param tally - Where connections are counted. @default in this book
   */
  constructor(
    clock: Clock,
    observe: Observe,
    open: () => Iterable<Observed>,
    tally: Tally = new LocalTally(),
  ) {
    this.clock = clock
    this.#observe = observe
    this.#openedAt = clock.now()
    this.#open = open
    this.#tally = tally
    if (observe === 'always') this.#begin()
  }

  get observe(): Observe {
    return this.#observe
  }

  /** Looks from now on as another value of the option says. */
  change(observe: Observe): void {
    if (observe === this.#observe) return
    this.#observe = observe
    if (this.#look !== undefined) this.#endLook()
    if (observe === 'always' && !this.#isClosed) this.#begin()
  }

  /** The moment on the clock of the system. */
  get now(): number {
    return Math.round(this.startedAt + this.clock.now() - this.#openedAt)
  }

  /** Milliseconds since the look began; 0 without one. */
  get observedFor(): number {
    return this.#look === undefined ? 0 : Math.round(this.clock.now() - this.#lookBegan)
  }

  get open(): Iterable<Observed> {
    return this.#open()
  }

  /** The moment on the own clock at which the look began. */
  get lookBegan(): number {
    return this.#lookBegan
  }

  /** Gives the book of a list of stages. */
  stageBook(listed: readonly ListedStage[]): StageBook {
    let book = this.#stageBooks.get(listed)
    if (book === undefined) {
      book = new StageBook(listed)
      this.#stageBooks.set(listed, book)
    }
    book.follow(this.#look)
    return book
  }

  /** The book of the list that new connections get. */
  get current(): StageBook {
    return this.#current
  }

  /** Takes another list of stages for new connections. */
  serve(listed: readonly ListedStage[]): void {
    const current = this.stageBook(listed)
    if (current === this.#current) return
    this.#current = current
    this.#samples.length = 0
  }

  opened(): void {
    this.#tally.open()
  }

  refused(reason: RefusalReason): void {
    this.#tally.refuse(reason)
  }

  /** Counts a connection whose handshake has failed: it was not served. */
  turnedAway(): void {
    this.#tally.turnAway()
  }

  /** Counts a connection that is over; `observed` is undefined where it had no stages, as after a failed handshake. */
  ended(outcome: Outcome, observed?: Observed): void {
    const { reason, bytesRead, bytesWritten } = outcome
    this.#tally.end(reason)
    this.#bytesIn += bytesRead
    this.#bytesOut += bytesWritten
    const { stageBook } = observed ?? {}
    if (observed === undefined || stageBook === undefined) return
    this.taps?.ended(observed, outcome)
    const counts = observed.counts()
    stageBook.close(counts)
    this.#itemsIn += counts[0]?.in.items ?? 0
    this.#itemsOut += counts.at(-1)?.out.items ?? 0
  }

  /** Begins a look, or goes on with it, for 75 seconds. */
  lookOn(): void {
    if (this.observe === 'off' || this.#isClosed) return
    this.#lookEnds = this.clock.now() + LOOK_MS
    if (this.#look === undefined) this.#begin()
  }

  /** Ends the look, and begins none any more: the listener is closed. */
  close(): void {
    this.#isClosed = true
    this.#endLook()
  }

  #endLook(): void {
    this.clock.clearTimeout(this.#timer)
    this.#look = undefined
    this.#follow()
    for (const callback of this.#lookEndCallbacks.splice(0)) callback()
  }

  /** The samples of the look, one for each second, oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples
  }

  /** Begins something, once in a look, that ends with it. */
  whenLookEnds(begin: () => () => void): void {
    if (this.#look !== undefined && this.#lookEndCallbacks.length === 0) this.#lookEndCallbacks.push(begin())
  }

  /** The sums of now. */
  sample(): Sample {
    const stageBook = this.#current
    const openCounts: (readonly StageCounts[])[] = []
    let { bytesIn, bytesOut, itemsIn, itemsOut } = this.#closedSums
    for (const each of this.#open()) {
      bytesIn += each.bytesIn
      bytesOut += each.bytesOut
      if (each.stageBook === undefined) continue
      const counts = each.counts()
      itemsIn += counts[0]?.in.items ?? 0
      itemsOut += counts.at(-1)?.out.items ?? 0
      if (each.stageBook === stageBook) openCounts.push(counts)
    }
    const { unread = 0, idle = 0, running = 0 } = this.#look ?? {}
    return {
      at: this.clock.now(),
      traffic: {
        opened: this.#tally.opened,
        refused: { ...this.#tally.refused },
        ended: { ...this.#tally.ended },
        bytesIn,
        bytesOut,
        itemsIn,
        itemsOut,
      },
      stages: stageBook.sample(openCounts),
      unread,
      idle,
      running,
    }
  }

  get #closedSums() {
    return {
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      itemsIn: this.#itemsIn,
      itemsOut: this.#itemsOut,
    }
  }

  #begin(): void {
    this.#look = new Look(this.observe === 'always')
    this.#lookBegan = this.clock.now()
    this.#chargedAt = this.#lookBegan
    this.#follow()
    this.#samples.length = 0
    this.#takeSample()
  }

  /** Begins the look at what is open, or ends it. */
  #follow(): void {
    this.#current.follow(this.#look)
    for (const each of this.#open()) {
      each.stageBook?.follow(this.#look)
      each.observe(each.stageBook?.look)
    }
  }

  #chargedAt = 0

  #takeSample(): void {
    this.charge()
    this.#samples.push(this.sample())
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift()
    this.#timer = this.clock.setTimeout(() => {
      if (this.observe === 'always' || this.clock.now() < this.#lookEnds) this.#takeSample()
      else this.#endLook()
    }, SECOND_MS)
    unref(this.#timer)
  }

  /** Enters what has happened since the last call in the accounts. */
  charge(): void {
    const look = this.#look
    if (look === undefined) return
    const now = this.clock.now()
    for (const each of this.#open()) {
      if (!each.isDormant) {
        each.charge()
        continue
      }
      const time = now - Math.max(this.#chargedAt, each.openedAt)
      look.idle += time
      // A dormant connection has started, so it has a stage book.
      const { accounts } = (each.stageBook as StageBook).look as LookAt
      for (const account of accounts) {
        account.starved += time
        account.idle += time
      }
    }
    this.#chargedAt = now
  }
}
