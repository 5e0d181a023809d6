import type { Connection } from '../../connection.js'
import { type BywashError, blame, type Reported, StageError } from '../../errors.js'
import { sizeOf } from '../../kind.js'
import type { ChunkUse } from '../../net/socket-reader.js'
import type { Outcome } from '../../outcome.js'
import { type Encoded, holdsChunk, type InBand, Reply, type Stage, settle } from '../../stage.js'
import type { Passed } from '../../stage-counts.js'
import type { LookAt, Wait } from '../../status/look.js'
import type { PlannedStage } from '../planned-stage.js'
import { chunkUse } from './chunk-use.js'
import type { Flow, Sink, Slowest } from './flow.js'
import { Link, type Owner, openTransformer, type Receiver } from './link.js'
import { LinkRow } from './link-row.js'
import { Pieces } from './pieces.js'
import { Probe, type Probed } from './probe.js'
import { Reports } from './reports.js'
import { needsUpgrades, Upgrade, type UpgradeHost } from './upgrade.js'

/** The part of a sink that a fused segment calls. */
type FusedSink = Omit<Sink, 'inputClosed'>

/**
 * The segments to which encoded items were passed in this tick. One callback ends the turns of all: nothing that their stages do
 * then is work of a connection.
 */
let pushedSegments: FusedSegment[] = []

/**
 * Runs neighbouring stages as direct calls. A *turn* is everything that one call from outside causes (an item, the end), or
 * that happens in one tick of the event loop (settled promises, timers of stages that enqueue); the sink is told when it ends.
 */
export class FusedSegment extends LinkRow implements Flow, Owner, Probed {
  readonly #stages: readonly PlannedStage[]
  readonly #pieces: Pieces
  readonly #sink: FusedSink
  readonly #ownsItems: boolean
  /** Set while somebody looks at the connection. */
  #probe: Probe | undefined
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
  /** The number of links that wait. */
  #waits = 0
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
  /** Whether a link has ended the output, and the sink was not told yet. */
  #endsOutput = false
  /** Whether it was told. */
  #outputEnded = false
  /** The links that wait for a positive `desiredSize`, with what to call then. */
  #readyCallbacks: (readonly [Link, () => void])[] | undefined
  /** Made with the first report. */
  #reports: Reports | undefined
  /** The source was told to hold back. */
  #isFull = false
  /** Set where a stage may change the connection. */
  readonly #upgrade: Upgrade | undefined
  /** @param host - Set where a stage may change the connection: chunks are then taken in pieces in which at most one frame ends. */
  constructor(
    stages: readonly PlannedStage[],
    sink: FusedSink,
    ownsItems = false,
    host: UpgradeHost | undefined = undefined,
  ) {
    super()
    if (host !== undefined) this.#upgrade = new Upgrade(host)
    this.#stages = stages
    this.#pieces = Pieces.of(stages)
    this.#sink = sink
    this.#ownsItems = ownsItems
    this.#inPieces = this.#pieces.areNeeded
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
    else if (greeting !== undefined) this.countGreeting(greeting)
  }

