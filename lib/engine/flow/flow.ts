import type { AsyncResource } from 'node:async_hooks'
import type { Connection } from '../../connection.js'
import type { BywashError, Reported, UntoldFaults } from '../../errors.js'
import type { ChunkUse } from '../../net/socket-reader.js'
import type { Outcome } from '../../outcome.js'
import type { Reply, Stage } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { LookAt, Wait } from '../../status/look.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import type { Plan } from '../plan.js'
import type { PlannedStage } from '../planned-stage.js'

/** The receiver of a flow's output, and of how the flow ends. A connection's driver is one. */
export interface Sink {
  /** Takes one item that left the last stage. */
  write: (item: unknown) => void
  /**
   * Ends a turn: what was written in it may go out as one, and where the turn began with a read, behind the reads of all sockets.
   * False asks the flow to hold back until its `resume()`.
   */
  endTurn: (isRead?: boolean) => boolean
  /** How many more bytes the sink takes before it is full; 0 or less once it is. */
  readonly desiredSize: number
  /** Whether the peer is fast enough for a push: `maxPending` allows for what waits in the sink, and `held` bytes in the flow. */
  hasRoom: (held: number) => boolean
  /** Fails the connection, since `hasRoom()` was false. */
  overflow: () => void
  /** True when the sink holds nothing of what was written, so that its memory may be used again. */
  readonly isFlushed: boolean
  /** Called when the flow takes input again, after a `write` that returned false. */
  drained: () => void
  /** Called when the flow takes no more input, though output still comes. */
  inputClosed: () => void
  /** Called after all output, when a stage has ended it and input still goes through the stages. */
  outputEnded: () => void
  /** Called after all output, when every stage was flushed, or one has terminated the connection. */
  finish: (terminated: boolean) => void
  /** Whether one more fault of the peer is told, and not only counted. True uses up one of `maxReports`. */
  claimReport: () => boolean
  /** Counts what a stage has reported, by the name of the stage. */
  countFault?: (stage: string) => void
  /** Called with what a stage reports, such as a fault of the peer; the connection goes on. */
  report: (reported: Reported | UntoldFaults) => void
  /** Takes bytes that a stage sends past the later stages, behind what was written before. */
  reply: (reply: Reply) => void
  /** Called behind the last output of a list, before the next one opens. */
  listEnded?: (next: Plan) => void
  /** Called when the flow goes on with another list, with what that before it has counted. */
  listChanged?: (plan: Plan, counts: readonly StageCounts[]) => void
  /** Called in a test, with the list that a stage becomes. A list of other kinds is then no error, but the end. */
  readonly becomes?: ((next: Stage<Buffer, Buffer>) => void) | undefined
  /** Called when a stage failed, after the output from before the failure. May also be called after `finish`. */
  fail: (error: BywashError) => void
}

/** The stage, or the client, that a connection has waited for most, and its share of the time in which there was something to do. */
export interface Slowest {
  /** The index of a stage as it runs, or the client. */
  readonly for: number | 'client'
  readonly share: number
}

/** A plan at work for one connection: takes its input, and gives the output to a sink. */
export interface Flow {
  /** Opens the stages and starts them. Stages that are called later are called in the scope. */
  open: (connection: Connection, scope: AsyncResource) => void
  /** The user of the memory of the next item when `write` has taken it. */
  readonly chunkUse: ChunkUse
  /** Whether the output that refers to the last item has left for the kernel. Asked where the `chunkUse` before it was `sink`. */
  readonly isChunkFree: boolean
  /** Takes one item. False asks the source to hold back until the sink's `drained()`. */
  write: (item: unknown) => boolean
  /** Ends the input: the stages are flushed, and then the sink is told to finish. */
  end: () => void
  /** Called when the sink takes output again, after an `endTurn` that returned false. */
  resume: () => void
  /**
   * Drops what was not taken yet and what still comes, until `releaseInput()`, and calls back at the end of the turn in which the
   * stages behind the one that changes the connection have given everything. Returns the name of that stage.
   */
  holdInput: (whenQuiet: () => void) => string
  releaseInput: () => void
  /** Called once a tick. Returns the stage in which the same frame has been unfinished for `limit` ticks, if there is one. */
  overdue: (limit: number) => PlannedStage | undefined
  /** Whether any stage holds an unfinished frame. */
  unfinished: () => boolean
  /** The error of the stage that has taken input and has not answered it for `time` milliseconds; undefined where none waits. */
  unanswered: (time: number) => BywashError | undefined
  /** Stops all stages: input is ignored, and output dropped. For an end that no stage has caused. */
  abort: () => void
  /** Bytes that have come in. */
  readonly bytes: number
  /** Whether what comes in causes none of the output, so that a full sink holds no input back. */
  readonly isDetached: boolean
  /** Whether what comes in goes elsewhere, or may yet, so that a RST must not be taken for its end. */
  readonly confirmsEnd: boolean
  counts: () => readonly StageCounts[]
  /** Finds out from now on what the stages do; with undefined not any more. */
  observe: (at: LookAt | undefined, connection: Connection) => void
  /** Shows from now on what each stage gives, but for the last one; with undefined not any more. */
  tap: (see: SeeItem | undefined) => void
  /** Enters the time since the last call in the accounts of the look. */
  charge: () => void
  /** The thing it waits for; undefined where that is not observed. */
  readonly wait: Wait | undefined
  /** The items that wait in front of each stage as it runs, and their bytes. */
  readonly held: readonly Passed[]
  /** The bytes that wait in the stages, and 128 more for each item. It is cheaper than `held`, and has no part for each stage. */
  readonly heldSize: number
  /** The stage, or the client, that it has waited for most; undefined where that is not observed. */
  readonly slowest: Slowest | undefined
  /** Closes every transformer, once; returns the first error that one threw. */
  close: (outcome: Outcome) => BywashError | undefined
}
