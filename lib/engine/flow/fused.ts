import type { Connection } from '../../connection.js'
import {
  type BywashError,
  blame,
  InvalidOptionError,
  isFault,
  type Reported,
  StageError,
  UntoldFaults,
} from '../../errors.js'
import { isThenable, sizeOf } from '../../kind.js'
import type { ChunkUse } from '../../net/socket-reader.js'
import type { Outcome } from '../../outcome.js'
import {
  type Encoded,
  holdsChunk,
  type InBand,
  Reply,
  type Stage,
  settle,
  type Transformer,
  unanswered,
} from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { LookAt, Wait } from '../../status/look.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import { isOverdue } from '../drive/frame-watch.js'
import { noAnswer } from '../drive/timeout-errors.js'
import type { PlannedStage } from '../planned-stage.js'
import { BlockTransformer } from '../rewrite/block-lines.js'
import { LoopTransformer } from '../rewrite/line-loop.js'
import { RewrittenTransformer } from '../rewrite/rewritten.js'
import type { TextOutput } from '../rewrite/text-output.js'
import { chunkUse } from './chunk-use.js'
import type { Flow, Sink, Slowest } from './flow.js'
import { Link, type Owner, openTransformer, type Receiver } from './link.js'
import { Probe, type Probed } from './probe.js'
import { PIECE_BYTES } from './stream-marks.js'

/** The part of a sink that a fused segment calls. */
type FusedSink = Omit<Sink, 'inputClosed'>

/**
 * Whether connections of a list take their chunks in pieces, by the list: because a stage says that it waits, or has returned
 * a promise once. All others take a chunk as a whole, which is faster.
 */
const listsInPieces = new WeakMap<readonly PlannedStage[], boolean>()

/** Whether one of the stages makes items of bytes, and so many of a long chunk. */
function hasDecoder(stages: readonly PlannedStage[]): boolean {
  return stages.some(
    ({ accepts, emits, rewrites }) => accepts === 'bytes' && (emits !== 'bytes' || rewrites !== undefined),
  )
}

function isInPieces(stages: readonly PlannedStage[]): boolean {
  let known = listsInPieces.get(stages)
  if (known === undefined) {
    known = stages.some(({ stage }) => stage.waits !== undefined || stage.upgrades)
    listsInPieces.set(stages, known)
  }
  return known
}

/** The owner of a segment whose list may become another one. */
export interface UpgradeHost {
  /** Notes the next list, and keeps from now on what comes; throws for a list that does not fit. */
  readonly beginChange: (next: Stage<Buffer, Buffer>) => void
  /** Goes on with the next list: the segment has given all its output. `rest` is what it has not taken. */
  readonly change: (rest: unknown, outputEnded: boolean) => void
}

/** The error of `startTls()` on a list of which no stage says that it changes the connection. */
export function needsUpgrades(): InvalidOptionError {
  return new InvalidOptionError(
    "connection.startTls(): give the stage that calls it 'upgrades: true', so that nothing behind its frame is taken.",
  )
}

/**
 * The segments to which encoded items were passed in this tick. One callback ends the turns of all: nothing that their stages do
 * then is work of a connection.
 */
let pushedSegments: FusedSegment[] = []

/**
 * Runs neighbouring stages as direct calls. A *turn* is everything that one call from outside causes (an item, the end), or
 * that happens in one tick of the event loop (settled promises, timers of stages that enqueue); the sink is told when it ends.
 */
