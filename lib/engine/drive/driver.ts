import { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { type Connection, countWith, endConnection } from '../../connection.js'
import { type BywashError, type RefusedError, reasonOf } from '../../errors.js'
import type { Outcome, Reason } from '../../outcome.js'
import type { StageCounts } from '../../stage-counts.js'
import { DormantFlow } from '../flow/dormant-flow.js'
import type { Flow, Sink } from '../flow/flow.js'
import { flowOf, wakeFlow } from '../flow/open-flow.js'
import { guarded } from '../guarded.js'
import type { Plan } from '../plan.js'
import type { Deadlines, Watched } from './deadlines.js'
import { Ending } from './ending.js'
import { OutputEnd } from './output.js'
import { onClose, onData, onDrain, onEnd, onError, onFinish, setDriver } from './socket-events.js'
import { drainTimedOut, frameTimedOut, idleTimedOut, noAnswer, strayFailure } from './timeout-errors.js'

/** How long after our FIN we wait for the peer's. */
const LINGER_MS = 2_000

/** How often a connection that is asked to leave is looked at for bytes that have come already. */
const LOOKS = 10

/** What the ends of a connection are told to do; the same object for all connections of a listener. */
export interface DriverSettings {
  readonly halfCloseTimeout: number
  readonly farewell: (error: BywashError, connection: Connection) => string | undefined
  readonly onError: ((error: BywashError, connection: Connection) => void) | undefined
  readonly onDone: (outcome: Outcome, connection: Connection, drive: ConnectionDriver) => void
  /** Nobody else has the chunks that are read, as those of a socket, so that they may be changed. */
  readonly ownsChunks?: boolean
}

/** What runs in it has an async id of its own, by which it is found again. */
function newScope(): AsyncResource {
  return new AsyncResource('bywash.connection', { requireManualDestroy: true })
}

/**
 * Drives one duplex through a flow, from the first byte to the outcome: reads with backpressure, one write for each
 * turn, and an end of our own making (`stream.pipeline` destroys at the first error, which loses what was made before).
 */
export class ConnectionDriver extends OutputEnd implements Sink, Watched {
  readonly #connection: Connection
  readonly #settings: DriverSettings
  readonly #openedAt: number
  #flow: Flow | DormantFlow | undefined
  /** What is opened with the first chunk. */
  #dormant: DormantFlow | undefined
  #flowFull = false
  /**
   * `looking` and `waiting` have been asked to leave: they look for what has come already, or wait for an event. To
   * `deaf`, what comes is discarded.
   */
  #state: 'open' | 'looking' | 'waiting' | 'deaf' | 'closed' = 'open'
  #ending: Ending | undefined
  /** What had passed at the last tick, and for how many ticks nothing has. */
  #passed = -1
  #quiet = 0
  /** The async ids of the socket, and of what ran when the stages were opened. */
  #socketId: number | undefined
  #openedIn: number | undefined

  constructor(duplex: Duplex, connection: Connection, settings: DriverSettings) {
    super(duplex)
    this.#connection = connection
    this.#settings = settings
    this.#openedAt = Math.round(connection.clock.now())
    setDriver(duplex, this)
    duplex.on('error', onError).on('close', onClose)
  }

  /** Opens the stages, or leaves them to the first chunk, and starts to read. */
  start(plan: Plan): void {
    if (this.duplex.destroyed) this.closed()
    if (this.#state === 'closed') return
    const duplex = this.duplex
    duplex.on('drain', onDrain).on('end', onEnd)
    countWith(this.#connection, this)
    if (plan.dormant === undefined) this.#open(plan)
    else this.#openLater(plan.dormant)
    duplex.on('data', onData)
    // A duplex that was used before may have been paused, or have ended, which it says only once.
    if (duplex.readableFlowing === false && !this.outputFull) duplex.resume()
    if (duplex.readableEnded) this.end()
  }

  /** Tells the peer that it is not served, instead of `start`. */
  refuse(error: RefusedError, lingers: boolean): void {
    this.duplex.on('end', onEnd)
    this.fail(error)
    this.duplex.on('data', onData)
    if (!lingers) this.duplex.destroy()
  }

  /** Timers that the stages start here belong to this connection, and not to the listening socket. */
  #open(plan: Plan): void {
    const scope = newScope()
    this.#openedIn = scope.asyncId()
    this.#socketId = this.duplex._handle?.getAsyncId?.()
    const flow = flowOf(plan, this, this.#settings.ownsChunks)
    this.#flow = flow
    this.holding = true
    scope.runInAsyncScope(flow.open, flow, this.#connection, scope)
    if (this.holding) this.settleSoon()
  }

  #openLater(dormant: DormantFlow): void {
    this.#flow = dormant
    this.#dormant = dormant
    if (dormant.greeting === undefined) return
    this.write(dormant.greeting)
    this.settleSoon()
  }

  #openNow(dormant: DormantFlow): void {
    this.#dormant = undefined
    if (!dormant.isInert) this.#socketId = this.duplex._handle?.getAsyncId?.()
    this.#flow = wakeFlow(dormant, this, this.#settings.ownsChunks, this.#connection)
  }

  #flush(): void {
    const flow = this.#flow
    if (flow instanceof DormantFlow) {
      this.finish(false)
    } else if (this.isTraceable) {
      const scope = newScope()
      this.#end.flushedIn = scope.asyncId()
      scope.runInAsyncScope((flow as Flow).end, flow)
    } else {
      flow?.end()
    }
  }

  get isTraceable(): boolean {
    return this.#socketId !== undefined || this.#openedIn !== undefined
  }

  /** Whether something was started by a stage of this connection, also one that is over, by the async id of what started it. */
  started(asyncId: number): boolean {
    return asyncId === this.#openedIn || asyncId === this.#socketId || asyncId === this.#ending?.flushedIn
  }

  /** What has passed each stage so far. */
  counts(): readonly StageCounts[] {
    return this.#ending?.counts ?? (this.#flow as Flow | DormantFlow).counts()
  }

  get #end(): Ending {
    this.#ending ??= new Ending(this.#connection.clock)
    return this.#ending
  }

  get #isDeaf(): boolean {
    return this.#state === 'deaf' || this.#state === 'closed'
  }

  read(chunk: Buffer): void {
    if (this.#isDeaf) {
      if (!this.#end.discard(chunk)) this.duplex.pause()
      return
    }
    if (this.#dormant !== undefined) this.#openNow(this.#dormant)
    const flow = this.#flow as Flow
    if (!flow.write(chunk)) this.#hold()
    if (this.#state === 'waiting') this.#look(LOOKS)
  }

  end(): void {
    if (!this.#isDeaf) {
      this.#flush()
      if (this.#ending?.reason === undefined) this.#watch()
    } else if (this.duplex.writableFinished) {
      this.duplex.destroy()
    }
  }

  /** The flow takes more again. */
  resume(): void {
    this.#flowFull = false
    if (!this.outputFull) this.#resume()
  }

  drain(): void {
    this.outputFull = false
    this.#flow?.drain()
    if (!this.#flowFull) this.#resume()
  }

  #resume(): void {
    this.duplex.resume()
    if (this.#state === 'waiting') this.#look(LOOKS)
  }

  #hold(): void {
    this.#flowFull = true
    this.pause()
  }

  protected override pause(): void {
    if (!this.#isDeaf) this.duplex.pause()
  }

  finish(terminated: boolean): void {
    this.#conclude(terminated ? 'terminated' : this.#isDeaf ? 'shutdown' : 'end', undefined)
  }

  fail(error: BywashError): void {
    const reason = reasonOf(error)
    if (reason === 'stage-error') this.report(error)
    if (this.#state === 'closed') return
    const ending = this.#end
    if (ending.reason === undefined) {
      this.release()
      const text = guarded(() => this.#settings.farewell(error, this.#connection))
      if (typeof text === 'string') this.send(Buffer.from(text))
      this.#conclude(reason, error)
    } else if (this.#isDeaf && ending.error === undefined) {
      ending.reason = reason
      ending.error = error
    }
  }

  report(error: BywashError): void {
    guarded(() => this.#settings.onError?.(error, this.#connection))
  }

  ending(): void {
    this.#watch()
  }

  /** Ends our side; what the peer still sends is discarded. */
  #conclude(reason: Reason, error: Error | undefined): void {
    this.release()
    const duplex = this.duplex
    this.#end.reason = reason
    this.#end.error = error
    this.#state = 'deaf'
    if (duplex.writableLength > 0 || !duplex.readableEnded) this.#watch()
    duplex.on('finish', onFinish)
    duplex.end()
    if (!duplex.readableEnded) duplex.resume()
  }

  finished(): void {
    if (this.duplex.readableEnded) this.duplex.destroy()
    else this.#end.wait(() => this.duplex.destroy(), LINGER_MS)
  }

  /** From the end of input on, output must make progress. */
  #watch(): void {
    const before = this.progress
    this.#end.wait(() => {
      if (this.progress !== before) this.#watch()
      else if (!this.#blameHolder(this.#settings.halfCloseTimeout)) this.abort('half-close-timeout')
    }, this.#settings.halfCloseTimeout)
  }

  /** Ends the connection in the name of a stage that has taken input and does not answer. */
  #blameHolder(timeout: number): boolean {
    const holder =
      this.#ending?.reason === undefined && this.duplex.writableLength === 0 && this.#flow?.holding()
    if (!holder) return false
    this.#giveUp(noAnswer(holder, timeout))
    return true
  }

  /** Ends the connection for what was thrown in something that one of its stages had started. */
  blame(cause: unknown): void {
    this.#giveUp(strayFailure(this.#connection.counts, cause))
  }

  #giveUp(error: BywashError): void {
    this.#flow?.stop()
    this.fail(error)
  }

  /** Looks whether a deadline has passed. */
  tick({ idle, frame, drain, idleTimeout, frameTimeout, drainTimeout }: Deadlines): void {
    const flow = this.#flow
    if (this.#isDeaf || flow === undefined || this.duplex.readableEnded) return
    const isWaiting = this.duplex.writableLength > 0
    const passed = this.progress + (isWaiting ? 0 : flow.bytes)
    this.#quiet = passed === this.#passed ? this.#quiet + 1 : 0
    this.#passed = passed
    if (isWaiting && this.#quiet >= drain) {
      this.abort('drain-timeout', drainTimedOut(drainTimeout))
    } else if (!isWaiting && this.#quiet >= idle) {
      if (!this.#blameHolder(idleTimeout)) this.#giveUp(idleTimedOut(idleTimeout))
    } else if (!this.outputFull && !this.#flowFull) {
      const stage = flow.overdue(frame)
      if (stage !== undefined) this.#giveUp(frameTimedOut(stage, frameTimeout))
    }
  }

  /** Ends the connection when what has come is answered; a frame that has begun is waited for. */
  leave(): void {
    if (this.#state === 'open') this.#look(LOOKS)
  }

  /** Two turns of the event loop later the socket has been read if there was something to read. */
  #look(looks: number): void {
    if (this.duplex.readableEnded) return
    this.#state = 'looking'
    const before = (this.#flow as Flow).bytes
    setImmediate(() => setImmediate(() => this.#looked(looks, before)))
  }

  #looked(looks: number, before: number): void {
    if (this.#isDeaf || this.duplex.readableEnded) return
    const flow = this.#flow as Flow | DormantFlow
    if (flow.bytes !== before && looks > 0) {
      this.#look(looks - 1)
    } else if (this.outputFull || this.#flowFull || flow.unfinished()) {
      this.#state = 'waiting'
    } else {
      this.#state = 'deaf'
      this.#flush()
      if (this.#ending?.reason === undefined) this.#watch()
    }
  }

  /** Destroys the connection, if it is not destroyed yet; an earlier failure stays the reason. */
  abort(reason: Reason, error?: BywashError): boolean {
    if (this.duplex.destroyed) return false
    if (this.#end.error === undefined) {
      this.#end.reason = reason
      this.#end.error = error
    }
    this.duplex.destroy()
    return true
  }

  /** The transport failed. After a good end that only matters while output was still on its way. */
  lost(error: Error): void {
    if (this.#ending?.error !== undefined || this.duplex.writableFinished) return
    this.#end.reason = 'client-reset'
    this.#end.error = error
  }

  closed(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const { clock } = this.#connection
    const { reason = 'client-reset', error } = this.#end
    this.#end.stopWaiting()
    const outcome: Outcome = {
      reason,
      error,
      bytesRead: this.#flow?.bytes ?? 0,
      bytesWritten: this.bytesWritten,
      duration: Math.round(clock.now()) - this.#openedAt,
    }
    endConnection(this.#connection)
    const failure = this.#flow?.close(outcome)
    // It may be remembered for a while, but not with its socket, or what its stages hold.
    this.leaveDuplex()
    this.#end.error = undefined
    if (this.isTraceable) {
      this.#end.counts = this.counts()
      this.#flow = undefined
    }
    if (failure !== undefined) this.report(failure)
    this.#settings.onDone(
      failure === undefined || outcome.error !== undefined
        ? outcome
        : { ...outcome, reason: 'stage-error', error: failure },
      this.#connection,
      this,
    )
  }
}
