import type { Duplex } from 'node:stream'
import { nextTurn } from '../../clock.js'
import { type Connection, countWith, endConnection, type IdleTimeout, keepTls } from '../../connection.js'
import {
  BywashError,
  blame,
  InvalidOptionError,
  isClientFault,
  isFault,
  type RefusedError,
  type Reported,
  reasonOf,
  SlowConsumerError,
  StageError,
  UntoldFaults,
} from '../../errors.js'
import { confirmEnd } from '../../net/confirm-end.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Outcome, Reason } from '../../outcome.js'
import type { Reply } from '../../stage.js'
import type { Observed } from '../../status/book.js'
import { publishStageError, STAGE_ERROR } from '../../status/diagnostics.js'
import type { SeeItem } from '../../status/taps/tap-event.js'
import type { ChunkUse } from '../flow/chunk-use.js'
import type { Flow, Sink } from '../flow/flow.js'
import { guarded } from '../guarded.js'
import type { Plan } from '../plan.js'
import type { Deadlines, Watched } from './deadlines.js'
import { farewellBytes } from './farewell.js'
import { FaultReports } from './fault-reports.js'
import { FlowOwner, type FlowSettings } from './flow-owner.js'
import { type IdleHost, IdleLimit } from './idle-limit.js'
import { onClose, onData, onDrain, onEnd, onError, type SocketEvents, setDriver } from './socket-events.js'
import { StartTls } from './start-tls.js'
import {
  drainTimedOut,
  frameTimedOut,
  idleTimedOut,
  ownIdleTimedOut,
  strayFailure,
} from './timeout-errors.js'

/** Checks in a row that may find new input before a connection that drains is ended in spite of it. */
const MAX_DRAIN_CHECKS = 10

/** The settings that all connections of a listener share. */
export interface DriverSettings extends FlowSettings {
  readonly maxPending: number
  /** The most faults of the peer that `onError` is told of in a second; 0 is any number. */
  readonly maxReports: number
  readonly farewell: (error: BywashError, connection: Connection) => string | Uint8Array | undefined
  readonly onError: ((error: BywashError, connection: Connection) => void) | undefined
  readonly onDone: (outcome: Outcome, connection: Connection, driver: ConnectionDriver) => void
}

/**
 * The state of a connection; ARCHITECTURE.md has a diagram.
 *
 * - `new`: not started
 * - `open`: input goes through the flow
 * - `draining`: as `open`, but the listener closes; a check is scheduled whether everything that has come is answered
 * - `drain-waiting`: as `draining`, but the next check waits for the rest of a frame, or for output to be taken
 * - `half-closed`: the peer has sent FIN, and the flow gives the rest of its output
 * - `flushing`: drained: the flow gives the rest of its output, and input is discarded
 * - `lingering`: our FIN follows the last output; input is discarded until the peer's FIN
 * - `closed`: the outcome was reported
 */
type State =
  | 'new'
  | 'open'
  | 'draining'
  | 'drain-waiting'
  | 'half-closed'
  | 'flushing'
  | 'lingering'
  | 'closed'

/**
 * Drives one duplex through a flow, from the first byte to the outcome: reads with backpressure, writes once for each
 * turn, and ends both sides itself (`stream.pipeline` destroys at the first error, which loses the output from before).
 */
export class ConnectionDriver extends FlowOwner implements SocketEvents, Sink, Watched, IdleHost, Observed {
  protected readonly settings: DriverSettings
  /** The flow takes no more before it calls `drained`. */
  #flowFull = false
  #state: State = 'new'
  /** Made with the first fault that a stage reports. */
  #reports: FaultReports | undefined
  /** Made when a stage sets an idle timeout. */
  #idleLimit: IdleLimit | undefined
  /** Made by `startTls()`. */
  #startTls: StartTls | undefined
  /** Progress at the last tick, and the number of ticks in a row without any more. */
  #lastProgress = -1
  #quietTicks = 0

