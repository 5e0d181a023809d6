import type { Duplex } from 'node:stream'
import type { Timer } from '../clock.js'
import { type Connection, countWith, endConnection } from '../connection.js'
import { type BywashError, reasonOf } from '../errors.js'
import type { Outcome, Reason } from '../outcome.js'
import type { Flow, Sink } from './flow.js'

/** After our FIN we read and discard this much: closing with unread bytes makes the kernel send a RST that can erase a farewell. */
const LINGER_BYTES = 65_536
const LINGER_MS = 2_000

/** Up to so many pieces a gathering write costs less than a copy. */
const FEW = 4

/** What the ends of a connection are told to do; the same object for all connections of a listener. */
export interface DriveSettings {
  readonly halfCloseTimeout: number
  readonly farewell: (error: BywashError, connection: Connection) => string | undefined
  readonly onError: ((error: BywashError, connection: Connection) => void) | undefined
  readonly onDone: (outcome: Outcome, connection: Connection, drive: Drive) => void
}

type Driven = Duplex & { [driver]?: Drive; readonly _handle?: { readonly writeQueueSize?: number } | null }

// One property on the duplex instead of five closures: an idle connection stays as small as a bare socket.
const driver = Symbol('bywash.drive')

function onData(this: Driven, chunk: Buffer): void {
  this[driver]?.read(chunk)
}
function onEnd(this: Driven): void {
  this[driver]?.end()
}
function onDrain(this: Driven): void {
  this[driver]?.drain()
}
function onError(this: Driven, error: Error): void {
  this[driver]?.lost(error)
}
function onClose(this: Driven): void {
  this[driver]?.closed()
}
function onFinish(this: Driven): void {
  this[driver]?.finished()
}

function asBuffer(bytes: string | Buffer): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
}

/** Calls a function of the user. What it throws is uncaught, as from a listener of an event, but breaks no connection. */
export function guarded<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
    return undefined
  }
}

/**
 * Drives one duplex through a flow, from the first byte to the outcome: reads with backpressure, one write for each
 * turn, and an end of our own making (`stream.pipeline` destroys at the first error, which loses what was made before).
 */
export class Drive implements Sink {
  readonly #duplex: Driven
  readonly #connection: Connection
  readonly #settings: DriveSettings
  readonly #openedAt: number
  #flow: Flow | undefined
  /** What the turn has made: latin1 text or bytes, or several of them. */
  #held: string | Buffer | (string | Buffer)[] | undefined
  #outputFull = false
  #flowFull = false
  #bytesWritten = 0
  #reason: Reason | undefined
  #error: Error | undefined
  #timer: Timer
  #lingered = 0
  #closed = false

  constructor(duplex: Duplex, connection: Connection, settings: DriveSettings) {
    this.#duplex = duplex
    this.#connection = connection
    this.#settings = settings
    this.#openedAt = Math.round(connection.clock.now())
    this.#duplex[driver] = this
    duplex.on('error', onError).on('close', onClose)
  }

