import type { Connection } from '../connection.js'
import type { BywashError, PeerError } from '../errors.js'
import type { Outcome } from '../outcome.js'
import type { StageCounts } from '../stage-counts.js'

/** Where a flow's output goes, and how it says that it is over. */
export interface Sink {
  /** One item left the last stage. */
  write: (item: unknown) => void
  /** Bytes left the last stage as text, one character for each. Without it they come as a Buffer. */
  writeLatin1?: (text: string) => void
  /** A turn is over: what it wrote can go out as one. False asks the flow to hold until `drain()`. */
  settle: () => boolean
  /** The flow takes more again, after a `write` that returned false. */
  resume: () => void
  /** The flow takes nothing more, though what it holds still comes. */
  ending: () => void
  /** Every stage was flushed, and everything came. */
  finish: (terminated: boolean) => void
  /** A stage tells of a fault of the peer, and goes on. */
  report: (error: PeerError) => void
  /** A stage failed, and what was made before came. May also be called after `finish`. */
  fail: (error: BywashError) => void
}

/** The stages of one connection at work: bytes (or items) in, items to a sink. */
export interface Flow {
  /** Opens the stages and starts them. */
  open: (connection: Connection) => void
  /** Takes one item. False: no more until the sink's `resume` is called. */
  write: (item: unknown) => boolean
  /** The source has ended. */
  end: () => void
  /** The sink takes more again. */
  drain: () => void
  /** How much has come in. */
  readonly bytes: number
  /** What has passed each stage so far. */
  counts: () => readonly StageCounts[]
  /** Closes every transformer, once; returns the first thing that one threw. */
  close: (outcome: Outcome) => BywashError | undefined
}