  constructor(duplex: Duplex, connection: Connection, settings: DriverSettings) {
    super(duplex, connection)
    this.settings = settings
    setDriver(duplex, this)
    duplex.on('error', onError).on('close', onClose)
  }

  // Called by the listener, or by handle()

  /** Opens the stages, or leaves that to the first chunk, and begins to read. */
  start(plan: Plan): void {
    if (this.duplex.destroyed) this.onClose()
    if (this.#state === 'closed') return
    this.#state = 'open'
    this.stageBook = this.settings.book?.stageBook(plan.listed)
    const duplex = this.duplex
    duplex.on('drain', onDrain).on('end', onEnd)
    countWith(this.connection, this)
    this.settings.book?.taps?.opened(this)
    this.beginFlow(plan, this)
    duplex.on('data', onData)
    // A duplex that was used before may be paused, or have ended, which it says only once.
    if (duplex.readableFlowing === false && !this.outputFull) duplex.resume()
    if (duplex.readableEnded) this.#endInput()
  }

  /** Sends the farewell of a refusal, instead of `start`. Without `lingers` the connection is destroyed at once. */
  refuse(error: RefusedError, lingers: boolean): void {
    this.duplex.on('end', onEnd)
    this.fail(error)
    this.duplex.on('data', onData)
    if (!lingers) this.duplex.destroy()
  }

  /** Ends the connection when everything that has come is answered; the rest of a frame that has begun is waited for. */
  drain(): void {
    if (this.#state === 'open') this.#scheduleDrainCheck(MAX_DRAIN_CHECKS)
  }

  /** Ends the connection for an error that nobody caught, in something that one of its stages had started. */
  onUncaught(cause: unknown): void {
    this.#abortFlow(strayFailure(this.connection.counts, cause))
  }

  // Called by the connection

  /** Ends the connection for a promise of one of its stages that has rejected. */
  failLater(error: BywashError): void {
    this.#abortFlow(error)
  }

  /** Sets an idle timeout in place of the listener's. */
  setIdleTimeout(timeout: IdleTimeout): void {
    this.#idleLimit?.end()
    if (this.#state !== 'closed') this.#idleLimit = new IdleLimit(this, timeout, this.connection.clock)
  }

  /** Goes over to TLS. */
  startTls(options: TlsOptions): Promise<void> {
    const { duplex } = this
    const what = this.#refusalOfTls()
    if (what !== undefined) throw new InvalidOptionError(`connection.startTls(): ${what}.`)
    const flow = this.flow as Flow
    const startTls = new StartTls(duplex, this.connection, options)
    const stage = flow.holdInput(() => {
      this.uncork()
      this.corked = true
      startTls.run({
        onBegin: () => this.#leaveDuplex(duplex),
        onSecure: socket => this.#goOnWith(socket),
        onFailed: (reason, error) => this.#endHandshake(reason, error),
        onRefused: cause => this.#abortFlow(blame(stage, 'startTls()', cause)),
      })
    })
    this.#startTls = startTls
    this.#flowFull = true
    duplex.pause()
    // Bytes that were read before are discarded: they came before the client knew that it may begin.
    while (duplex.readableLength > 0) duplex.read()
    return startTls.promise
  }

  /** The reason for which the connection cannot go over to TLS, if there is one. */
  #refusalOfTls(): string | undefined {
    if (!this.#isReading) return 'the connection ends already'
    if (this.#startTls !== undefined || 'encrypted' in this.duplex) return 'the connection speaks TLS already'
    if (this.duplex.setReason !== undefined)
      return 'the connection is a WebSocket, whose TLS is that of the listener'
    return this.duplex._handle ? undefined : 'the connection has no socket'
  }

  #leaveDuplex(duplex: Duplex): void {
    duplex
      .off('data', onData)
      .off('end', onEnd)
      .off('drain', onDrain)
      .off('error', onError)
      .off('close', onClose)
  }

  /** Goes on with the socket of TLS, whose handshake is over. */
  #goOnWith(socket: Duplex): void {
    this.duplex = socket
    if (this.isTraceable) this.noteSocket()
    keepTls(this.connection)
    setDriver(socket, this)
    socket.on('error', onError).on('close', onClose).on('drain', onDrain).on('end', onEnd)
    this.outputFull = false
    this.uncork()
    this.flow?.releaseInput()
    socket.on('data', onData)
  }

  /** Ends the connection, whose handshake has failed; what has ended it before stays the reason. */
  #endHandshake(reason: Reason, error: Error | undefined): void {
    const { closing } = this
    if (closing.reason === undefined) {
      closing.reason = reason
      closing.error = error
    }
    this.onClose()
  }

  // Observed: called by the book. The other members are those of FlowOwner.

  /** Functions of this one driver stand in front of its methods, so that connections that nobody taps do not ask. */
  tap(see: SeeItem | undefined): void {
    if (see === undefined) {
      Reflect.deleteProperty(this, 'onData')
      Reflect.deleteProperty(this, 'send')
    } else {
      const { onData, send } = ConnectionDriver.prototype
      this.onData = chunk => {
        see('in', chunk)
        onData.call(this, chunk)
      }
      this.send = bytes => {
        see('out', bytes)
        send.call(this, bytes)
      }
    }
    this.flow?.tap(see)
  }

  // SocketEvents

  get chunkUse(): ChunkUse {
    return this.#isDiscarding ? 'none' : (this.flow ?? this.wake(this)).chunkUse
  }

  onData(chunk: Buffer): void {
    if (this.#isDiscarding) {
      if (!this.closing.discard(chunk)) this.duplex.pause()
      return
    }
    const flow = this.flow ?? this.wake(this)
    this.defers = this.settings.ownsChunks === true
    const isTaken = flow.write(chunk)
    this.defers = false
    if (!isTaken) {
      this.#flowFull = true
      this.noteHeld()
      if (!this.#isDiscarding) this.duplex.pause()
    }
    if (this.#state === 'drain-waiting') this.#scheduleDrainCheck(MAX_DRAIN_CHECKS)
  }

  onEnd(): void {
    // Where the input goes elsewhere, half of it must not look complete there. Others are not worth three system calls.
    const isSocket = this.duplex.setReason === undefined
    if (isSocket && this.flow?.confirmsEnd && !this.#isDiscarding)
      confirmEnd(this.duplex, () => this.#endInput())
    else this.#endInput()
  }

  #endInput(): void {
    if (!this.#isDiscarding) {
      this.#state = 'half-closed'
      this.#endFlow()
    } else if (this.duplex.writableFinished) {
      this.duplex.destroy()
    }
  }

  onDrain(): void {
    this.outputFull = false
    this.flow?.resume()
    if (!this.#flowFull) this.#resume()
  }

  /**
   * The transport failed, which ends the connection: a TLS socket says so without being destroyed. After a good end the
   * error only matters while output was still on its way. A transport that names a fault of the peer still takes output.
   */
  onError(error: Error): void {
    if (error instanceof BywashError && isClientFault(error)) {
      this.#abortFlow(error)
      return
    }
    if (this.closeState?.error === undefined && !this.duplex.writableFinished) {
      const { closing } = this
      closing.reason = 'client-reset'
      closing.error = error
    }
    this.duplex.destroy()
  }

  onClose(): void {
    if (this.#state === 'closed') return
    const { closing } = this
    if (this.#state !== 'new' && closing.reason === undefined && this.hasEnded) {
      // A duplex whose sides have both ended closes by itself. The stages may still work on the last input.
      closing.outlivesDuplex = true
      return
    }
    this.#state = 'closed'
    const { clock } = this.connection
    const { reason = 'client-reset', error } = closing
    closing.clearTimer()
    this.#startTls?.end(error)
    const outcome: Outcome = {
      reason,
      error,
      bytesRead: this.bytesIn,
      bytesWritten: this.bytesWritten,
      duration: Math.round(clock.now()) - this.openedAt,
    }
    endConnection(this.connection)
    closing.slowest = this.slowest
    const failure = this.flow?.close(outcome)
    // This driver may be remembered for a while, but not with its socket, or with what its stages hold.
    this.dropDuplex()
    closing.error = undefined
    this.dropFlow()
    this.#reports?.end()
    this.#idleLimit?.end()
    this.#idleLimit = undefined
    if (failure !== undefined) this.#tell(failure)
    this.settings.onDone(
      failure === undefined || outcome.error !== undefined
        ? outcome
        : { ...outcome, reason: 'stage-error', error: failure },
      this.connection,
      this,
    )
  }

  // Sink: called by the flow. `write`, `endTurn` and `isFlushed` are those of TurnWriter, and `listChanged` is that of FlowOwner.

  drained(): void {
    this.#flowFull = false
    if (!this.outputFull || this.flow?.isDetached) this.#resume()
  }

  hasRoom(held: number): boolean {
    return held + this.waiting <= this.settings.maxPending
  }

  overflow(): void {
    this.#abortFlow(new SlowConsumerError(this.settings.maxPending))
  }

  inputClosed(): void {
    this.startHalfCloseTimer()
  }

  outputEnded(): void {
    this.uncork()
    this.duplex.end()
    // There is no 'drain' behind an end, and nothing more that would have to wait for one.
    this.outputFull = false
    if (!this.#flowFull) this.#resume()
  }

  finish(terminated: boolean): void {
    // What has failed or was aborted has its reason; a duplex that is destroyed may still say 'end'.
    if (this.closeState?.reason !== undefined) return
    this.linger(terminated ? 'terminated' : this.#isDiscarding ? 'shutdown' : 'end', undefined)
  }

  reply({ bytes }: Reply): void {
    this.write(bytes)
  }

  listEnded(next: Plan): void {
    if (this.duplex.follow === undefined) return
    this.uncork()
    this.duplex.follow(next)
  }

  countFault(stage: string): void {
    this.stageBook?.fail(stage)
  }

  claimReport(): boolean {
    return this.#isTold && this.#faultReports.claim()
  }

  report(reported: Reported | UntoldFaults): void {
    if (!this.#isTold) return
    if (reported instanceof UntoldFaults || isFault(reported)) this.#faultReports.report(reported)
    else this.#tell(reported)
  }

  /** Whether somebody hears of what stages report. */
  get #isTold(): boolean {
    return this.settings.onError !== undefined || STAGE_ERROR.hasSubscribers
  }

  get #faultReports(): FaultReports {
    this.#reports ??= new FaultReports(this.connection.clock, this.settings.maxReports, error =>
      this.#tell(error),
    )
    return this.#reports
  }

  fail(error: BywashError): void {
    const reason = reasonOf(error)
    if ('stage' in error) this.countFault(String(error.stage))
    if (reason === 'stage-error') this.#tell(error)
    if (this.#state === 'closed') return
    const { closing } = this
    if (closing.reason === undefined && this.#startTls?.isHandshaking) {
      // A farewell is no part of a handshake.
      closing.reason = reason
      closing.error = error
      this.duplex.destroy()
    } else if (closing.reason === undefined && error instanceof StageError && error.resets) {
      this.reset(reason, error)
    } else if (closing.reason === undefined) {
      this.uncork()
      const last = this.duplex.writableEnded
        ? undefined
        : farewellBytes(error, this.connection, this.settings)
      if (last !== undefined) this.send(last)
      this.linger(reason, error)
    } else if (this.#isDiscarding && closing.error === undefined) {
      closing.reason = reason
      closing.error = error
    }
  }

  // Watched: called by the deadline watch

  /** Ends the connection if one of its deadlines has passed. */
  tick({ idle, frame, drain, idleTimeout, frameTimeout, drainTimeout }: Deadlines): void {
    if (!this.#isReading) return
    const hasOutput = this.duplex.writableLength > 0
    const progress = this.progress + (hasOutput ? 0 : this.bytesIn)
    this.#quietTicks = progress === this.#lastProgress ? this.#quietTicks + 1 : 0
    this.#lastProgress = progress
    if (hasOutput && this.#quietTicks >= drain) {
      this.abort('drain-timeout', drainTimedOut(drainTimeout))
    } else if (!hasOutput && this.#quietTicks >= idle && this.#idleLimit === undefined) {
      if (!this.failPendingStage(idleTimeout)) this.#abortFlow(idleTimedOut(idleTimeout))
    } else if (!this.outputFull && !this.#flowFull) {
      const stage = this.flow?.overdue(frame)
      if (stage !== undefined) this.#abortFlow(frameTimedOut(stage, frameTimeout))
    }
  }

  // IdleHost: called by the idle limit

  idleProgress(inputOnly: boolean): number | undefined {
    if (!this.#isReading) return undefined
    // A paused socket keeps back what the client sends; whether it reads is a matter of `drainTimeout`.
    if (inputOnly) return this.outputFull || this.#flowFull ? undefined : this.bytesIn
    return this.duplex.writableLength > 0 ? undefined : this.progress + this.bytesIn
  }

  onIdle(timeout: IdleTimeout): void {
    if (!this.failPendingStage(timeout.milliseconds)) this.#abortFlow(ownIdleTimedOut(timeout))
  }

  #tell(error: BywashError): void {
    publishStageError(this.connection, error)
    guarded('onError', () => this.settings.onError?.(error, this.connection), this.connection)
  }

  get #isReading(): boolean {
    const isReading = this.#state === 'open' || this.#state === 'draining' || this.#state === 'drain-waiting'
    return isReading && !this.#startTls?.isHandshaking
  }

  get #isDiscarding(): boolean {
    return this.#state === 'flushing' || this.#state === 'lingering' || this.#state === 'closed'
  }

  protected override pause(): void {
    this.noteHeld()
    if (!this.#isDiscarding && !this.flow?.isDetached) this.duplex.pause()
  }

  #resume(): void {
    this.duplex.resume()
    if (this.#state === 'drain-waiting') this.#scheduleDrainCheck(MAX_DRAIN_CHECKS)
  }

  /** Checks two turns of the event loop later: by then the socket was read, if the kernel had anything for it. */
  #scheduleDrainCheck(checksLeft: number): void {
    this.#state = 'draining'
    const before = this.bytesIn
    nextTurn(() => nextTurn(() => this.#checkDrained(checksLeft, before)))
  }

  #checkDrained(checksLeft: number, before: number): void {
    if (this.#state !== 'draining') return
    if (this.bytesIn !== before && checksLeft > 0) {
      this.#scheduleDrainCheck(checksLeft - 1)
    } else if (this.outputFull || this.#flowFull || this.duplex.isUnfinished || this.flow?.unfinished()) {
      this.#state = 'drain-waiting'
    } else {
      this.#state = 'flushing'
      this.#endFlow()
    }
  }

  /** Ends the input of the flow. Unless that ends it at once, the output that is still to come must make progress. */
  #endFlow(): void {
    if (this.flow === undefined) this.finish(false)
    else this.flush(this.flow)
    if (this.closeState?.reason === undefined) this.startHalfCloseTimer()
  }

  // Called by DuplexCloser

  protected discardInput(): void {
    this.#state = 'lingering'
  }

  protected failPendingStage(timeout: number): boolean {
    const isPending = this.closeState?.reason === undefined && this.duplex.writableLength === 0
    const error = isPending ? this.flow?.unanswered(timeout) : undefined
    if (error === undefined) return false
    this.#abortFlow(error)
    return true
  }

  #abortFlow(error: BywashError): void {
    this.flow?.abort()
    this.fail(error)
  }
}
