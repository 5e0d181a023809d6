import type { Connection } from '../../connection.js'
import { type Reported, StageError } from '../../errors.js'
import { asBuffer, dropRejection, ITEM_BYTES, isThenable, resultOf, sizeOf, wrongKind } from '../../kind.js'
import {
  type Encoded,
  type HoldingController,
  type InBand,
  reported,
  type Stage,
  type settle,
  type Transformer,
  working,
} from '../../stage.js'
import type { Passed } from '../../stage-counts.js'
import type { FrameWatch } from '../drive/frame-watch.js'
import type { PlannedStage } from '../planned-stage.js'
import { LoopTransformer } from '../rewrite/line-loop.js'

type AnyTransformer = Transformer<unknown, unknown>
/** Stands for `encoders` that are undefined. */
const NO_ENCODERS = {}

type Step = 'start' | 'readComplete' | 'flush' | typeof settle

/** The segment that a link is a part of: what the link asks of it, and tells it. */
export interface Owner {
  /** Size of the items that wait in links. */
  queuedSize: number
  /** Size of what was enqueued later than in a call of its stage, since the last turn has ended. */
  turnSize: number
  /** Whether a turn is under way. */
  readonly isBusy: boolean
  /** How many more bytes are taken behind the last stage before it is slow. */
  readonly desiredSize: number
  /** Hands an item to the stage behind a link. */
  pass: (from: Link, item: unknown, size: number) => void
  /** The output of the stages behind a link for an item. The sink does not get it; undefined where one of them fails. */
  encode: (from: Link, item: unknown, size: number) => Encoded | undefined
  passEncoded: (from: Link, encoded: Encoded) => void
  /** Lets a link and those behind it hand on what they have gathered. */
  complete: (first: Link | undefined) => void
  /** Passes a report through a link and those behind it. */
  passReport: (fault: InBand, first: Link | undefined) => void
  /** Passes a report on behind what a link, and those behind it, have made so far. */
  reportBehind: (link: Link, fault: InBand) => void
  report: (link: Link, reported: Reported) => void
  reply: (link: Link, bytes: Buffer) => void
  terminate: (link: Link) => void
  become: (link: Link, next: Stage<Buffer, Buffer>) => void
  endOutput: () => void
  fail: (link: Link, cause: unknown, when: string) => void
  refuseLate: (link: Link) => void
  /** A link begins to wait. */
  hold: () => void
  /** A link that has waited goes on. */
  release: (link: Link) => void
  /** A link that has waited was stopped. */
  unhold: () => void
  whenReady: (link: Link, callback: () => void) => void
  /** Begins a turn that ends with this tick; false where one is under way. */
  enterTurn: () => boolean
  leaveTurn: () => void
  endTurn: () => void
  endTurnSoon: () => void
}

/** A taker of items: a link, or what times it. */
export interface Receiver {
  receive: (item: unknown) => void
}

/**
 * One stage of a segment at work: calls the transformer, and is the controller that the transformer is given. While the
 * transformer waits for a promise, items that come are queued.
 */
export class Link implements HoldingController<unknown>, Receiver {
  /** The next stage. */
  after: Link | undefined
  /** The next stage that has a `transform`; undefined where items go to the sink. */
  next: Receiver | undefined
  /**
   * `stopped` by another stage: items that it still enqueues are dropped. `ended` by itself: such items are an error in a call
   * of the stage, and dropped from outside, where nobody can know that the end has come.
   */
  state: 'open' | 'stopped' | 'ended' = 'open'
  /** The number of calls of `hold()` without their `release()`. */
  #holds = 0
  /** Whether `flush` was called. */
  flushed = false
  /** Whether the transformer has ended the output, while its input goes on. */
  outputEnded = false
  /** Whether a promise of `readComplete` has settled, and nothing has come since. */
  #isComplete = false
  /** Items and bytes that the transformer has enqueued. */
  items = 0
  bytes = 0
  watch: FrameWatch | undefined
  /** The items that have come since the transformer waits, from `#queueStart` on. */
  #queue: unknown[] | undefined
  #queueStart = 0
  /** See `encoders`; found when it is first asked for. */
  #encoders: object | undefined

  constructor(
    readonly segment: Owner,
    readonly planned: PlannedStage,
    readonly transformer: AnyTransformer,
  ) {}

  /** Whether the transformer waits, so that it gets no call. */
  get waits(): boolean {
    return this.#holds > 0
  }

  /** Whether the stage waits for something of its own, such as a promise. */
  get isWorking(): boolean {
    return this.#holds > 0 || this.transformer[working]?.() === true
  }

  /** About how many items wait for the stage: reports among them count too. */
  get queueLength(): number {
    return this.#queue === undefined ? 0 : this.#queue.length - this.#queueStart
  }