  /** Opens a transformer for each stage, last to first; returns the error of the first that fails. */
  openStages(connection: Connection): BywashError | undefined {
    for (let index = this.#stages.length - 1; index >= 0; index--) {
      const planned = this.#stages[index] as PlannedStage
      try {
        const link = new Link(this, planned, openTransformer(planned, connection))
        if (this.#upgrade !== undefined && planned.stage.upgrades) this.#upgrade.upgrader ??= link
        this.add(link)
      } catch (cause) {
        this.abort()
        return blame(planned.name, 'open', cause)
      }
    }
    if (this.#ownsItems) this.useOwnership()
    return undefined
  }

  /** Starts the stages, last to first. */
  start(): void {
    this.#busy = true
    this.startFrom(this.head)
    this.endTurn()
  }

  get chunkUse(): ChunkUse {
    // A stage that waits keeps what comes.
    if (this.#inPieces && (this.passer === undefined || this.#waits > 0 || this.rest !== undefined))
      return 'any'
    return chunkUse(this.#stages)
  }

  get isChunkFree(): boolean {
    const passer = this.passer
    return passer === undefined ? this.isFlushed : this.rest === undefined && !passer[holdsChunk]?.()
  }

  get outputUse(): ChunkUse {
    return this.#ownsItems ? 'sink' : 'any'
  }

  get isFlushed(): boolean {
    return this.#sink.isFlushed
  }

  write(item: unknown): boolean {
    if (this.#upgrade?.isHeld) return false
    if (this.#state !== 'open') return true
    this.items++
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
      const length = this.#pieces.firstOf(rest)
      if ((rest as Buffer).length > length) {
        this.rest = (rest as Buffer).subarray(length)
        this.#hand(this.first, (rest as Buffer).subarray(0, length))
      } else {
        this.rest = undefined
        this.#hand(this.first, rest)
      }
      // A frame that was gathered must not wait until more was taken.
      if (this.#upgrade !== undefined) this.complete(this.head, this.#upgrade.upgrader)
    }
  }

  holdInput(whenQuiet: () => void): string {
    const upgrade = this.#upgrade
    if (upgrade === undefined || this.#state === 'done') throw needsUpgrades()
    upgrade.hold(whenQuiet)
    this.#waits++
    this.#isFull = true
    this.#drop(this.rest as Buffer | undefined)
    this.#drop(upgrade.takeResidue())
    this.rest = undefined
    if (!this.#busy) this.endTurnSoon()
    return upgrade.name
  }

  /** Counts bytes no more that were not taken. */
  #drop(bytes: Buffer | undefined): void {
    this.bytes -= bytes?.length ?? 0
  }

  releaseInput(): void {
    this.#waits--
    if (this.#upgrade !== undefined) this.#upgrade.isHeld = false
    this.endTurn()
  }

  override unfinished(): boolean {
    return super.unfinished() || this.#upgrade?.isHeld === true
  }

  abort(): void {
    this.#state = 'done'
    this.stopAll()
    this.tellReady()
  }

  observe(at: LookAt | undefined, { clock }: Connection, offset = 0): void {
    this.#probe?.end()
    this.#probe = at && new Probe(this, clock, at, offset)
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

  close(outcome: Outcome): BywashError | undefined {
    this.#probe?.end()
    this.#probe = undefined
    this.#state = 'done'
    // What `close` enqueues is an error of its stage.
    this.#busy = true
    const failure = this.closeAll(outcome, error => this.#tellLate(error))
    this.#busy = false
    this.tellReady()
    return failure
  }

  #tellLate(error: BywashError): void {
    if (this.#upgrade?.isBecoming) this.#sink.report(error)
    else this.#sink.fail(error)
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
    this.#pieces.areNeeded = true
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

  report(link: Link, reported: Reported): void {
    this.#reporting.report(link, reported)
  }

  reportBehind(link: Link, fault: InBand): void {
    this.#reporting.passBehind(link, fault)
  }

  passReport(fault: InBand, first: Link | undefined): void {
    this.#reporting.pass(fault, first)
  }

  /** Takes the report of a stage in front of the segment. */
  takeReport(fault: InBand): void {
    this.#reporting.pass(fault, this.head)
  }

  get #reporting(): Reports {
    this.#reports ??= new Reports(this, this.#sink)
    return this.#reports
  }

  /** Sends bytes past the stages behind a link. Outside a turn, as from a timer, the turn ends with this tick. */
  reply(link: Link, bytes: Buffer): void {
    const isOuter = this.enterTurn()
    this.reportBehind(link, new Reply(link.planned.name, bytes))
    if (!isOuter) return
    this.leaveTurn()
    this.#countPush(bytes.length)
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
    this.#failure = this.#upgrade?.refusal(what)
    this.#state = 'failing'
  }

  terminate(link: Link): void {
    this.#reports?.passUntoldOf(link)
    if (link.state !== 'open' || this.#state === 'done') return
    this.stopThrough(link)
    link.stop('ended')
    this.#state = 'terminating'
    this.#failure = undefined
    if (!this.#busy) this.endTurn()
  }

  become(link: Link, next: Stage<Buffer, Buffer>): void {
    const { name, stage } = link.planned
    if (this.#upgrade === undefined || !stage.upgrades) {
      throw new StageError(
        name,
        "called become(), but does not say 'upgrades: true'. Add it to the options of the stage, so that nothing behind the frame is taken.",
      )
    }
    if (!this.#isSound) return
    this.#upgrade.begin(link, next, this.rest)
    this.stopThrough(link)
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
    this.#reports?.passUntoldOf(link)
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
      this.stopThrough(link)
      if (!this.#busy) this.endTurn()
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
    this.complete(this.head)
    const outputEnded = this.#endsOutput && !this.#upgrade?.isHeld && this.#flushOutput()
    let flushed = false
    while (this.#state !== 'open' && !flushed && this.rest === undefined && this.#waits === 0) {
      flushed = this.#flush(this.head)
      this.complete(this.head)
    }
    this.#reports?.passUntold()
    this.#busy = false
    this.sinkIsFull = !this.#sink.endTurn(isRead && this.#ownsItems)
    if (outputEnded && !flushed) this.#endSink()
    this.#probe?.turnEnded()
    const hasPushed = this.#hasPushed
    this.#hasPushed = false
    this.turnSize = 0
    this.lender?.reclaim(this.#sink.isFlushed)
    if (flushed) {
      this.#finish()
    } else if (hasPushed && !this.#sink.hasRoom(this.queuedSize)) {
      this.#sink.overflow()
    } else if (this.#isFull && this.#waits === 0 && this.rest === undefined) {
      this.#isFull = false
      this.#sink.drained()
    }
    if (this.#readyCallbacks !== undefined) this.tellReady()
    this.#upgrade?.callWhenQuiet()
  }

  #finish(): void {
    if (this.#state === 'becoming') this.#checkBorder()
    if (this.#state === 'becoming') {
      this.#becomeNext(this.#upgrade as Upgrade)
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

  #becomeNext(upgrade: Upgrade): void {
    this.#state = 'done'
    const rest = upgrade.takeResidue()
    this.#drop(rest)
    if (this.#endsOutput) this.#sink.outputEnded()
    upgrade.change(rest, this.#endsOutput || this.#outputEnded)
  }

  /** Refuses to become another list inside of a frame, the beginning of which would be lost. */
  #checkBorder(): void {
    const stage = this.#upgrade?.unfinished(this.head)
    if (stage === undefined) return
    this.#failBecoming(
      `inside a frame, of which '${stage}' has the beginning. Call it in 'transform', or return a promise from there until it is called.`,
    )
  }

  complete(first: Link | undefined, end: Link | undefined = undefined): void {
    if (!this.completes || (end === undefined && this.#probe?.complete(first))) return
    for (let link = first; link !== end; link = (link as Link).after) (link as Link).complete()
  }

  /** Whether the connection goes on, or ends in good order. */
  get #isSound(): boolean {
    return this.#state === 'open' || this.#state === 'ending'
  }

  /** Flushes the stages behind the first one that has ended the output; false when one waits, fails or terminates. */
  #flushOutput(): boolean {
    if (!this.#isSound) return false
    let link = this.head as Link
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
