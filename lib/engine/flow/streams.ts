import type { AsyncResource } from 'node:async_hooks'
import { nextTurn } from '../../clock.js'
import type { Connection } from '../../connection.js'
import { type BywashError, blame, isFault, type Reported, StageError, UntoldFaults } from '../../errors.js'
import { asBuffer, ITEM_BYTES, sizeOf, wrongKind } from '../../kind.js'
import type { Outcome } from '../../outcome.js'
import { type InBand, Reply } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { Wait } from '../../status/look.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import { isOverdue } from '../drive/frame-watch.js'
import { noAnswer } from '../drive/timeout-errors.js'
import type { Plan } from '../plan.js'
import type { PlannedStage, Segment } from '../planned-stage.js'
import type { Flow, Sink, Slowest } from './flow.js'
import { FusedSegment } from './fused.js'
import { guardStream } from './guard-stream.js'
import {
  addReport,
  flushUnlessFailed,
  frameOf,
  isBlocked,
  newPart,
  outputOf,
  type Part,
  piecesOf,
  type Report,
} from './part.js'
import { HIGH_WATER_MARK, PIECE_BYTES } from './stream-marks.js'
import { through } from './through.js'
import { needsUpgrades } from './upgrade.js'

/**
 * Runs segments as streams, each feeding the next. They are joined here and not with `stream.pipeline`, so that output from
 * before a failure still arrives: a part that fails or terminates ends its output, and the parts behind it drain. So a
 * failure travels behind the bytes, and of several failures the first in the order of the bytes is the cause.
 */
export class StreamChain implements Flow {
  readonly #plan: Plan
  readonly #sink: Sink
  readonly #parts: Part[] = []
  /** The number of parts, from the first on, that take no more input. */
  #stopped = 0
  /** Items and bytes that have come in. */
  #items = 0
  bytes = 0
  #terminated = false
  /** The first part whose stage has ended the output, while its input goes on. */
  #outputEnder = Infinity
  /** That output has left the last part. */
  #outputOver = false
  /** The input of that part has ended too. */
  #inputOver = false
  /** The error of a part that has failed behind its output. */
  #lateFailure: BywashError | undefined
  /** The source was told to hold back. */
  #full = false
  /** The sink was told of the end, or must not be. */
  #over = false
  /** Whether the end of a turn is scheduled. */
  #turnDue = false
  /** Size of the output of the turn, with that of the objects of its items. */
  #turnSize = 0
  /** Functions that end a tap of the streams. */
  readonly #tapped: (() => void)[] = []

  readonly isDetached: boolean
  get confirmsEnd(): boolean {
    return this.isDetached
  }

  constructor(plan: Plan, sink: Sink) {
    this.isDetached = plan.detached
    this.#plan = plan
    this.#sink = sink
  }