export class FusedSegment implements Flow, Owner, Probed {
  readonly #stages: readonly PlannedStage[]
  readonly #sink: FusedSink
  readonly #ownsItems: boolean
  /** The output that lends its memory to the sink, where the last stage has one; it is told whether the memory is free again. */
  #lender: TextOutput | undefined
  /** Set where the first stage passes chunks on. */
  #passer: Transformer<unknown, unknown> | undefined
  /** The first stage. */
  #head: Link | undefined
  /** The first stage that has a `transform`, or what times it. */
  first: Receiver | undefined
  /** Set while somebody looks at the connection. */
  #probe: Probe | undefined
  /** Whether a stage has a `readComplete`. */
  #completes = false
  /** Whether a turn is under way. */
  #busy = false
  /** Whether the end of a turn is scheduled. */
  #turnDue = false
  /** Whether that turn has only brought encoded items so far. */
  #isPush = false
  /**
   * In `ending` and `terminating` the stages that are still open are flushed at the end of the turn; in `failing` they are not,
   * but finish what they have begun; `becoming` is as `terminating`, but the host goes on with another list; `done` takes no item.
   */
  #state: 'open' | 'ending' | 'terminating' | 'becoming' | 'failing' | 'done' = 'open'
  #failure: BywashError | undefined
  /** Whether chunks are taken in pieces, since a stage may wait. */
  #inPieces: boolean
  /** Bytes of the longest piece; known once a chunk was cut. */
  #pieceBytes = 0
  /** The number of links that wait. */
  #waits = 0
  /** The rest of a chunk that has come while a link waits or the sink is full. */
  rest: unknown
  sinkIsFull = false
  /** Whether the output does not come of the input, so that a full sink holds no input back. */
  readonly isDetached: boolean
  get confirmsEnd(): boolean {
    return this.isDetached
  }
  /** Gets what the last stage gives, in place of the sink, while an item is encoded for several connections. */
  #captured: unknown[] | undefined
  /** Size of what was enqueued later than in a call of its stage, since the last turn has ended. */
  turnSize = 0
  /** Whether some of that answers nothing that was read. */
  #hasPushed = false
  /** Size of the items that wait in links. */
  queuedSize = 0
  /** Whether a link has ended the output, and the sink was not told yet. */
  #endsOutput = false
  /** Whether it was told. */
  #outputEnded = false
  /** The links that wait for a positive `desiredSize`, with what to call then. */
  #readyCallbacks: (readonly [Link, () => void])[] | undefined
  /** The faults of this turn that are only counted, by the link that has reported them. */
  #untold: Map<Link, UntoldFaults> | undefined
  /** The source was told to hold back. */
  #isFull = false
  /** Set where a stage of the list may change the connection. */
  readonly #host: UpgradeHost | undefined
  /** The last stage that may. */
  #upgrader: Link | undefined
  /** The stage that has changed to another list, and what was not taken of a chunk then. */
  #becoming: Link | undefined
  #residue: unknown
  /** Input is dropped, while the connection goes over to TLS. */
  #isHeld = false
  /** Called once everything from before that has left the last stage. */
  #whenQuiet: (() => void) | undefined
  /** Items and bytes that have come in. */
  #items = 0
  bytes = 0

  /** @param host - Set where a stage may change the connection: chunks are then taken in pieces in which at most one frame ends. */
  constructor(
    stages: readonly PlannedStage[],
    sink: FusedSink,
    ownsItems = false,
    host: UpgradeHost | undefined = undefined,
  ) {
    this.#host = host
    this.#stages = stages
    this.#sink = sink
    this.#ownsItems = ownsItems
    this.#inPieces = isInPieces(stages)
    this.isDetached = this.#inPieces && stages.some(({ stage }) => stage.detached)
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
        link.next = this.first
        this.#head = link
        if (planned.stage.upgrades) this.#upgrader ??= link
        if (link.transformer.transform !== undefined) this.first = link
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
    let link = this.#head
    while (link !== undefined && link.transformer.transform === undefined) link = link.after
    const { transformer, next } = link ?? {}
    if (transformer instanceof BlockTransformer) transformer.inPlace = true
    if (transformer instanceof LoopTransformer && next === undefined) this.#lender = transformer.lend()
    if (link?.planned.stage.passesOn) this.#passer = transformer
  }

  /** Starts the stages, last to first. */
  start(): void {
    this.#busy = true
    this.#startFrom(this.#head)
    this.endTurn()
  }

