import type { Duplex, Transform } from 'node:stream'
import { type BywashError, UntoldFaults } from '../../errors.js'
import type { InBand } from '../../stage.js'
import type { FrameWatch } from '../drive/frame-watch.js'
import type { PlannedStage } from '../planned-stage.js'
import type { FusedSegment } from './fused.js'
import { asError } from './guard-stream.js'
import { PIECE_BYTES } from './stream-marks.js'

/** A segment at work as a stream. */
export interface Part {
  readonly stream: Duplex & { readonly unfinished?: () => number }
  /** Set where the stream wraps a fused segment. */
  readonly segment: FusedSegment | undefined
  /** The stage whose output leaves the part. */
  readonly last: PlannedStage
  /** Items and bytes that have left the part. */
  items: number
  bytes: number
  /** The error to deliver behind this part's output. */
  failure: BywashError | undefined
  watch: FrameWatch | undefined
  /** Whether it makes items of bytes, so that chunks go to it in pieces. */
  readonly decodes: boolean
  /** The rest of a chunk that the part was too full for, or an item that waits behind a report. */
  rest: unknown
  /** The input ends behind the rest: a stream that is paused may still say 'end'. */
  ending: boolean
  /** Items that were given to the part, and how many of them it has dealt with. */
  given: number
  taken: number
  /** Faults of the peer on their way through the part; made with the first. */
  reports: Reports | undefined
  /** The output has ended, and the next part was told; later events of the stream mean nothing. */
  over: boolean
}

/**
 * Faults of the peer that stages have reported, on their way through a part. They travel behind the items that came before
 * them, so that none is heard of when one of those ends the connection.
 */
export interface Reports {
  /** Reports in front of the part, by the number of items that it has to deal with first. */
  readonly waiting: Report[]
  /** Reports behind it, by the amount of output that has to leave first. */
  readonly leaving: Report[]
}

export interface Report {
  behind: number
  readonly fault: InBand
}

/**
 * Puts a report behind the others of a list. Numbers of faults that follow each other are added up. Only the one at the head of
 * the list keeps its place, since a number that is moved with each new fault would never arrive.
 */
export function addReport(reports: Report[], { behind, fault }: Report): void {
  const last = reports.at(-1)
  const isAddable = fault instanceof UntoldFaults && last?.fault instanceof UntoldFaults
  if (isAddable && (reports.length > 1 || last.behind === behind)) {
    last.behind = behind
    last.fault.count += fault.count
  } else {
    reports.push({ behind, fault })
  }
}

export function newPart(
  stream: Duplex,
  segment: FusedSegment | undefined,
  { accepts }: PlannedStage,
  last: PlannedStage,
): Part {
  return {
    stream,
    segment,
    last,
    items: 0,
    bytes: 0,
    failure: undefined,
    watch: undefined,
    decodes: accepts === 'bytes' && last.emits !== 'bytes',
    rest: undefined,
    ending: false,
    given: 0,
    taken: 0,
    reports: undefined,
    over: false,
  }
}

/**
 * Whether a report waits until the part has dealt with all that it was given: it must not deal with more together with that. A
 * number of faults keeps nothing back, and may arrive behind later output.
 */
export function isBlocked({ given, reports }: Part): boolean {
  const report = reports?.waiting.find(({ fault }) => !(fault instanceof UntoldFaults))
  return report !== undefined && report.behind <= given
}

/** The number of items in which the part will be given what waits for it. */
export function piecesOf({ rest, decodes }: Part): number {
  if (rest === undefined) return 0
  return decodes ? Math.ceil((rest as Buffer).length / PIECE_BYTES) : 1
}

/** Output that has left a part, in the unit that its stream counts in. */
export function outputOf({ stream, items, bytes }: Part): number {
  return stream.readableObjectMode ? items : bytes
}

/** The number of the frame that the stream of a stage has not finished, or 0. */
export function frameOf({ stream }: Part): number {
  try {
    return stream.unfinished?.() ?? 0
  } catch (cause) {
    stream.destroy(asError(cause))
    return 0
  }
}

/** Skips `_flush` after a failure. For the stream of a stage that has `open` too: when it is fused, it is not flushed then. */
export function flushUnlessFailed(part: Part): void {
  const stream = part.stream as Transform
  const flush: Transform['_flush'] | undefined = stream._flush
  if (flush === undefined) return
  stream._flush = callback => {
    if (part.failure === undefined) flush.call(stream, callback)
    else callback()
  }
}
