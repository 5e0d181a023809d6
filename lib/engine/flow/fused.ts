import type { Connection } from '../../connection.js'
import { type BywashError, blame, type PeerError, StageError } from '../../errors.js'
import { isThenable, sizeOf, wrongKind } from '../../kind.js'
import type { Outcome } from '../../outcome.js'
import type { Controller, Transformer } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import { type FrameWatch, isOverdue } from '../drive/frame-watch.js'
import type { PlannedStage } from '../planned-stage.js'
import { BlockTransformer } from '../rewrite/block-lines.js'
import { LoopTransformer } from '../rewrite/line-loop.js'
import { RewrittenTransformer } from '../rewrite/rewritten.js'
import type { TextOutput } from '../rewrite/text-output.js'
import type { Flow, Sink } from './flow.js'

type AnyTransformer = Transformer<unknown, unknown>
type Step = 'start' | 'readComplete' | 'flush'

/** One stage of a segment: calls its transformer, and is the controller that the transformer gets. */
class Link implements Controller<unknown> {
  /** The next stage. */
  after: Link | undefined
  /** The next stage that transforms; undefined is the sink. */
  next: Link | undefined
  /** `stopped` by another stage: what it still enqueues is dropped. `ended` by itself: that is an error. */
  state: 'open' | 'stopped' | 'ended' = 'open'
  /** What the transformer has enqueued. */
  items = 0
  bytes = 0
  watch: FrameWatch | undefined

  constructor(
    readonly segment: FusedSegment,
    readonly planned: PlannedStage,
    readonly transformer: AnyTransformer,
  ) {}

  receive(item: unknown): void {
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

  /** The number of the unfinished frame, or 0. */
  get frame(): number {
    if (this.transformer.unfinished === undefined) return 0
    try {
      return this.transformer.unfinished()
    } catch (cause) {
      this.segment.fail(this, cause, 'unfinished')
      return 0
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
      if (this.state === 'ended') segment.refuseLate(this)
      return
    }
    const size = sizeOf(planned.emits, item)
    if (size === -1) {
      segment.fail(this, wrongKind(planned.name, planned.emits, item), 'enqueue')
      return
    }
    this.items++
    this.bytes += size
    segment.pass(this, item)
  }

  terminate(): void {
    this.segment.terminate(this)
  }

  error(reason: unknown): void {
    this.segment.fail(this, reason, 'its own judgement')
  }

  report(error: PeerError): void {
    this.segment.report(error)
  }
}

function openTransformer({ name, stage }: PlannedStage, connection: Connection): AnyTransformer {
  const transformer = stage.open?.(connection)
  if (typeof transformer !== 'object' || transformer === null) {
    throw new StageError(name, "must return an object with functions such as 'transform' from open().")
  }
  if (stage.lazy && transformer.start !== undefined) {
    throw new StageError(name, "has a 'start', but is 'lazy', which opens it with its first item.")
  }
  return transformer as AnyTransformer
}

/**
 * Runs neighbouring synchronous stages as direct calls. A *turn* is everything that one call from outside causes
 * (an item, the end, a timer of a stage that enqueues); when it is over the sink is told to settle.
 */
export class FusedSegment implements Flow {
  readonly #stages: readonly PlannedStage[]
  readonly #sink: Sink
  readonly #ownsItems: boolean
  /** What the sink gets and tells when it is done with it. */
  #lent: TextOutput | undefined
  /** The first stage; each leads to the one after it. */
  #head: Link | undefined
  /** The first stage that transforms. */
  #first: Link | undefined
  /** A stage wants to know when a turn has brought all its items. */
  #completes = false
  #busy = false
  /** `ending` and `terminating` flush the stages that are still open; `done` takes nothing more. */
  #state: 'open' | 'ending' | 'terminating' | 'done' = 'open'
  #failure: BywashError | undefined
  /** What came in. */
  #items = 0
  bytes = 0

  constructor(stages: readonly PlannedStage[], sink: Sink, ownsItems = false) {
    this.#stages = stages
    this.#sink = sink
    this.#ownsItems = ownsItems
  }

  open(connection: Connection): void {
    const failure = this.openStages(connection)
    if (failure === undefined) this.start()
    else this.#sink.fail(failure)
  }

  /** Opens the stages without a start, since the last of them has sent its greeting already. */
  openGreeted(connection: Connection, greeting: Buffer | undefined): void {
    const failure = this.openStages(connection)
    if (failure !== undefined) this.#sink.fail(failure)
    else if (greeting !== undefined) this.#countGreeting(greeting)
  }

  #countGreeting(greeting: Buffer): void {
    let last = this.#head as Link
    while (last.after !== undefined) last = last.after
    last.items = 1
    last.bytes = greeting.length
  }

  /** Opens a transformer of each stage, last to first, up to the first that fails. */
  openStages(connection: Connection): BywashError | undefined {
    for (let index = this.#stages.length - 1; index >= 0; index--) {
      const planned = this.#stages[index] as PlannedStage
      try {
        const link = new Link(this, planned, openTransformer(planned, connection))
        link.after = this.#head
        link.next = this.#first
        this.#head = link
        if (link.transformer.transform !== undefined) this.#first = link
        if (link.transformer.readComplete !== undefined) this.#completes = true
      } catch (cause) {
        this.abandon()
        return blame(planned.name, 'open', cause)
      }
    }
    if (this.#ownsItems) this.#useOwnership()
    return undefined
  }

  /** The first stage may change what comes, and the last one may lend the sink what it makes. */
  #useOwnership(): void {
    const { transformer, next } = this.#first ?? {}
    if (transformer instanceof BlockTransformer) transformer.inPlace = true
    if (transformer instanceof LoopTransformer && next === undefined) this.#lent = transformer.lend()
  }

