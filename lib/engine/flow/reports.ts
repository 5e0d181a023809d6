import { isFault, type Reported, UntoldFaults } from '../../errors.js'
import { type InBand, Reply } from '../../stage.js'
import type { Sink } from './flow.js'
import type { Link, Owner } from './link.js'

/** The part of a sink that takes what stages report. */
type ReportSink = Pick<Sink, 'claimReport' | 'countFault' | 'report' | 'reply'>

/** The reports of the stages of a segment, on their way to the sink: through the later stages, each in its place among the items. */
export class Reports {
  readonly #segment: Owner
  readonly #sink: ReportSink
  /** The faults of this turn that are only counted, by the link that has reported them. */
  #untold: Map<Link, UntoldFaults> | undefined

  constructor(segment: Owner, sink: ReportSink) {
    this.#segment = segment
    this.#sink = sink
  }

  /**
   * Reports an error of a stage. A fault of the peer is not heard of when the connection ends in front of it, however the
   * input was cut: what later stages have gathered goes on first, since it may be what ends the connection.
   */
  report(link: Link, reported: Reported): void {
    this.#sink.countFault?.(link.planned.name)
    if (!isFault(reported)) this.#sink.report(reported)
    else if (this.#sink.claimReport()) this.passBehind(link, reported)
    else this.#countUntold(link)
  }

  /** Passes a report on behind what a link, and those behind it, have made so far. */
  passBehind(link: Link, fault: InBand): void {
    this.#segment.complete(link.after)
    if (link.state !== 'stopped') this.pass(fault, link.after)
  }

  /** Passes a report through a link and those behind it, behind the items in front of it. */
  pass(fault: InBand, first: Link | undefined): void {
    for (let link = first; link !== undefined; link = link.after) {
      if (link.takesReport(fault)) return
    }
    if (fault instanceof Reply) this.#sink.reply(fault)
    else this.#sink.report(fault)
  }

  /** Counts a fault until the end of the turn. Then the number goes on behind the output, unless a later stage has ended the link. */
  #countUntold(link: Link): void {
    this.#untold ??= new Map()
    const faults = this.#untold.get(link)
    if (faults === undefined) this.#untold.set(link, new UntoldFaults(1))
    else faults.count++
    if (!this.#segment.isBusy) this.#segment.endTurnSoon()
  }

  /** Passes the numbers of this turn on. */
  passUntold(): void {
    const untold = this.#untold
    if (untold === undefined) return
    this.#untold = undefined
    for (const [link, faults] of untold) if (link.state !== 'stopped') this.pass(faults, link.after)
  }

  /** Passes the number on that a link has counted before it ends the connection itself. */
  passUntoldOf(link: Link): void {
    const faults = this.#untold?.get(link)
    if (faults === undefined) return
    this.#untold?.delete(link)
    this.passBehind(link, faults)
  }
}