  open(connection: Connection, scope: AsyncResource): void {
    const { segments } = this.#plan
    for (let index = segments.length - 1; index >= 0; index--) {
      const failure = this.#openPart(connection, scope, index)
      if (failure === undefined) continue
      this.#stopped = segments.length
      this.#over = true
      // The parts that were opened before the failure may still emit 'error', which must not end the process.
      for (const part of this.#parts) {
        part.over = true
        part.stream.on('error', () => {})
      }
      this.#sink.fail(failure)
      return
    }
    for (const index of this.#parts.keys()) this.#join(index)
    for (let index = this.#parts.length - 1; index >= this.#stopped; index--)
      this.#parts[index]?.segment?.start()
  }

  #openPart(connection: Connection, scope: AsyncResource, index: number): BywashError | undefined {
    const { type, stages } = this.#plan.segments[index] as Segment
    const first = stages[0] as PlannedStage
    const last = stages.at(-1) as PlannedStage
    if (type === 'fused') {
      let gathered: Buffer[] = []
      const flushGathered = () => {
        if (gathered.length === 0) return
        stream.push(gathered.length === 1 ? gathered[0] : Buffer.concat(gathered))
        gathered = []
      }
      // The callback of the stream that is called once the segment takes more, or has ended.
      let goOn: (() => void) | undefined
      const isTold = () => {
        const callback = goOn
        goOn = undefined
        callback?.()
      }
      const segment = new FusedSegment(stages, {
        // The bytes of a turn are one item: the next part then does its work for each item, such as a flush, once.
        write: last.emits === 'bytes' ? item => gathered.push(item as Buffer) : item => stream.push(item),
        endTurn: () => {
          flushGathered()
          return true
        },
        isFlushed: false,
        get desiredSize() {
          return stream.readableHighWaterMark - stream.readableLength
        },
        hasRoom: held => {
          const { items, bytes } = segment.given
          const part = this.#parts[index] as Part
          // Bytes are gathered, so their items are not those that leave.
          const waitingItems = last.emits === 'bytes' ? 0 : items - part.items
          return this.#sink.hasRoom(held + bytes - part.bytes + ITEM_BYTES * waitingItems)
        },
        overflow: () => this.#sink.overflow(),
        drained: isTold,
        outputEnded: () => {
          this.#outputEnder = Math.min(this.#outputEnder, index)
          stream.push(null)
        },
        finish: terminated => {
          if (terminated) this.#terminate(index)
          else this.#inputEnded(index)
          isTold()
        },
        claimReport: () => this.#sink.claimReport(),
        countFault: stage => this.#sink.countFault?.(stage),
        report: reported => {
          flushGathered()
          this.#report(index, reported)
        },
        reply: reply => {
          flushGathered()
          if (index >= this.#stopped) this.#sendBehind(index, reply)
        },
        fail: error => {
          this.#fail(index, error)
          isTold()
        },
      })
      const stream = through(
        {
          writableHighWaterMark: HIGH_WATER_MARK[first.accepts],
          readableHighWaterMark: HIGH_WATER_MARK[last.emits],
        },
        (item, callback) => {
          const isTaken = () => {
            this.#taken(index, 1)
            callback()
          }
          if (scope.runInAsyncScope(segment.write, segment, item)) isTaken()
          else goOn = isTaken
        },
        callback => {
          goOn = callback
          const hasFailed = this.#parts[index]?.failure !== undefined
          scope.runInAsyncScope(hasFailed ? segment.endFailed : segment.end, segment)
        },
      )
      this.#parts.unshift(newPart(stream, segment, first, last))
      return segment.openStages(connection)
    }
    try {
      const open = last.stage.stream as NonNullable<typeof last.stage.stream>
      const stream = open(
        connection,
        cause => this.#fail(index, blame(last.name, 'its stream', cause)),
        reported => {
          const isUntold = isFault(reported) && !this.#sink.claimReport()
          this.#report(index, isUntold ? new UntoldFaults(1) : reported)
        },
      )
      guardStream(last.name, stream, scope, count => this.#taken(index, count))
      const part = newPart(stream, undefined, first, last)
      if (last.stage.open !== undefined) flushUnlessFailed(part)
      this.#parts.unshift(part)
      return undefined
    } catch (cause) {
      return blame(last.name, 'open', cause)
    }
  }

  /** Connects the output of a part to the next part, or to the sink. */
  #join(index: number): void {
    const part = this.#parts[index] as Part
    const { stream, last } = part
    stream.on('data', (given: unknown) => {
      let item = given
      let size = sizeOf(last.emits, item)
      if (size === -1) {
        item = asBuffer(last.emits, given) ?? given
        size = sizeOf(last.emits, item)
      }
      if (size !== -1) {
        part.items++
        part.bytes += size
        const next = this.#parts[index + 1]
        const isTaken = next === undefined ? this.#output(item, size) : this.#give(next, item)
        if (!isTaken) stream.pause()
        part.segment?.tellReady()
        this.#handOn(index)
      } else {
        stream.destroy(wrongKind(last.name, last.emits, item))
      }
    })
    stream.on('drain', () => this.#drained(index))
    stream.on('end', () => {
      if (!part.over) this.#ended(index)
    })
    stream.on('error', cause => {
      if (!part.over) this.#fail(index, blame(last.name, 'its stream', cause))
    })
    stream.on('close', () => {
      // A part that a later one has stopped was destroyed, and may take its time to close.
      if (part.over || index < this.#stopped - 1) return
      this.#fail(index, new StageError(last.name, 'closed its stream before the end.'))
      this.#ended(index)
    })
  }

  /** Gives an item to a part. False: hold back until its 'drain'. */
  #give(part: Part, item: unknown): boolean {
    if (part.decodes || isBlocked(part)) {
      part.rest = item
      return this.#feed(part)
    }
    part.given++
    return part.stream.write(item)
  }

  /**
   * Gives an item to the sink. False: hold back until `resume()`. The output of a turn of the event loop is one write, unless it
   * is more than the sink takes: thousands of short chunks in a socket would take many times their bytes. A tick is too short
   * for that, since a stream of bytes may take one for each chunk.
   */
  #output(item: unknown, size: number): boolean {
    this.#sink.write(item)
    this.#turnSize += size + ITEM_BYTES
    if (this.#turnSize >= this.#sink.desiredSize) return this.#endTurn()
    if (!this.#turnDue) {
      this.#turnDue = true
      nextTurn(() => {
        this.#turnDue = false
        if (!this.#endTurn()) this.#parts.at(-1)?.stream.pause()
      })
    }
    return true
  }

  #endTurn(): boolean {
    this.#turnSize = 0
    return this.#sink.endTurn()
  }

  /**
   * Writes what waits for a part, of a chunk piece by piece, for as long as the part takes it; false until its 'drain', or until
   * it has dealt with what stands in front of a report.
   */
  #feed(part: Part): boolean {
    const { stream } = part
    while (part.rest !== undefined) {
      if (isBlocked(part)) return false
      const { rest } = part
      const isLong = part.decodes && (rest as Buffer).length > PIECE_BYTES
      part.rest = isLong ? (rest as Buffer).subarray(PIECE_BYTES) : undefined
      part.given++
      // The mark of a Transform may be one item, and that item be through already.
      const isTaken = stream.write(isLong ? (rest as Buffer).subarray(0, PIECE_BYTES) : rest)
      if (!isTaken && stream.writableLength > 0) return false
    }
    return true
  }

  #drained(index: number): void {
    const part = this.#parts[index] as Part
    if (!this.#feed(part)) return
    if (part.ending) {
      part.stream.end()
    } else if (index > 0) {
      this.#parts[index - 1]?.stream.resume()
    } else if (this.#full) {
      this.#full = false
      this.#sink.drained()
    }
  }

  readonly chunkUse = 'any'

  write(item: unknown): boolean {
    if (this.#stopped > 0) return true
    this.#items++
    this.bytes += sizeOf(this.#plan.accepts, item)
    this.#full = !this.#give(this.#parts[0] as Part, item)
    return !this.#full
  }

  end(): void {
    if (this.#stopped === 0) this.#endInput(this.#parts[0] as Part)
  }

  #endInput(part: Part): void {
    if (part.rest === undefined) part.stream.end()
    else part.ending = true
  }

  resume(): void {
    this.#parts.at(-1)?.stream.resume()
  }

  holdInput(): string {
    throw needsUpgrades()
  }

  releaseInput(): void {}

  overdue(limit: number): PlannedStage | undefined {
    for (const part of this.#parts) {
      const stage =
        part.segment?.overdue(limit) ?? (isOverdue(part, frameOf(part), limit) ? part.last : undefined)
      if (stage !== undefined) return stage
    }
    return undefined
  }

  unfinished(): boolean {
    return this.#parts.some(part => part.segment?.unfinished() || frameOf(part) !== 0)
  }

  unanswered(time: number): BywashError | undefined {
    // The last one with input is the cause: those before it wait for it.
    const part = this.#parts.findLast(
      ({ stream, rest, over }, index) =>
        (!over || index === this.#outputEnder) &&
        (rest !== undefined || stream.writableLength > 0 || stream.writableEnded),
    )
    return part && (part.segment?.unanswered(time) ?? noAnswer(part.last.name, time))
  }

  abort(): void {
    this.#stopped = this.#parts.length
    this.#over = true
    for (const part of this.#parts) {
      part.over = true
      part.rest = undefined
      part.segment?.abort()
      part.stream.destroy()
    }
  }

  /** Streams tell nothing of what they wait for. */
  observe(): void {}

  tap(see: SeeItem | undefined): void {
    for (const stop of this.#tapped.splice(0)) stop()
    let offset = 0
    for (const [index, { segment, stream }] of this.#parts.entries()) {
      const first = offset
      const isLast = index === this.#parts.length - 1
      offset += this.#plan.segments[index]?.stages.length as number
      if (segment !== undefined) {
        segment.tap(see, first, isLast)
      } else if (see !== undefined && !isLast) {
        const onData = (item: unknown) => see('stage', item, first)
        stream.prependListener('data', onData)
        this.#tapped.push(() => stream.off('data', onData))
      }
    }
  }

  charge(): void {}

  get wait(): Wait | undefined {
    return undefined
  }

  get held(): readonly Passed[] {
    return this.#parts.flatMap(({ segment, stream }) => {
      if (segment !== undefined) return segment.held
      const { writableLength, writableObjectMode } = stream
      if (!writableObjectMode) return { items: writableLength === 0 ? 0 : 1, bytes: writableLength }
      return { items: writableLength, bytes: 0 }
    })
  }

  get heldSize(): number {
    return this.held.reduce((sum, { items, bytes }) => sum + bytes + ITEM_BYTES * items, 0)
  }

  get slowest(): Slowest | undefined {
    return undefined
  }

  counts(): readonly StageCounts[] {
    let given: Passed = { items: this.#items, bytes: this.bytes }
    return this.#parts.flatMap(({ segment, last, items, bytes }) => {
      const stream = { name: last.name, in: given, out: { items, bytes } }
      given = stream.out
      return segment?.counts() ?? stream
    })
  }

  #ended(index: number): void {
    const part = this.#parts[index] as Part
    part.over = true
    const next = this.#parts[index + 1]
    if (next !== undefined) {
      if (index + 1 < this.#stopped) return
      next.failure = part.failure
      this.#endInput(next)
      return
    }
    this.#outputOver = true
    // A part behind the one that has ended the output may have stopped the input since.
    const goesOn = this.#outputEnder < Infinity && this.#stopped <= this.#outputEnder && !this.#inputOver
    if (goesOn && part.failure === undefined) this.#sink.outputEnded()
    else this.#finish(part.failure)
  }

  /** Called when the input of a part has ended: the connection ends, where the output has ended before. */
  #inputEnded(index: number): void {
    if (index !== this.#outputEnder || this.#over) return
    this.#inputOver = true
    if (this.#outputOver) this.#finish(undefined)
  }

  /** Ends the flow, behind all output, with the failure of the last part or of the one that had ended the output. */
  #finish(failure: BywashError | undefined): void {
    this.#over = true
    const error = failure ?? this.#lateFailure ?? this.#parts[this.#outputEnder]?.failure
    if (error === undefined) this.#sink.finish(this.#terminated)
    else this.#sink.fail(error)
  }

  /** Called when a stage of a part reports an error; also by a stream that is only being opened. */
  #report(index: number, reported: Reported | UntoldFaults): void {
    const travels = reported instanceof UntoldFaults || isFault(reported)
    if (!travels || this.#parts[index] === undefined) this.#sink.report(reported)
    else if (index >= this.#stopped) this.#sendBehind(index, reported)
  }

  /** Sends a report behind the output that a part has made so far. */
  #sendBehind(index: number, fault: InBand): void {
    const part = this.#parts[index] as Part
    const { stream } = part
    part.reports ??= { waiting: [], leaving: [] }
    const behind = outputOf(part) + stream.readableLength
    addReport(part.reports.leaving, { behind, fault })
    this.#handOn(index)
  }

  /** Sends on the reports behind which a part has now dealt with all items. */
  #taken(index: number, count: number): void {
    const part = this.#parts[index] as Part
    part.taken += count
    const waiting = part.reports?.waiting ?? []
    while (waiting[0] !== undefined && waiting[0].behind <= part.taken) {
      const { fault } = waiting.shift() as Report
      this.#passThrough(index, fault)
      if (part.rest !== undefined && !(fault instanceof UntoldFaults))
        process.nextTick(() => this.#drained(index))
    }
  }

  /** Gives the next part, or the sink, the reports that stand behind the output that has left a part. */
  #handOn(index: number): void {
    const part = this.#parts[index] as Part
    const leaving = part.reports?.leaving ?? []
    while (leaving[0] !== undefined && leaving[0].behind <= outputOf(part)) {
      this.#receive(index + 1, (leaving.shift() as Report).fault)
    }
  }

  #receive(index: number, fault: InBand): void {
    if (index < this.#stopped) return
    const part = this.#parts[index]
    if (part === undefined) {
      if (fault instanceof Reply) this.#giveReply(fault)
      else this.#sink.report(fault)
    } else if (part.taken === part.given && part.rest === undefined) {
      this.#passThrough(index, fault)
    } else {
      part.reports ??= { waiting: [], leaving: [] }
      addReport(part.reports.waiting, { behind: part.given + piecesOf(part), fault })
    }
  }

  /** Gives the sink bytes that a stage sends past the later ones; these give nothing more while it is full. */
  #giveReply(reply: Reply): void {
    this.#sink.reply(reply)
    if (!this.#endTurn()) this.#parts.at(-1)?.stream.pause()
  }

  /** Sends a report through a part that has dealt with all items in front of it, though stages in it may still wait. */
  #passThrough(index: number, fault: InBand): void {
    const { segment } = this.#parts[index] as Part
    if (segment === undefined) this.#sendBehind(index, fault)
    else segment.takeReport(fault)
  }