  /** Starts the stages, last to first. */
  start(): void {
    this.#busy = true
    this.#startFrom(this.#head)
    this.#settle()
  }

  #startFrom(link: Link | undefined): void {
    if (link === undefined) return
    this.#startFrom(link.after)
    if (link.state === 'open' && link.transformer.start !== undefined) link.call('start')
  }

  write(item: unknown): boolean {
    if (this.#state !== 'open') return true
    this.#busy = true
    this.#items++
    this.bytes += sizeOf(this.#stages[0]?.accepts ?? 'bytes', item)
    this.#hand(this.#first, item)
    this.#settle()
    return true
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#settle()
  }

  drain(): void {}

  overdue(limit: number): PlannedStage | undefined {
    for (let link = this.#head; link !== undefined; link = link.after) {
      if (isOverdue(link, link.frame, limit)) return link.planned.rewrites?.[0] ?? link.planned
    }
    return undefined
  }

  unfinished(): boolean {
    for (let link = this.#head; link !== undefined; link = link.after) if (link.frame !== 0) return true
    return false
  }

  holding(): undefined {}

  stop(): void {
    this.abandon()
  }

  counts(): readonly StageCounts[] {
    const counts: StageCounts[] = []
    let given: Passed = { items: this.#items, bytes: this.bytes }
    for (let link = this.#head; link !== undefined; link = link.after) {
      const { planned, transformer, items, bytes } = link
      const isPassing = transformer.transform === undefined
      const out = isPassing ? { items: given.items + items, bytes: given.bytes + bytes } : { items, bytes }
      if (transformer instanceof RewrittenTransformer) counts.push(...transformer.counts(given, out))
      else counts.push({ name: planned.name, in: given, out })
      given = out
    }
    return counts
  }

  close(outcome: Outcome): BywashError | undefined {
    this.#state = 'done'
    let failure: BywashError | undefined
    for (let link = this.#head; link !== undefined; link = link.after) {
      try {
        link.transformer.close?.(outcome)
      } catch (cause) {
        failure ??= blame(link.planned.name, 'close', cause)
      }
    }
    return failure
  }

  #hand(link: Link | undefined, item: unknown): void {
    if (link === undefined) this.#sink.write(item)
    else link.receive(item)
  }

  /** Takes an item from a link to the next; outside a turn (a timer of the stage) this is a turn of its own. */
  pass(from: Link, item: unknown): void {
    if (this.#busy) {
      this.#hand(from.next, item)
    } else if (this.#state === 'done') {
      this.refuseLate(from)
    } else {
      this.#busy = true
      this.#hand(from.next, item)
      this.#settle()
    }
  }

  report(error: PeerError): void {
    this.#sink.report(error)
  }

  refuseLate(link: Link): void {
    this.fail(link, new StageError(link.planned.name, 'enqueued after its end.'), 'enqueue')
  }

  terminate(link: Link): void {
    if (link.state !== 'open' || this.#state === 'done') return
    this.#stopThrough(link)
    link.state = 'ended'
    this.#state = 'terminating'
    this.#failure = undefined
    if (!this.#busy) this.#settle()
  }

  fail(link: Link, cause: unknown, when: string): void {
    const error = blame(link.planned.name, when, cause)
    if (this.#state === 'done') {
      // Once is enough: a timer that was left running would go on for ever.
      if (link.state !== 'stopped') this.#sink.fail(error)
      link.state = 'stopped'
    } else if (link.state !== 'stopped') {
      // Later stages still take what was made before a failure: one that fails or ends then comes first in the bytes.
      this.#failure = error
      this.#stopThrough(link)
      if (!this.#busy) this.#settle()
    }
  }

  /** Drops whatever still comes. */
  abandon(): void {
    this.#state = 'done'
    for (let link = this.#head; link !== undefined; link = link.after) link.state = 'stopped'
  }

  #stopThrough(last: Link): void {
    for (let link = this.#head; link !== undefined; link = link.after) {
      if (link.state === 'open') link.state = 'stopped'
      if (link === last) return
    }
  }

  /** Ends a turn: gathered items go on, an end is carried through, then the sink hears of it. */
  #settle(): void {
    this.#busy = true
    this.#complete()
    while (this.#state !== 'open' && this.#failure === undefined && !this.#flush()) this.#complete()
    this.#busy = false
    this.#sink.settle()
    this.#lent?.settle(this.#sink.isDone)
    if (this.#failure !== undefined) {
      this.abandon()
      this.#sink.fail(this.#failure)
    } else if (this.#state !== 'open') {
      const terminated = this.#state === 'terminating'
      this.#state = 'done'
      this.#sink.finish(terminated)
    }
  }

  #complete(): void {
    if (!this.#completes) return
    for (let link = this.#head; link !== undefined; link = link.after) {
      if (link.state === 'open' && link.transformer.readComplete !== undefined) link.call('readComplete')
    }
  }

  /** Flushes the stages that are open, up to one that fails. */
  #flush(): boolean {
    for (let link = this.#head; link !== undefined; link = link.after) {
      if (link.state === 'open') link.call('readComplete')
      if (link.state === 'open') link.call('flush')
      if (link.state === 'open') link.state = 'ended'
      if (this.#failure !== undefined) return false
    }
    return true
  }
}
