import type { AsyncResource } from 'node:async_hooks'
import type { Connection } from '../../connection.js'
import type { BywashError, PeerError } from '../../errors.js'
import type { Outcome } from '../../outcome.js'
import type { StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'

/** Where a flow's output goes, and how it says that it is over. */
export interface Sink {
  /** One item left the last stage. */
  write: (item: unknown) => void
  /** A turn is over: what it wrote can go out as one. False asks the flow to hold until `drain()`. */
  settle: () => boolean
  /** Nobody has any more of what was written. */
  readonly isDone: boolean
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
  /** Opens the stages and starts them. Whoever calls one later does so in the scope. */
  open: (connection: Connection, scope: AsyncResource) => void
  /** Takes one item. False: no more until the sink's `resume` is called. */
  write: (item: unknown) => boolean
  /** The source has ended. */
  end: () => void
  /** The sink takes more again. */
  drain: () => void
  /**
   * Called once a tick. Gives the stage in which the same frame has been unfinished for `limit` ticks, if there is one.
   */
  overdue: (limit: number) => PlannedStage | undefined
  /** Whether a frame has begun and not ended. */
  unfinished: () => boolean
  /** The stage that took input and has neither answered nor said that it is done with it, where one is a stream. */
  holding: () => string | undefined
  /** Takes and gives nothing more: the connection ends for a reason that no stage has. */
  stop: () => void
  /** How much has come in. */
  readonly bytes: number
  /** What has passed each stage so far. */
  counts: () => readonly StageCounts[]
  /** Closes every transformer, once; returns the first thing that one threw. */
  close: (outcome: Outcome) => BywashError | undefined
}