  #terminate(index: number): void {
    this.#terminated = true
    this.#stop(index, undefined)
  }

  #fail(index: number, error: BywashError): void {
    if (this.#over) {
      this.#sink.fail(error)
    } else if (index >= this.#stopped) {
      this.#stop(index, error)
    } else if (index === this.#stopped - 1) {
      // A part that has terminated fails before its output has ended.
      const part = this.#parts[index] as Part
      part.failure ??= error
    }
  }

  /** Ends the output of a part behind what it has made, and destroys the parts before it. */
  #stop(index: number, failure: BywashError | undefined): void {
    this.#stopped = index + 1
    for (const part of this.#parts.slice(0, index)) {
      part.rest = undefined
      part.segment?.abort()
      part.stream.destroy()
    }
    const part = this.#parts[index] as Part
    const { stream } = part
    part.rest = undefined
    part.failure = failure
    if (!stream.destroyed) stream.push(null)
    this.#sink.inputClosed()
    if (!part.over) return
    this.#lateFailure = failure
    this.#inputEnded(this.#outputEnder)
  }

  close(outcome: Outcome): BywashError | undefined {
    this.#over = true
    this.#stopped = this.#parts.length
    let failure: BywashError | undefined
    for (const part of this.#parts) {
      part.over = true
      part.rest = undefined
      const fault = part.segment?.close(outcome)
      failure ??= fault
      part.stream.destroy()
    }
    return failure
  }
}