  /** The items that wait for the stage, and their bytes. */
  get held(): Passed {
    const items = this.#queue?.slice(this.#queueStart).filter(item => !(item instanceof QueuedReport)) ?? []
    return {
      items: items.length,
      bytes: items.reduce<number>((sum, item) => sum + sizeOf(this.planned.accepts, item), 0),
    }
  }

  receive(item: unknown): void {
    if (this.#holds > 0) {
      this.#enqueueLater(item)
      return
    }
    this.#isComplete = false
    try {
      const result: unknown = this.transformer.transform?.(item, this)
      if (result !== undefined) this.#await(result, 'transform')
    } catch (cause) {
      this.segment.fail(this, cause, 'transform')
    }
  }

  #enqueueLater(item: unknown): void {
    this.#queue ??= []
    this.#queue.push(item)
    this.segment.queuedSize += queuedSizeOf(this.planned, item)
  }

  /** Takes a report of an earlier stage, and passes it on behind the items that it came behind; false where that is now. */
  takesReport(fault: InBand): boolean {
    const { transformer } = this
    if (this.waits) this.#enqueueLater(new QueuedReport(fault))
    else if (transformer[reported] === undefined) return false
    else transformer[reported](fault, this)
    return true
  }

  complete(): void {
    if (this.state !== 'open' || this.#isComplete || this.transformer.readComplete === undefined) return
    if (!this.waits || this.transformer instanceof LoopTransformer) this.call('readComplete')
  }

  call(step: Step): void {
    try {
      const result: unknown = this.transformer[step]?.(this)
      if (result !== undefined) this.#await(result, step as string)
    } catch (cause) {
      this.segment.fail(this, cause, step as string)
    }
  }

  /** Whether `flush` can be called. */
  get isReady(): boolean {
    return this.state === 'open' && !this.flushed && !this.waits
  }

  /** The number of the unfinished frame, or 0. */
  get frame(): number {
    if (this.transformer.unfinished === undefined) return 0
    try {
      const frame: unknown = this.transformer.unfinished()
      if (typeof frame === 'number' && !Number.isNaN(frame)) return frame
      if (isThenable(frame)) dropRejection(frame)
      throw new StageError(
        this.planned.name,
        "must return a number from 'unfinished', 0 where no frame has begun.",
      )
    } catch (cause) {
      this.segment.fail(this, cause, 'unfinished')
      return 0
    }
  }

  #await(result: unknown, when: string): void {
    if (!isThenable(result)) {
      const failure = resultOf(this.planned.name, this.planned.emits, result, when)
      if (failure !== undefined) this.segment.fail(this, failure, when)
      return
    }
    this.hold()
    Promise.resolve(result).then(
      () => {
        this.#isComplete = when === 'readComplete'
        this.release()
      },
      cause => {
        // Once the link was stopped, or the connection is over, nobody waits for the promise.
        if (!this.waits) return
        this.segment.fail(this, cause, when)
        this.release()
      },
    )
  }

  hold(): void {
    if (this.#holds++ === 0) this.segment.hold()
  }

  release(): void {
    // A link that was stopped does not wait any more.
    if (this.#holds === 0) return
    if (--this.#holds > 0) this.segment.endTurnSoon()
    else this.segment.release(this)
  }

  /** Takes the items that have come meanwhile, until the transformer waits again. */
  takeQueue(): void {
    const queue = this.#queue
    if (queue === undefined) return
    while (this.#queueStart < queue.length && !this.waits && this.state === 'open') {
      const item = queue[this.#queueStart]
      if (item instanceof QueuedReport) {
        // Items that were gathered before it go on first, since one may be what ends the connection.
        this.segment.complete(this)
        if (this.waits || this.state !== 'open') break
      }
      queue[this.#queueStart++] = undefined
      this.segment.queuedSize -= queuedSizeOf(this.planned, item)
      if (item instanceof QueuedReport) this.segment.passReport(item.fault, this)
      else this.receive(item)
    }
    if (this.#queueStart < queue.length && this.state === 'open') return
    this.#queue = undefined
    this.#queueStart = 0
  }

  /** Waits for nothing any more, and goes into a state. */
  stop(state: Link['state']): void {
    this.state = state
    this.#queue = undefined
    if (this.#holds === 0) return
    this.#holds = 0
    this.segment.unhold()
  }

  enqueue(item: unknown): void {
    const { segment, planned } = this
    if (this.state !== 'open') {
      if (segment.isBusy) segment.refuseLate(this)
      return
    }
    const size = sizeOf(planned.emits, item)
    if (size === -1) {
      const bytes = asBuffer(planned.emits, item)
      if (bytes !== undefined) this.enqueue(bytes)
      else segment.fail(this, wrongKind(planned.name, planned.emits, item), 'enqueue')
      return
    }
    this.items++
    this.bytes += size
    segment.pass(this, item, size)
  }

  /**
   * Shows each item that the transformer gives; with undefined not any more. A function of this one link stands in front of its
   * `enqueue`, so that links that nobody taps do not ask.
   */
  tap(see: ((item: unknown) => void) | undefined): void {
    if (this.outputEnded) return
    if (see === undefined) {
      Reflect.deleteProperty(this, 'enqueue')
      Reflect.deleteProperty(this, 'encoders')
      return
    }
    const { enqueue } = Link.prototype
    this.enqueue = item => {
      if (this.state === 'open' && sizeOf(this.planned.emits, item) !== -1) see(item)
      enqueue.call(this, item)
    }
    // An item that was encoded for several connections at once could not be shown as it was given.
    Object.defineProperty(this, 'encoders', { value: undefined, configurable: true })
  }

  answer(item: unknown): void {
    if (this.state !== 'open') return
    const { segment, bytes } = this
    const isOuter = segment.enterTurn()
    this.enqueue(item)
    segment.turnSize += this.bytes - bytes + 1
    if (isOuter) segment.leaveTurn()
  }

  give(item: unknown): void {
    if (this.state !== 'open') return
    const { segment } = this
    segment.enterTurn()
    this.enqueue(item)
    segment.endTurn()
  }

  get isOver(): boolean {
    return this.state !== 'open'
  }

  get encoders(): object | undefined {
    this.#encoders ??= this.#findEncoders()
    return this.#encoders === NO_ENCODERS ? undefined : this.#encoders
  }

  #findEncoders(): object {
    if (this.after === undefined) return NO_ENCODERS
    for (let link: Link | undefined = this.after; link !== undefined; link = link.after) {
      if (!link.planned.stage.pure) return NO_ENCODERS
    }
    return this.planned
  }

  encode(item: unknown): Encoded | undefined {
    const size = sizeOf(this.planned.emits, item)
    return size === -1 ? undefined : this.segment.encode(this, item, size)
  }

  enqueueEncoded(encoded: Encoded): void {
    if (this.state !== 'open') return
    this.items++
    this.bytes += encoded.size
    this.segment.passEncoded(this, encoded)
  }

  terminate(): void {
    this.segment.terminate(this)
  }

  become(next: Stage<Buffer, Buffer>): void {
    if (this.state === 'open') this.segment.become(this, next)
  }

  endOutput(): void {
    if (this.state !== 'open' || this.outputEnded) return
    this.outputEnded = true
    // A property of this one link, since no other pays for the question whether its output has ended.
    this.enqueue = () => {}
    this.segment.endOutput()
  }

  get desiredSize(): number {
    if (this.state !== 'open' || this.outputEnded) return 0
    for (let link = this.after; link !== undefined; link = link.after) if (link.waits) return 0
    return this.segment.desiredSize
  }

  get ready(): Promise<void> {
    return this.state !== 'open' || this.outputEnded || this.desiredSize > 0
      ? Promise.resolve()
      : new Promise(resolve => this.segment.whenReady(this, resolve))
  }

  error(reason: unknown): void {
    this.segment.fail(this, reason, 'its own judgement')
  }

  report(reported: Reported): void {
    this.segment.report(this, reported)
  }

  reply(given: Uint8Array): void {
    if (this.state !== 'open') {
      if (this.segment.isBusy) this.segment.refuseLate(this)
      return
    }
    const bytes = asBuffer('bytes', given)
    if (bytes === undefined)
      throw new StageError(this.planned.name, 'called reply() with what is no Uint8Array.')
    if (!this.outputEnded) this.segment.reply(this, bytes)
  }

  passReport(fault: InBand): void {
    this.segment.reportBehind(this, fault)
  }
}

/** A report of an earlier stage, in the queue of a link that waits. */
class QueuedReport {
  constructor(readonly fault: InBand) {}
}

function queuedSizeOf({ accepts }: PlannedStage, item: unknown): number {
  return sizeOf(accepts, item) + ITEM_BYTES
}

export function openTransformer({ name, stage }: PlannedStage, connection: Connection): AnyTransformer {
  const transformer = stage.open?.(connection)
  if (isThenable(transformer)) {
    dropRejection(transformer)
    throw new StageError(name, 'returned a promise from open. Wait in start, which may return one.')
  }
  if (typeof transformer !== 'object' || transformer === null) {
    throw new StageError(name, "must return an object with functions such as 'transform' from open().")
  }
  if (stage.lazy && transformer.start !== undefined) {
    throw new StageError(name, "has a 'start', but is 'lazy', which opens it with its first item.")
  }
  return transformer as AnyTransformer
}
