import type { Duplex } from 'node:stream'
import { type Connection, resetDuplex } from '../../connection.js'
import type { BywashError, StageError } from '../../errors.js'
import type { Reason } from '../../outcome.js'
import { CloseState, LINGER_MS } from './close-state.js'
import { onFinish } from './socket-events.js'
import { TurnWriter } from './turn-writer.js'

const NOTHING = Buffer.alloc(0)

export interface CloserSettings {
  /** The time that output may make no progress while the connection ends, in milliseconds. */
  readonly halfCloseTimeout: number
}

/** Writes to a duplex, and ends it: with a FIN behind the output, with a RST, or by a deadline. */
export abstract class DuplexCloser extends TurnWriter {
  readonly connection: Connection
  /** Made when the connection begins to end. */
  protected closeState: CloseState | undefined

  constructor(duplex: Duplex, connection: Connection) {
    super(duplex)
    this.connection = connection
  }

  protected abstract readonly settings: CloserSettings
  /** Discards from now on what comes in. */
  protected abstract discardInput(): void
  /** Fails the stage that has taken input and does not answer; false where it is not a stage that is waited for. */
  protected abstract failPendingStage(timeout: number): boolean
  /** The connection is over. */
  abstract onClose(): void

  protected get closing(): CloseState {
    this.closeState ??= new CloseState(this.connection.clock)
    return this.closeState
  }

  /** Whether both sides of the duplex have ended in good order. */
  protected get hasEnded(): boolean {
    return this.duplex.readableEnded && this.duplex.writableFinished
  }

  /** Destroys the connection; false if that has happened already. An earlier failure stays the reason. */
  abort(reason: Reason, error?: BywashError): boolean {
    const { closing } = this
    if (this.duplex.destroyed && !closing.outlivesDuplex) return false
    if (closing.error === undefined) {
      closing.reason = reason
      closing.error = error
      this.duplex.setReason?.(reason)
    }
    if (closing.outlivesDuplex) this.onClose()
    else this.duplex.destroy()
    return true
  }

  /** Ends our side with a FIN behind the output, if it has not ended yet; from now on input is discarded. */
  protected linger(reason: Reason, error: Error | undefined): void {
    this.uncork()
    const { duplex } = this
    if (this.beginToClose(reason, error)) return
    if (duplex.writableLength > 0 || !duplex.readableEnded) this.startHalfCloseTimer()
    if (duplex.writableFinished) this.onFinish()
    else duplex.on('finish', onFinish)
    duplex.end()
    if (!duplex.readableEnded) duplex.resume()
  }

  onFinish(): void {
    if (this.duplex.readableEnded) this.duplex.destroy()
    else this.closing.setTimer(() => this.duplex.destroy(), LINGER_MS)
  }

  /** Resets the connection once the duplex has handed over the output from before, so that the peer sees that it is cut off. */
  protected reset(reason: Reason, error: StageError): void {
    this.uncork()
    const { duplex } = this
    if (this.beginToClose(reason, error)) return
    const reset = () => resetDuplex(duplex, error)
    if (duplex.writableLength === 0) {
      reset()
      return
    }
    this.startHalfCloseTimer()
    if (duplex.writableEnded) duplex.on('finish', reset)
    else duplex.write(NOTHING, reset)
  }

  /** Notes why the connection ends, and discards input from now on; true where its duplex was closed before, so that this is the end. */
  protected beginToClose(reason: Reason, error: Error | undefined): boolean {
    const { closing } = this
    closing.reason = reason
    closing.error = error
    this.discardInput()
    this.duplex.setReason?.(reason)
    if (closing.outlivesDuplex) this.onClose()
    return closing.outlivesDuplex
  }

  /** Ends the connection unless output makes progress within each `halfCloseTimeout`. */
  protected startHalfCloseTimer(): void {
    const before = this.progress
    const { halfCloseTimeout } = this.settings
    this.closing.setTimer(() => {
      if (this.progress !== before) this.startHalfCloseTimer()
      else if (!this.failPendingStage(halfCloseTimeout)) this.abort('half-close-timeout')
    }, halfCloseTimeout)
  }
}
