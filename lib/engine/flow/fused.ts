import type { Connection } from '../../connection.js'
import { type BywashError, blame, PeerError, StageError } from '../../errors.js'
import { dropRejection, isThenable, sizeOf, wrongKind } from '../../kind.js'
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
/** The part of a sink that a fused segment calls: it takes all input at once, and its output ends in the turn of its end. */
type FusedSink = Omit<Sink, 'drained' | 'inputClosed'>

/** One stage of a segment at work: calls the transformer, and is the controller that the transformer is given. */
class Link implements Controller<unknown> {
  /** The next stage. */
  after: Link | undefined
  /** The next stage that has a `transform`; undefined where items go to the sink. */
  next: Link | undefined
  /** `stopped` by another stage: items that it still enqueues are dropped. `ended` by itself: such items are an error. */
  state: 'open' | 'stopped' | 'ended' = 'open'
  /** Items and bytes that the transformer has enqueued. */
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
      const frame = this.transformer.unfinished()
      if (typeof frame === 'number') return frame
      this.refusePromise(frame, 'unfinished')
      return 0
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
    dropRejection(result)
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

  report(error: BywashError): void {
    this.segment.report(this, error)
  }
}

function openTransformer({ name, stage }: PlannedStage, connection: Connection): AnyTransformer {
  const transformer = stage.open?.(connection)
  if (isThenable(transformer)) {
    dropRejection(transformer)
    throw new StageError(
      name,
      'returned a promise from open. Begin what takes time there, and wait in asyncMap().',
    )
  }
  if (typeof transformer !== 'object' || transformer === null) {
    throw new StageError(name, "must return an object with functions such as 'transform' from open().")
  }
  if (stage.lazy && transformer.start !== undefined) {
    throw new StageError(name, "has a 'start', but is 'lazy', which opens it with its first item.")
  }
  return transformer as AnyTransformer
}

/**
 * Runs neighbouring synchronous stages as direct calls. A *turn* is everything that one call from outside causes (an item,
 * the end, a timer of a stage that enqueues); the sink is told when it ends.
 */
export class FusedSegment implements Flow {
  readonly #stages: readonly PlannedStage[]
  readonly #sink: FusedSink
  readonly #ownsItems: boolean
  /** The output that lends its memory to the sink, where the last stage has one; it is told whether the memory is free again. */
  #lender: TextOutput | undefined
  /** The first stage. */
  #head: Link | undefined
  /** The first stage that has a `transform`. */
  #first: Link | undefined
  /** Whether a stage has a `readComplete`. */
  #completes = false
  /** Whether a turn is under way. */
  #busy = false
  /** In `ending` and `terminating` the stages that are still open are flushed at the end of the turn; `done` takes no item. */
  #state: 'open' | 'ending' | 'terminating' | 'done' = 'open'
  #failure: BywashError | undefined
  /** Items and bytes that have come in. */
  #items = 0
  bytes = 0

  constructor(stages: readonly PlannedStage[], sink: FusedSink, ownsItems = false) {
    this.#stages = stages
    this.#sink = sink
    this.#ownsItems = ownsItems
  }

  open(connection: Connection): void {
    const failure = this.openStages(connection)
    if (failure === undefined) this.start()
    else this.#sink.fail(failure)
  }

  /** Opens the stages of a dormant flow. None is started: lazy stages have no start, and the greeting was sent already. */
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

  /** Opens a transformer for each stage, last to first; returns the error of the first that fails. */
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
        this.abort()
        return blame(planned.name, 'open', cause)
      }
    }
    if (this.#ownsItems) this.#useOwnership()
    return undefined
  }

  /** Lets a rewritten stage change the chunks in place, and one whose output goes straight to the sink lend its memory. */
  #useOwnership(): void {
    const { transformer, next } = this.#first ?? {}
    if (transformer instanceof BlockTransformer) transformer.inPlace = true
    if (transformer instanceof LoopTransformer && next === undefined) this.#lender = transformer.lend()
  }

  /** Starts the stages, last to first. */
  start(): void {
    this.#busy = true
    this.#startFrom(this.#head)
    this.#endTurn()
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
    this.#endTurn()
    return true
  }

  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    this.#endTurn()
  }

  resume(): void {}

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

  pendingStage(): undefined {}

  abort(): void {
    this.#state = 'done'
    for (let link = this.#head; link !== undefined; link = link.after) link.state = 'stopped'
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
        const result: unknown = link.transformer.close?.(outcome)
        if (isThenable(result)) this.#ownClosing(link, result)
      } catch (cause) {
        failure ??= blame(link.planned.name, 'close', cause)
      }
    }
    return failure
  }

  /** Reports the rejection of a promise that a `close` has returned; the connection is over by then. */
  #ownClosing({ planned }: Link, closing: PromiseLike<unknown>): void {
    closing.then(undefined, cause => this.#sink.fail(blame(planned.name, 'close', cause)))
  }

  #hand(link: Link | undefined, item: unknown): void {
    if (link === undefined) this.#sink.write(item)
    else link.receive(item)
  }

  /** Hands an item from a link to the next. Outside a turn, as from a timer of the stage, this is a turn of its own. */
  pass(from: Link, item: unknown): void {
    if (this.#busy) {
      this.#hand(from.next, item)
    } else if (this.#state === 'done') {
      this.refuseLate(from)
    } else {
      this.#busy = true
      this.#hand(from.next, item)
      this.#endTurn()
    }
  }

  /**
   * Reports an error of a stage. A fault of the peer is not heard of when the connection ends in front of it, however the
   * input was cut: what later stages have gathered goes on first, since it may be what ends the connection.
   */
  report(link: Link, error: BywashError): void {
    if (error instanceof PeerError) {
      this.#complete(link.after)
      if (link.state === 'stopped') return
    }
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
    if (!this.#busy) this.#endTurn()
  }

  fail(link: Link, cause: unknown, when: string): void {
    const error = blame(link.planned.name, when, cause)
    if (this.#state === 'done') {
      // Reported once only: a timer that was left running would fail again and again.
      if (link.state !== 'stopped') this.#sink.fail(error)
      link.state = 'stopped'
    } else if (link.state !== 'stopped') {
      // The stages behind it still get the items from before the failure. If one of them fails or terminates on those, that
      // comes first in the order of the bytes, and replaces this failure.
      this.#failure = error
      this.#stopThrough(link)
      if (!this.#busy) this.#endTurn()
    }
  }

  #stopThrough(last: Link): void {
    let link = this.#head
    while (link !== undefined && link !== last.after) {
      if (link.state === 'open') link.state = 'stopped'
      link = link.after
    }
  }

  /** Ends a turn: gathered items go on, the stages are flushed if this is the end, and then the sink is told. */
  #endTurn(): void {
    this.#busy = true
    this.#complete(this.#head)
    while (this.#state !== 'open' && this.#failure === undefined && !this.#flush()) this.#complete(this.#head)
    this.#busy = false
    this.#sink.endTurn()
    this.#lender?.reclaim(this.#sink.isFlushed)
    if (this.#failure !== undefined) {
      this.abort()
      this.#sink.fail(this.#failure)
    } else if (this.#state !== 'open') {
      const terminated = this.#state === 'terminating'
      this.#state = 'done'
      this.#sink.finish(terminated)
    }
  }

  #complete(first: Link | undefined): void {
    if (!this.#completes) return
    for (let link = first; link !== undefined; link = link.after) {
      if (link.state === 'open' && link.transformer.readComplete !== undefined) link.call('readComplete')
    }
  }

  /** Flushes the stages that are open; false when one has failed. */
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
