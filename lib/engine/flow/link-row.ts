import { type BywashError, blame } from '../../errors.js'
import { isThenable, sizeOf } from '../../kind.js'
import type { Outcome } from '../../outcome.js'
import { unanswered } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import { isOverdue } from '../drive/frame-watch.js'
import { noAnswer } from '../drive/timeout-errors.js'
import type { PlannedStage } from '../planned-stage.js'
import { BlockTransformer } from '../rewrite/block-lines.js'
import { LoopTransformer } from '../rewrite/line-loop.js'
import { RewrittenTransformer } from '../rewrite/rewritten.js'
import type { TextOutput } from '../rewrite/text-output.js'
import type { Link, Receiver } from './link.js'

/** The stages of a segment at work, one behind the other: how they begin and end, and what can be asked of them. */
export abstract class LinkRow {
  /** The first stage. */
  head: Link | undefined
  /** The first stage that has a `transform`, or what times it. */
  first: Receiver | undefined
  /** Whether a stage has a `readComplete`. */
  protected completes = false
  /** The output that lends its memory to the sink, where the last stage has one; it is told whether the memory is free again. */
  protected lender: TextOutput | undefined
  /** Items and bytes that have come in. */
  protected items = 0
  bytes = 0
  /** The rest of a chunk that has come while a link waits or the sink is full. */
  rest: unknown
  /** Size of the items that wait in links. */
  queuedSize = 0

  /** Puts a link in front of the others. */
  protected add(link: Link): void {
    link.after = this.head
    link.next = this.first
    this.head = link
    if (link.transformer.transform !== undefined) this.first = link
    if (link.transformer.readComplete !== undefined) this.completes = true
  }

  /** Lets a rewritten stage change the chunks in place, and one whose output goes straight to the sink lend its memory. */
  protected useOwnership(): void {
    let link = this.head
    while (link !== undefined && link.transformer.transform === undefined) link = link.after
    const { transformer, next } = link ?? {}
    if (transformer instanceof BlockTransformer) transformer.inPlace = true
    if (transformer instanceof LoopTransformer && next === undefined) this.lender = transformer.lend()
  }

  /** Starts the stages from a link on, last to first. */
  protected startFrom(link: Link | undefined): void {
    if (link === undefined) return
    this.startFrom(link.after)
    if (link.state === 'open' && link.transformer.start !== undefined) link.call('start')
  }

  protected countGreeting(greeting: Buffer): void {
    let last = this.head as Link
    while (last.after !== undefined) last = last.after
    last.items = 1
    last.bytes = greeting.length
  }

  /** Stops the stages up to one, which get nothing any more. */
  protected stopThrough(last: Link): void {
    this.rest = undefined
    let link = this.head
    while (link !== undefined && link !== last.after) {
      if (link.state === 'open') link.stop('stopped')
      link = link.after
    }
  }

  protected stopAll(): void {
    this.rest = undefined
    for (let link = this.head; link !== undefined; link = link.after) link.stop('stopped')
  }

  /**
   * Closes each stage; returns the first error that one has thrown.
   *
   * @param onLate - Called when a promise that a `close` has returned rejects; the connection is over by then.
   */
  protected closeAll(outcome: Outcome, onLate: (error: BywashError) => void): BywashError | undefined {
    this.rest = undefined
    let failure: BywashError | undefined
    for (let link = this.head; link !== undefined; link = link.after) {
      link.stop(link.state === 'open' ? 'ended' : link.state)
      const { name } = link.planned
      try {
        const result: unknown = link.transformer.close?.(outcome)
        if (isThenable(result)) result.then(undefined, cause => onLate(blame(name, 'close', cause)))
      } catch (cause) {
        failure ??= blame(name, 'close', cause)
      }
    }
    return failure
  }

  overdue(limit: number): PlannedStage | undefined {
    for (let link = this.head; link !== undefined; link = link.after) {
      if (isOverdue(link, link.frame, limit)) return link.planned.rewrites?.[0] ?? link.planned
    }
    return undefined
  }

  unfinished(): boolean {
    for (let link = this.head; link !== undefined; link = link.after) if (link.frame !== 0) return true
    return false
  }

  unanswered(time: number): BywashError | undefined {
    let pending: Link | undefined
    // The last one is the cause: those before it wait for it.
    for (let link = this.head; link !== undefined; link = link.after) if (link.waits) pending = link
    if (pending === undefined) return undefined
    const { transformer, planned } = pending
    const name = transformer instanceof LoopTransformer ? transformer.pending : planned.name
    return transformer[unanswered]?.(time) ?? noAnswer(name, time)
  }

  counts(): readonly StageCounts[] {
    const counts: StageCounts[] = []
    let given: Passed = { items: this.items, bytes: this.bytes }
    for (let link = this.head; link !== undefined; link = link.after) {
      const { planned, transformer, items, bytes } = link
      const isPassing = transformer.transform === undefined
      const out = isPassing ? { items: given.items + items, bytes: given.bytes + bytes } : { items, bytes }
      if (transformer instanceof RewrittenTransformer) counts.push(...transformer.counts(given, out))
      else counts.push({ name: planned.name, in: given, out })
      given = out
    }
    return counts
  }

  /** Items and bytes that have left the last stage. */
  get given(): Passed {
    return (this.counts().at(-1) as StageCounts).out
  }

  get heldSize(): number {
    return this.queuedSize + ((this.rest as Buffer | undefined)?.length ?? 0)
  }

  /** The queue in front of each stage; the rest of a chunk waits for the first. */
  get held(): readonly Passed[] {
    const held: Passed[] = []
    for (let link = this.head; link !== undefined; link = link.after) held.push(link.held)
    const [first, ...others] = held
    if (first === undefined || this.rest === undefined) return held
    const size = sizeOf((this.head as Link).planned.accepts, this.rest)
    return [{ items: first.items + 1, bytes: first.bytes + size }, ...others]
  }

  /** @param isLast - Whether what the last stage gives leaves the flow. */
  tap(see: SeeItem | undefined, offset = 0, isLast = true): void {
    let index = offset
    for (let link = this.head; link !== undefined; link = link.after) {
      const at = index++
      if (link.after !== undefined || !isLast) link.tap(see && (item => see('stage', item, at)))
    }
  }
}
