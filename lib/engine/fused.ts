import type { Connection } from '../connection.js'
import { type BywashError, StageError } from '../errors.js'
import { fits, isThenable, wrongKind } from '../kind.js'
import type { Outcome } from '../outcome.js'
import type { PlannedStage } from '../plan.js'
import type { Controller, Transformer } from '../stage.js'
import { blame, type Flow, type Sink } from './flow.js'

type AnyTransformer = Transformer<unknown, unknown>
type Step = 'start' | 'readComplete' | 'flush'

/** One stage of a segment: calls its transformer, and is the controller that the transformer gets. */
class Link implements Controller<unknown> {
  /** The next link that transforms; undefined is the sink. */
  next: Link | undefined
  /** `stopped` by another stage: what it still enqueues is dropped. `ended` by itself: that is an error. */
  state: 'open' | 'stopped' | 'ended' = 'open'

  constructor(
    readonly segment: FusedSegment,
    readonly planned: PlannedStage,
    readonly transformer: AnyTransformer,
  ) {}

  receive(item: unknown): void {
    if (this.state !== 'open') return
    try {
      const result: unknown = this.transformer.transform?.(item, this)
      if (result !== undefined) this.refusePromise(result, 'transform')
    } catch (cause) {
      this.segment.fail(this, cause, 'transform')
    }
  }

  call(step: Step): void {
    try {
      const result: unknown = this.transformer[step]?.(this)
      if (result !== undefined) this.refusePromise(result, step)
    } catch (cause) {
      this.segment.fail(this, cause, step)
    }
  }

  /** A promise would let the next item overtake this one, and its rejection would belong to nobody. */
  refusePromise(result: unknown, when: string): void {
    if (!isThenable(result)) return
    const { name } = this.planned
    const refusal = new StageError(
      name,
      `returned a promise from ${when}. Use asyncMap() for what takes time.`,
    )
    this.segment.fail(this, refusal, when)
    // The refusal above is the first cause; a rejection of the promise adds nothing, but would end the process.
    result.then(undefined, () => {})
  }

  enqueue(item: unknown): void {
    const { segment, planned } = this
    if (this.state !== 'open') {
      if (this.state === 'ended')
        segment.fail(this, new StageError(planned.name, 'enqueued after its end.'), 'enqueue')
    } else if (!fits(planned.emits, item)) {
      segment.fail(this, wrongKind(planned.name, planned.emits, item), 'enqueue')
    } else {
      segment.pass(this.next, item)
    }
  }

  terminate(): void {
    this.segment.terminate(this)
  }

  error(reason: unknown): void {
    this.segment.fail(this, reason, 'its own judgement')
  }
}

/**
 * Runs neighbouring synchronous stages as direct calls. A *turn* is everything that one call from outside causes
 * (an item, the end, a timer of a stage that enqueues); when it is over the sink is told to settle.
 */
export class FusedSegment implements Flow {
  readonly #stages: readonly PlannedStage[]
  readonly #connection: Connection
  readonly #sink: Sink
  readonly #links: Link[] = []
  #first: Link | undefined
  #busy = false
  #ending = false
  #terminated = false
  #failure: BywashError | undefined
  #done = false

  constructor(stages: readonly PlannedStage[], connection: Connection, sink: Sink) {
    this.#stages = stages
    this.#connection = connection
    this.#sink = sink
  }

  open(): void {
    const failure = this.openStages()
    if (failure === undefined) this.start()
    else this.#sink.fail(failure)
  }

  /** Opens a transformer of each stage, up to the first that fails. */
  openStages(): BywashError | undefined {
    for (const planned of this.#stages) {
      const { name, stage } = planned
      try {
        const transformer = stage.open?.(this.#connection) as AnyTransformer | undefined
        if (typeof transformer !== 'object' || transformer === null) {
          throw new StageError(name, "must return an object with functions such as 'transform' from open().")
        }
        this.#links.push(new Link(this, planned, transformer))
      } catch (cause) {
        this.abandon()
        return blame(name, 'open', cause)
      }
    }
    return undefined
  }

  /** Links the stages, and starts them last to first. */
  start(): void {
    this.#busy = true
    for (const link of this.#links.toReversed()) {
      link.next = this.#first
      if (link.transformer.transform !== undefined) this.#first = link
    }
    for (const link of this.#links.toReversed()) {
      if (link.state === 'open' && link.transformer.start !== undefined) link.call('start')
    }
    this.#settle()
  }

  write(item: unknown): boolean {
    if (this.#done) return true
    this.#busy = true
    this.#hand(this.#first, item)
    return this.#settle()
  }

  end(): void {
    if (this.#done) return
    this.#busy = true
    this.#ending = true
    this.#settle()
  }

  drain(): void {}

  close(outcome: Outcome): BywashError | undefined {
    this.#done = true
    let failure: BywashError | undefined
    for (const link of this.#links) {
      try {
        link.transformer.close?.(outcome)
      } catch (cause) {
        failure ??= blame(link.planned.name, 'close', cause)
      }
      link.state = 'ended'
    }
    return failure
  }

  #hand(link: Link | undefined, item: unknown): void {
    if (link === undefined) this.#sink.write(item)
    else link.receive(item)
  }

  /** Takes an item from a link to the next; outside a turn (a timer of the stage) this is a turn of its own. */
  pass(next: Link | undefined, item: unknown): void {
    if (this.#busy) {
      this.#hand(next, item)
    } else {
      this.#busy = true
      this.#hand(next, item)
      this.#settle()
    }
  }

  terminate(link: Link): void {
    if (link.state !== 'open') return
    this.#stopThrough(link)
    link.state = 'ended'
    this.#ending = true
    this.#terminated = true
    this.#settleOutsideTurn()
  }

  fail(link: Link, cause: unknown, when: string): void {
    const error = blame(link.planned.name, when, cause)
    if (this.#done) {
      link.state = 'stopped'
      this.#sink.fail(error)
    } else if (this.#failure === undefined) {
      this.#failure = error
      this.#stopThrough(link)
      this.#settleOutsideTurn()
    }
  }

  /** Drops whatever still comes: a stage outside this segment failed. */
  abandon(): void {
    this.#done = true
    for (const link of this.#links) link.state = 'stopped'
  }

  #stopThrough(last: Link): void {
    for (const link of this.#links) {
      if (link.state === 'open') link.state = 'stopped'
      if (link === last) return
    }
  }

  #settleOutsideTurn(): void {
    if (this.#busy) return
    this.#busy = true
    this.#settle()
  }

  /** Ends a turn: gathered items go on, an end is carried through, then the sink hears of it. */
  #settle(): boolean {
    this.#complete()
    if (this.#ending) this.#flush()
    if (this.#failure !== undefined) this.#complete()
    this.#busy = false
    const open = this.#sink.settle()
    if (this.#failure !== undefined) {
      this.abandon()
      this.#sink.fail(this.#failure)
    } else if (this.#ending) {
      this.#done = true
      this.#sink.finish(this.#terminated)
    }
    return open
  }

  #complete(): void {
    for (const link of this.#links) {
      if (link.state === 'open' && link.transformer.readComplete !== undefined) link.call('readComplete')
    }
  }

  #flush(): void {
    for (const link of this.#links) {
      if (this.#failure !== undefined) return
      if (link.state !== 'open') continue
      link.call('readComplete')
      if (link.state === 'open') link.call('flush')
      if (link.state === 'open') link.state = 'ended'
    }
  }
}