  #startFrom(link: Link | undefined): void {
    if (link === undefined) return
    this.#startFrom(link.after)
    if (link.state === 'open' && link.transformer.start !== undefined) link.call('start')
  }

  get chunkUse(): ChunkUse {
    // Where a stage waits, it keeps what comes.
    if (this.#inPieces && (this.#passer === undefined || this.#waits > 0 || this.rest !== undefined))
      return 'any'
    return chunkUse(this.#stages)
  }

  get isChunkFree(): boolean {
    const passer = this.#passer
    return passer === undefined ? this.isFlushed : this.rest === undefined && !passer[holdsChunk]?.()
  }

  get outputUse(): ChunkUse {
    return this.#ownsItems ? 'sink' : 'any'
  }

  get isFlushed(): boolean {
    return this.#sink.isFlushed
  }

  write(item: unknown): boolean {
    if (this.#isHeld) return false
    if (this.#state !== 'open') return true
    this.#items++
    this.bytes += sizeOf(this.#stages[0]?.accepts ?? 'bytes', item)
    if (this.#inPieces) {
      this.rest = item
      if (this.#waits === 0) this.endTurn()
    } else {
      this.#busy = true
      this.#hand(this.first, item)
      this.endTurn()
    }
    this.#isFull = this.#waits > 0 || this.rest !== undefined
    return !this.#isFull
  }

  end(): void {
    this.#end('ending')
  }

  /** Ends the input behind a failure: no stage is flushed, but what was begun still comes. */
  endFailed(): void {
    this.#end('failing')
  }

  #end(state: 'ending' | 'failing'): void {
    if (this.#state !== 'open') return
    this.#state = state
    this.endTurn()
  }

  resume(): void {
    this.sinkIsFull = false
    if (this.rest !== undefined) this.endTurn()
    else this.#probe?.turnEnded()
    this.tellReady()
  }

  /** Takes the rest of a chunk, in pieces, for as long as no link waits and the sink takes the output. */
  #takeRest(): void {
    while (this.rest !== undefined && this.#waits === 0 && (!this.sinkIsFull || this.isDetached)) {
      const rest = this.rest
      const length = this.#stages[0]?.accepts === 'bytes' ? this.#pieceOf(rest as Buffer) : Infinity
      if ((rest as Buffer).length > length) {
        this.rest = (rest as Buffer).subarray(length)
        this.#hand(this.first, (rest as Buffer).subarray(0, length))
      } else {
        this.rest = undefined
        this.#hand(this.first, rest)
      }
      // A frame that was gathered must not wait until more was taken.
      if (this.#host !== undefined) this.complete(this.#head, this.#upgrader)
    }
  }

  /** Bytes of the next piece of a chunk. */
  #pieceOf(rest: Buffer): number {
    if (this.#host === undefined) return this.#longestPiece
    const frameEnd = this.#stages[0]?.stage.frameEnd
    if (frameEnd === undefined) return 1
    const end = rest.indexOf(frameEnd)
    return end === -1 ? rest.length : end + 1
  }

  /** Bytes of the longest piece. Bytes that stay bytes are not cut: however many wait, they are one item. */
  get #longestPiece(): number {
    if (this.#pieceBytes === 0) this.#pieceBytes = hasDecoder(this.#stages) ? PIECE_BYTES : Infinity
    return this.#pieceBytes
  }

  holdInput(whenQuiet: () => void): string {
    if (this.#upgrader === undefined || this.#state === 'done') throw needsUpgrades()
    this.#waits++
    this.#isHeld = true
    this.#isFull = true
    for (const dropped of [this.rest, this.#residue])
      this.bytes -= (dropped as Buffer | undefined)?.length ?? 0
    this.rest = undefined
    this.#residue = undefined
    this.#whenQuiet = whenQuiet
    if (!this.#busy) this.endTurnSoon()
    return this.#upgrader.planned.name
  }

  releaseInput(): void {
    this.#waits--
    this.#isHeld = false
    this.endTurn()
  }

  #callWhenQuiet(): void {
    for (let link = this.#upgrader?.after; link !== undefined; link = link.after) if (link.waits) return
    const whenQuiet = this.#whenQuiet
    this.#whenQuiet = undefined
    whenQuiet?.()
  }

  overdue(limit: number): PlannedStage | undefined {
    for (let link = this.#head; link !== undefined; link = link.after) {
      if (isOverdue(link, link.frame, limit)) return link.planned.rewrites?.[0] ?? link.planned
    }
    return undefined
  }

  unfinished(): boolean {
    for (let link = this.#head; link !== undefined; link = link.after) if (link.frame !== 0) return true
    return this.#isHeld
  }

  unanswered(time: number): BywashError | undefined {
    let pending: Link | undefined
    // The last one is the cause: those before it wait for it.
    for (let link = this.#head; link !== undefined; link = link.after) if (link.waits) pending = link
    if (pending === undefined) return undefined
    const { transformer, planned } = pending
    const name = transformer instanceof LoopTransformer ? transformer.pending : planned.name
    return transformer[unanswered]?.(time) ?? noAnswer(name, time)
  }

  abort(): void {
    this.#state = 'done'
    this.rest = undefined
    for (let link = this.#head; link !== undefined; link = link.after) link.stop('stopped')
    this.tellReady()
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

  /** Items and bytes that have left the last stage. */
  get given(): Passed {
    return (this.counts().at(-1) as StageCounts).out
  }

  get head(): Link | undefined {
    return this.#head
  }

  observe(at: LookAt | undefined, { clock }: Connection, offset = 0): void {
    this.#probe?.end()
    this.#probe = at && new Probe(this, clock, at, offset)
  }

  /** @param isLast - Whether what the last stage gives leaves the flow. */
  tap(see: SeeItem | undefined, offset = 0, isLast = true): void {
    let index = offset
    for (let link = this.#head; link !== undefined; link = link.after) {
      const at = index++
      if (link.after !== undefined || !isLast) link.tap(see && (item => see('stage', item, at)))
    }
  }

  charge(): void {
    this.#probe?.charge()
  }

  get wait(): Wait | undefined {
    return this.#probe?.wait
  }

  get slowest(): Slowest | undefined {
    return this.#probe?.slowest
  }

  get heldSize(): number {
    return this.queuedSize + ((this.rest as Buffer | undefined)?.length ?? 0)
  }

  /** The queue in front of each stage; the rest of a chunk waits for the first. */
  get held(): readonly Passed[] {
    const held: Passed[] = []
    for (let link = this.#head; link !== undefined; link = link.after) held.push(link.held)
    const [first, ...others] = held
    if (first === undefined || this.rest === undefined) return held
    const size = sizeOf((this.#head as Link).planned.accepts, this.rest)
    return [{ items: first.items + 1, bytes: first.bytes + size }, ...others]
  }

  close(outcome: Outcome): BywashError | undefined {
    this.#probe?.end()
    this.#probe = undefined
    this.#state = 'done'
    this.rest = undefined
    let failure: BywashError | undefined
    // What `close` enqueues is an error of its stage.
    this.#busy = true
    for (let link = this.#head; link !== undefined; link = link.after) {
      link.stop(link.state === 'open' ? 'ended' : link.state)
      try {
        const result: unknown = link.transformer.close?.(outcome)
        if (isThenable(result)) this.#ownClosing(link, result)
      } catch (cause) {
        failure ??= blame(link.planned.name, 'close', cause)
      }
    }
    this.#busy = false
    this.tellReady()
    return failure
  }

  /** Reports the rejection of a promise that a `close` has returned; the connection is over by then. */
  #ownClosing({ planned }: Link, closing: PromiseLike<unknown>): void {
    closing.then(undefined, cause => this.#tellLate(blame(planned.name, 'close', cause)))
  }

  #tellLate(error: BywashError): void {
    if (this.#becoming === undefined) this.#sink.fail(error)
    else this.#sink.report(error)
  }

  #hand(link: Receiver | undefined, item: unknown): void {
    if (link !== undefined) link.receive(item)
    else if (this.#captured === undefined) this.#sink.write(item)
    else this.#captured.push(item)
  }

  /** Hands an item from a link to the next. Outside a turn, as from a timer of the stage, the turn ends with this tick. */
  pass(from: Link, item: unknown, size: number): void {
    if (this.#busy) {
      this.#hand(from.next, item)
    } else if (this.#state !== 'done') {
      this.enterTurn()
      this.#hand(from.next, item)
      this.leaveTurn()
      this.#countPush(size)
    }
  }

  #countPush(size: number): void {
    this.turnSize += size + 1
    this.#hasPushed = true
    // A fast client takes at once what was only gathered until the end of the turn.
    if (!this.#sink.hasRoom(this.queuedSize + this.turnSize)) this.endTurn()
  }

  encode(from: Link, item: unknown, size: number): Encoded | undefined {
    const isOuter = this.enterTurn()
    // What they have gathered before is no part of it.
    this.complete(from.after)
    const before = this.#countsFrom(from.after)
    const output: unknown[] = []
    this.#captured = output
    this.#hand(from.next, item)
    this.complete(from.after)
    this.#captured = undefined
    const counts: Passed[] = []
    let index = 0
    for (let link = from.after; link !== undefined; link = link.after) {
      const { items, bytes } = before[index++] as Passed
      counts.push({ items: link.items - items, bytes: link.bytes - bytes })
      link.items = items
      link.bytes = bytes
    }
    if (isOuter) this.leaveTurn()
    if (this.#state !== 'open' && this.#failure !== undefined) return undefined
    return { size, output, bytes: (counts.at(-1) as Passed).bytes, counts }
  }

  #countsFrom(first: Link | undefined): readonly Passed[] {
    const counts: Passed[] = []
    for (let link = first; link !== undefined; link = link.after)
      counts.push({ items: link.items, bytes: link.bytes })
    return counts
  }

  passEncoded(from: Link, { output, bytes, counts }: Encoded): void {
    // What the stages have gathered in this turn goes first.
    if (this.#turnDue || this.#busy) this.complete(from.after)
    let index = 0
    for (let link = from.after; link !== undefined; link = link.after) {
      const passed = counts[index++] as Passed
      link.items += passed.items
      link.bytes += passed.bytes
    }
    for (const item of output) this.#sink.write(item)
    if (this.#busy) return
    if (this.#turnDue) {
      this.#countPush(bytes)
      return
    }
    this.#turnDue = true
    this.#isPush = true
    if (pushedSegments.push(this) === 1) process.nextTick(FusedSegment.#endPushedTurns)
    // There is room for the first item, or its sender would have waited.
    this.turnSize += bytes + 1
    this.#hasPushed = true
  }

  static #endPushedTurns(): void {
    const segments = pushedSegments
    pushedSegments = []
    for (const segment of segments) {
      const isPush = segment.#isPush && segment.#turnDue && segment.#state === 'open'
      if (isPush && segment.#probe === undefined) segment.#endPush()
      else FusedSegment.#endDueTurn(segment)
    }
  }

  /** Ends a turn that has only brought encoded items: no stage has gathered anything, or comes to its end. */
  #endPush(): void {
    this.#turnDue = false
    this.#isPush = false
    this.#hasPushed = false
    this.turnSize = 0
    this.sinkIsFull = !this.#sink.endTurn()
    if (!this.#sink.hasRoom(this.queuedSize)) this.#sink.overflow()
    if (this.#readyCallbacks !== undefined) this.tellReady()
  }

  get desiredSize(): number {
    return this.#sink.desiredSize - this.turnSize
  }

  whenReady(link: Link, callback: () => void): void {
    this.#readyCallbacks ??= []
    this.#readyCallbacks.push([link, callback])
  }

  /** Tells the links whose `desiredSize` is positive, or that have ended. */
  tellReady(): void {
    const callbacks = this.#readyCallbacks
    if (callbacks === undefined) return
    const isReady = ([link]: readonly [Link, () => void]) =>
      this.#state === 'done' || link.state !== 'open' || link.outputEnded || link.desiredSize > 0
    const later = callbacks.filter(each => !isReady(each))
    this.#readyCallbacks = later.length > 0 ? later : undefined
    for (const each of callbacks) if (!later.includes(each)) each[1]()
  }

  get isBusy(): boolean {
    return this.#busy
  }

  hold(): void {
    this.#waits++
    if (this.#inPieces) return
    this.#inPieces = true
    listsInPieces.set(this.#stages, true)
  }

  unhold(): void {
    this.#waits--
  }

  /** A link goes on. What it does belongs to a turn that ends with this tick. */
  release(link: Link): void {
    this.#waits--
    const isOuter = this.enterTurn()
    link.takeQueue()
    this.#takeRest()
    if (isOuter) this.leaveTurn()
  }

  /** Begins a turn that ends with this tick; false where one is under way. */
  enterTurn(): boolean {
    const isOuter = !this.#busy
    this.#busy = true
    this.#isPush = false
    return isOuter
  }

  leaveTurn(): void {
    this.#busy = false
    this.endTurnSoon()
  }

  /** Ends the turn once everything of this tick has happened. */
  endTurnSoon(): void {
    this.#isPush = false
    if (this.#turnDue) return
    this.#turnDue = true
    process.nextTick(FusedSegment.#endDueTurn, this)
  }

  static #endDueTurn(segment: FusedSegment): void {
    if (segment.#turnDue) segment.endTurn()
  }

  /**
   * Reports an error of a stage. A fault of the peer is not heard of when the connection ends in front of it, however the
   * input was cut: what later stages have gathered goes on first, since it may be what ends the connection.
   */
  report(link: Link, reported: Reported): void {
    this.#sink.countFault?.(link.planned.name)
    if (!isFault(reported)) this.#sink.report(reported)
    else if (this.#sink.claimReport()) this.reportBehind(link, reported)
    else this.#countUntold(link)
  }

  reportBehind(link: Link, fault: InBand): void {
    this.complete(link.after)
    if (link.state !== 'stopped') this.passReport(fault, link.after)
  }

  /** Counts a fault until the end of the turn. Then the number goes on behind the output, unless a later stage has ended the link. */
  #countUntold(link: Link): void {
    this.#untold ??= new Map()
    const faults = this.#untold.get(link)
    if (faults === undefined) this.#untold.set(link, new UntoldFaults(1))
    else faults.count++
    if (!this.#busy) this.endTurnSoon()
  }

  #passUntold(): void {
    const untold = this.#untold
    if (untold === undefined) return
    this.#untold = undefined
    for (const [link, faults] of untold) if (link.state !== 'stopped') this.passReport(faults, link.after)
  }

  /** Passes the number on that a link has counted before it ends the connection itself. */
  #passOwnUntold(link: Link): void {
    const faults = this.#untold?.get(link)
    if (faults === undefined) return
    this.#untold?.delete(link)
    this.reportBehind(link, faults)
  }

  /** Sends bytes past the stages behind a link. Outside a turn, as from a timer, the turn ends with this tick. */
  reply(link: Link, bytes: Buffer): void {
    const isOuter = this.enterTurn()
    this.reportBehind(link, new Reply(link.planned.name, bytes))
    if (!isOuter) return
    this.leaveTurn()
    this.#countPush(bytes.length)
  }

  /** Takes the report of a stage in front of the segment. */
  takeReport(fault: InBand): void {
    this.passReport(fault, this.#head)
  }

  /** Passes a report through a link and those behind it, behind the items in front of it. */
  passReport(fault: InBand, first: Link | undefined): void {
    for (let link = first; link !== undefined; link = link.after) {
      if (link.takesReport(fault)) return
    }
    if (fault instanceof Reply) this.#sink.reply(fault)
    else this.#sink.report(fault)
  }

  /** Called with a link that is not open any more, and has enqueued in a turn. */
  refuseLate(link: Link): void {
    if (link.state === 'ended') {
      this.fail(link, new StageError(link.planned.name, 'enqueued after its end.'), 'enqueue')
    } else if (this.#state === 'becoming') {
      this.#failBecoming(
        `before it had the last frame of the bytes that were taken: '${link.planned.name}' gave another one behind it.`,
      )
    }
  }

  #failBecoming(what: string): void {
    const { planned } = this.#becoming as Link
    this.#failure = new StageError(planned.name, `called become() ${what}`)
    this.#state = 'failing'
  }

  terminate(link: Link): void {
    this.#passOwnUntold(link)
    if (link.state !== 'open' || this.#state === 'done') return
    this.#stopThrough(link)
    link.stop('ended')
    this.#state = 'terminating'
    this.#failure = undefined
    if (!this.#busy) this.endTurn()
  }

  become(link: Link, next: Stage<Buffer, Buffer>): void {
    const { name, stage } = link.planned
    if (this.#host === undefined || !stage.upgrades) {
      throw new StageError(
        name,
        "called become(), but does not say 'upgrades: true'. Add it to the options of the stage, so that nothing behind the frame is taken.",
      )
    }
    if (!this.#isSound) return
    this.#host.beginChange(next)
    this.#residue = this.rest
    this.#becoming = link
    this.#stopThrough(link)
    link.stop('ended')
    this.#state = 'becoming'
    if (!this.#busy) this.endTurn()
  }

  endOutput(): void {
    this.#endsOutput = true
    if (!this.#busy) this.endTurn()
  }

  fail(link: Link, cause: unknown, when: string): void {
    const error = blame(link.planned.name, when, cause)
    this.#passOwnUntold(link)
    if (this.#state === 'done') {
      // Reported once only: a timer that was left running would fail again and again.
      // The connection goes on where the list has become another one.
      if (link.state !== 'stopped') this.#tellLate(error)
      link.stop('stopped')
    } else if (link.state !== 'stopped') {
      // The stages behind it still get the items from before the failure. If one of them fails or terminates on those, that
      // comes first in the order of the bytes, and replaces this failure.
      this.#failure = error
      this.#state = 'failing'
      this.#stopThrough(link)
      if (!this.#busy) this.endTurn()
    }
  }

  #stopThrough(last: Link): void {
    this.rest = undefined
    let link = this.#head
    while (link !== undefined && link !== last.after) {
      if (link.state === 'open') link.stop('stopped')
      link = link.after
    }
  }

  /**
   * Ends a turn: gathered items go on, the stages are flushed if this is the end, and then the sink is told.
   *
   * @param isRead - Whether a stage has read what it gives from elsewhere.
   */
  endTurn(isRead = false): void {
    this.#turnDue = false
    if (this.#state === 'done') return
    this.#busy = true
    this.#takeRest()
    this.complete(this.#head)
    const outputEnded = this.#endsOutput && !this.#isHeld && this.#flushOutput()
    let flushed = false
    while (this.#state !== 'open' && !flushed && this.rest === undefined && this.#waits === 0) {
      flushed = this.#flush(this.#head)
      this.complete(this.#head)
    }
    this.#passUntold()
    this.#busy = false
    this.sinkIsFull = !this.#sink.endTurn(isRead && this.#ownsItems)
    if (outputEnded && !flushed) this.#endSink()
    this.#probe?.turnEnded()
    const hasPushed = this.#hasPushed
    this.#hasPushed = false
    this.turnSize = 0
    this.#lender?.reclaim(this.#sink.isFlushed)
    if (flushed) {
      this.#finish()
    } else if (hasPushed && !this.#sink.hasRoom(this.queuedSize)) {
      this.#sink.overflow()
    } else if (this.#isFull && this.#waits === 0 && this.rest === undefined) {
      this.#isFull = false
      this.#sink.drained()
    }
    if (this.#readyCallbacks !== undefined) this.tellReady()
    if (this.#whenQuiet !== undefined) this.#callWhenQuiet()
  }

  #finish(): void {
    if (this.#state === 'becoming') this.#checkBorder()
    if (this.#state === 'becoming') {
      this.#state = 'done'
      const rest = this.#residue
      this.#residue = undefined
      if (rest !== undefined) this.bytes -= (rest as Buffer).length
      if (this.#endsOutput) this.#sink.outputEnded()
      this.#host?.change(rest, this.#endsOutput || this.#outputEnded)
      return
    }
    const terminated = this.#state === 'terminating'
    const failure = this.#failure
    if (failure === undefined) {
      this.#state = 'done'
      this.#sink.finish(terminated)
    } else {
      this.abort()
      this.#sink.fail(failure)
    }
  }

  /** Refuses to become another list inside of a frame, the beginning of which would be lost. */
  #checkBorder(): void {
    for (let link = this.#head; link !== this.#becoming; link = link?.after) {
      if (link?.frame !== 0) {
        this.#failBecoming(
          `inside a frame, of which '${link?.planned.name}' has the beginning. Call it in 'transform', or return a promise from there until it is called.`,
        )
        return
      }
    }
  }

  complete(first: Link | undefined, end: Link | undefined = undefined): void {
    if (!this.#completes || (end === undefined && this.#probe?.complete(first))) return
    for (let link = first; link !== end; link = (link as Link).after) (link as Link).complete()
  }

  /** Whether the connection goes on, or ends in good order. */
  get #isSound(): boolean {
    return this.#state === 'open' || this.#state === 'ending'
  }

  /** Flushes the stages behind the first one that has ended the output; false when one waits, fails or terminates. */
  #flushOutput(): boolean {
    if (!this.#isSound) return false
    let link = this.#head as Link
    while (!link.outputEnded) link = link.after as Link
    const flushed = this.#flush(link.after)
    this.complete(link.after)
    return flushed && this.#isSound
  }

  /** Tells the sink that the output has ended, so that nothing waits for it any more. */
  #endSink(): void {
    this.#endsOutput = false
    this.#outputEnded = true
    this.sinkIsFull = false
    this.#sink.outputEnded()
    // The rest of a chunk may have waited for the sink.
    this.endTurnSoon()
  }

  /** Flushes the stages that are open, or lets them settle behind a failure; false when one waits. */
  #flush(first: Link | undefined): boolean {
    for (let link = first; link !== undefined; link = link.after) {
      if (link.isReady) link.complete()
      if (link.isReady) {
        link.flushed = true
        link.call(this.#state === 'failing' ? settle : 'flush')
      }
      if (link.waits) return false
      if (link.state === 'open') link.state = 'ended'
    }
    return true
  }
}