  /** Opens the flow and starts to read. */
  start(flow: Flow): void {
    if (this.#duplex.destroyed) this.closed()
    if (this.#closed) return
    this.#flow = flow
    countWith(this.#connection, flow)
    const duplex = this.#duplex
    duplex.on('drain', onDrain).on('end', onEnd)
    flow.open(this.#connection)
    duplex.on('data', onData)
    // A duplex that was used before may have been paused, or have ended, which it says only once.
    if (duplex.readableFlowing === false && !this.#outputFull) duplex.resume()
    if (duplex.readableEnded) this.end()
  }

  read(chunk: Buffer): void {
    if (this.#reason !== undefined) {
      this.#linger(chunk)
      return
    }
    if (this.#flow?.write(chunk) === false) this.#hold('flow')
  }

  end(): void {
    if (this.#reason === undefined) {
      this.#flow?.end()
      if (this.#reason === undefined) this.#watch()
    } else if (this.#duplex.writableFinished) {
      this.#duplex.destroy()
    }
  }

  /** The flow takes more again. */
  resume(): void {
    this.#flowFull = false
    if (!this.#outputFull) this.#duplex.resume()
  }

  drain(): void {
    this.#outputFull = false
    this.#flow?.drain()
    if (!this.#flowFull) this.#duplex.resume()
  }

  #hold(which: 'flow' | 'output'): void {
    if (which === 'flow') this.#flowFull = true
    else this.#outputFull = true
    if (this.#reason === undefined) this.#duplex.pause()
  }

  write(item: unknown): void {
    this.#gather(item as Buffer)
  }

  writeLatin1(text: string): void {
    this.#gather(text)
  }

  #gather(bytes: string | Buffer): void {
    if (bytes.length === 0) return
    if (this.#held === undefined) this.#held = bytes
    else if (Array.isArray(this.#held)) this.#held.push(bytes)
    else this.#held = [this.#held, bytes]
  }

  settle(): boolean {
    const held = this.#held
    if (held !== undefined) {
      this.#held = undefined
      if (!Array.isArray(held)) this.#send(held)
      else if (held.length > FEW) this.#send(Buffer.concat(held.map(asBuffer)))
      else this.#sendTogether(held)
    }
    return !this.#outputFull
  }

  /** One system call for several pieces, without a copy of them. */
  #sendTogether(pieces: readonly (string | Buffer)[]): void {
    this.#duplex.cork()
    for (const piece of pieces) this.#send(piece)
    this.#duplex.uncork()
  }

  #send(bytes: string | Buffer): void {
    this.#bytesWritten += bytes.length
    // To a duplex that is destroyed already this does nothing; its 'close' is on its way.
    const open = typeof bytes === 'string' ? this.#duplex.write(bytes, 'latin1') : this.#duplex.write(bytes)
    if (!open) this.#hold('output')
  }

  finish(terminated: boolean): void {
    this.#conclude(terminated ? 'terminated' : 'end', undefined)
  }

  fail(error: BywashError): void {
    const reason = reasonOf(error)
    if (reason === 'stage-error') this.report(error)
    if (this.#closed) return
    if (this.#reason === 'end' || this.#reason === 'terminated') {
      this.#reason = reason
      this.#error = error
    } else if (this.#reason === undefined) {
      const text = guarded(() => this.#settings.farewell(error, this.#connection))
      if (typeof text === 'string') this.#send(Buffer.from(text))
      this.#conclude(reason, error)
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
    const duplex = this.#duplex
    this.#reason = reason
    this.#error = error
    if (duplex.writableLength > 0 || !duplex.readableEnded) this.#watch()
    duplex.once('finish', onFinish)
    duplex.end()
    duplex.resume()
  }

  finished(): void {
    const { clock } = this.#connection
    if (this.#duplex.readableEnded) {
      this.#duplex.destroy()
    } else {
      clock.clearTimeout(this.#timer)
      this.#timer = clock.setTimeout(() => this.#duplex.destroy(), LINGER_MS)
    }
  }

  #linger(chunk: Buffer): void {
    this.#lingered += chunk.length
    if (this.#lingered > LINGER_BYTES) this.#duplex.pause()
  }

  /** From the end of input on, output must make progress. */
  #watch(): void {
    const { clock } = this.#connection
    const before = this.#progress()
    clock.clearTimeout(this.#timer)
    this.#timer = clock.setTimeout(() => {
      if (this.#progress() === before) this.abort('half-close-timeout')
      else this.#watch()
    }, this.#settings.halfCloseTimeout)
  }

  /** A number that rises whenever bytes were made or have left. */
  #progress(): number {
    // `writableLength` counts a write until all of it has gone; what libuv still holds of it is what net's own timer asks.
    const queued = this.#duplex._handle?.writeQueueSize ?? 0
    return 2 * this.#bytesWritten - this.#duplex.writableLength - queued
  }

  /** Destroys the connection, if it is not destroyed yet; an earlier failure stays the reason. */
  abort(reason: Reason): boolean {
    if (this.#duplex.destroyed) return false
    if (this.#error === undefined) this.#reason = reason
    this.#duplex.destroy()
    return true
  }

  /** The transport failed. After a good end that only matters while output was still on its way. */
  lost(error: Error): void {
    if (this.#error !== undefined || this.#duplex.writableFinished) return
    this.#reason = 'client-reset'
    this.#error = error
  }

  closed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#connection.clock.clearTimeout(this.#timer)
    const outcome: Outcome = {
      reason: this.#reason ?? 'client-reset',
      error: this.#error,
      bytesRead: this.#flow?.bytes ?? 0,
      bytesWritten: this.#bytesWritten,
      duration: Math.round(this.#connection.clock.now()) - this.#openedAt,
    }
    endConnection(this.#connection)
    const failure = this.#flow?.close(outcome)
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
