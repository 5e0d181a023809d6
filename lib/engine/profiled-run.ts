import type { Connection } from '../connection.js'
import type { Outcome } from '../outcome.js'
import type { Passed, StageCounts } from '../stage-counts.js'
import { Book, type Observed } from '../status/book.js'
import type { LookAt } from '../status/look.js'
import type { StageBook } from '../status/stage-book.js'
import type { Flow } from './flow/flow.js'
import type { Plan } from './plan.js'

/** A stream as its books see it, which have this one run and time every turn of it. */
export class ProfiledRun implements Observed {
  readonly book: Book
  readonly connection: Connection
  readonly openedAt: number
  readonly isDormant = false
  // A status asks for these, and a run has none.
  readonly pendingBytes = 0
  readonly wait = undefined
  readonly held: readonly Passed[] = []
  stageBook: StageBook | undefined
  readonly #bytesOut: () => number
  #flow: Flow | undefined
  #isOver = false

  constructor(connection: Connection, { listed }: Plan, bytesOut: () => number) {
    this.connection = connection
    this.openedAt = Math.round(connection.clock.now())
    this.#bytesOut = bytesOut
    this.book = new Book(connection.clock, 'always', () => (this.#isOver ? [] : [this]))
    this.book.serve(listed)
    this.book.opened()
  }

  /** Begins to observe the stages of a flow. */
  begin(flow: Flow, { listed }: Plan): void {
    this.#flow = flow
    this.#follow(listed)
  }

  /** Goes on with another list. */
  change({ listed }: Plan, counts: readonly StageCounts[]): void {
    this.stageBook?.close(counts)
    this.#follow(listed)
  }

  #follow(listed: Plan['listed']): void {
    this.stageBook = this.book.stageBook(listed)
    this.observe(this.stageBook.look)
  }

  end(outcome: Outcome): void {
    this.#isOver = true
    this.book.ended(outcome, this)
  }

  // Observed

  get bytesIn(): number {
    return this.#flow?.bytes ?? 0
  }

  get bytesOut(): number {
    return this.#bytesOut()
  }

  /** Called only for one that has a `stageBook`. */
  counts(): readonly StageCounts[] {
    return (this.#flow as Flow).counts()
  }

  observe(at: LookAt | undefined): void {
    this.#flow?.observe(at, this.connection)
  }

  charge(): void {
    this.#flow?.charge()
  }
}
