import type { AddressInfo, Server, Socket } from 'node:net'
import { boundAddress } from './address.js'
import { Admission } from './admission.js'
import { checkInteger, checkNames } from './check-option.js'
import { Connection } from './connection.js'
import { type ConnectionSettings, LONGEST_TIMEOUT } from './connection-options.js'
import { Drive, type DriveSettings, guarded } from './engine/duplex.js'
import { flowOf, load } from './engine/open-flow.js'
import { Sweep } from './engine/sweep.js'
import { BindError, InvalidOptionError, type RefusedError } from './errors.js'
import type { HandshakeEvents, Handshakes } from './handshakes.js'
import type { ListenSettings } from './listen-options.js'
import { openServer } from './open-server.js'
import type { Outcome } from './outcome.js'
import { type Pipeline, planOf } from './pipeline.js'
import type { Plan } from './plan.js'
import type { TlsOptions } from './tls-options.js'
import { type UncaughtOwner, unwatchUncaught, watchUncaught } from './uncaught.js'

/** So many refused connections are waited for until they have read why; those beyond are closed at once. */
const LINGERING = 8

/** The record that tells a TLS client the same before any handshake: alert, fatal, access denied. */
const ACCESS_DENIED = '\x15\x03\x03\x00\x02\x02\x31'

/** The accepting side of a running server. `listen()` makes it. */
export class Listener {
  readonly #server: Server
  #plan: Plan
  readonly #settings: ListenSettings
  readonly #driveSettings: DriveSettings
  readonly #refusalSettings: DriveSettings
  readonly #admission: Admission
  readonly #sweep: Sweep<Drive>
  readonly #refused = new Set<Drive>()
  readonly #uncaught: UncaughtOwner
  readonly #handshakes: Handshakes | undefined
  #accepted = 0
  #refusals = 0
  #forced = 0
  #closed: Promise<void> | undefined
  #finish: (() => void) | undefined

  constructor(
    server: Server,
    plan: Plan,
    settings: ListenSettings,
    connections: ConnectionSettings,
    handshakes?: Handshakes,
  ) {
    this.#server = server
    this.#handshakes = handshakes
    this.address = boundAddress(server, settings.bind)
    this.#plan = plan
    this.#settings = settings
    this.#driveSettings = { ...connections.drive, onDone: this.#onDone }
    this.#refusalSettings = {
      ...connections.drive,
      onDone: this.#onRefused,
      ...(handshakes === undefined ? {} : { farewell: () => ACCESS_DENIED }),
    }
    this.#admission = new Admission(settings.admission)
    this.#sweep = new Sweep(connections.deadlines, settings.clock)
    this.#uncaught = { uncaught: settings.uncaught, blame: this.#blame, close: () => this.close() }
    server.on('connection', socket => this.#accept(socket))
    // A connection that could not be accepted is no reason to end the others.
    server.on('error', error => {
      if (server.listening) process.emitWarning(error)
    })
    settings.signal?.addEventListener('abort', this.#onAbort)
    watchUncaught(this.#uncaught)
  }

  /**
   * The bound address, with the real port where port 0 was asked for. That of a unix socket is its path, its family is
   * `unix`, and its port 0.
   */
  readonly address: AddressInfo

  /** How many connections are open, with those that are in their TLS handshake. */
  get connections(): number {
    return this.#sweep.items.size + (this.#handshakes?.size ?? 0)
  }

  /** How many connections were refused so far. */
  get refused(): number {
    return this.#refusals
  }

  /** Serves connections that come from now on with another pipeline; those that are open keep theirs. */
  async replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    const plan = planOf(pipeline, 'replace()', this.#settings.plan)
    await load(plan)
    this.#plan = plan
  }

  /**
   * Handshakes that begin from now on go by these options; connections that are open go on. Options that are wrong
   * change nothing.
   *
   * @throws InvalidOptionError for an option that is wrong, a certificate that is not one of the key, or a listener
   * that does not speak TLS.
   */
  setSecureContext(options: TlsOptions): void {
    if (this.#handshakes === undefined) {
      throw new InvalidOptionError(
        "setSecureContext(): this listener does not speak TLS; give listen() 'tls'.",
      )
    }
    this.#handshakes.replace('setSecureContext()', options)
  }

  /**
   * Stops accepting; connections that are open go on. Until `resume()` the address is free for others.
   *
   * @throws BindError for an inherited descriptor: once closed it could not be opened again.
   */
  suspend(): void {
    if ('fd' in this.#settings.bind) {
      throw new BindError(
        'suspend(): a descriptor that was inherited cannot be opened again; close the listener, or leave it open',
      )
    }
    if (this.#server.listening) this.#server.close()
  }

  /**
   * Accepts again, on the same address and port, after `suspend()`.
   *
   * @throws BindError when the address cannot be bound again.
   */
  async resume(): Promise<void> {
    if (this.#server.listening || this.#closed !== undefined) return
    const { bind } = this.#settings
    await openServer(this.#server, 'port' in bind ? { ...bind, port: this.address.port } : bind)
  }

  /**
   * Stops accepting and lets connections finish: what has come is answered, a frame that has begun is waited for, then
   * we send FIN (their outcome is `shutdown`). What is left after `timeout` milliseconds is destroyed, and counted as
   * `forced`. Resolves when the last is closed. A second call may shorten the time.
   *
   * @throws InvalidOptionError for a wrong timeout.
   */
  async close(options: { readonly timeout?: number } = {}): Promise<{ readonly forced: number }> {
    const { timeout = this.#settings.shutdownTimeout } = options
    checkNames('close()', options, ['timeout'])
    checkInteger('close()', 'timeout', timeout, 0, LONGEST_TIMEOUT)
    const { clock, signal } = this.#settings
    signal?.removeEventListener('abort', this.#onAbort)
    this.#closed ??= this.#stop()
    const timer = clock.setTimeout(() => this.#destroyAll(), timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return { forced: this.#forced }
  }

  readonly #onAbort = () => void this.close()

  /** The server is closed before the last sockets tell their drives, so both are waited for. */
  async #stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const drive of this.#sweep.items) drive.leave()
    for (const drive of this.#refused) drive.abort('refused')
    this.#handshakes?.abort()
    await closed
    if (this.connections > 0) {
      await new Promise<void>(resolve => {
        this.#finish = resolve
      })
    }
    unwatchUncaught(this.#uncaught)
  }

  #destroyAll(): void {
    for (const drive of this.#sweep.items) if (drive.abort('shutdown')) this.#forced++
  }

  readonly #onDone = (outcome: Outcome, connection: Connection, drive: Drive) => {
    this.#sweep.delete(drive)
    this.#depart(outcome, connection)
  }

  readonly #onUnsecured = (outcome: Outcome, connection: Connection) => {
    if (outcome.reason === 'refused') this.#refusals++
    this.#depart(outcome, connection)
  }

  #depart(outcome: Outcome, connection: Connection): void {
    this.#admission.leave(connection.remoteAddress)
    guarded(() => this.#settings.onOutcome(outcome, connection))
    if (this.connections === 0) this.#finish?.()
  }

  readonly #onRefused = (outcome: Outcome, connection: Connection, drive: Drive) => {
    this.#refused.delete(drive)
    guarded(() => this.#settings.onOutcome(outcome, connection))
  }

  readonly #blame = (asyncId: number, error: unknown): boolean => {
    for (const drive of this.#sweep.known) {
      if (!drive.started(asyncId)) continue
      drive.blame(error)
      return true
    }
    return false
  }

  #accept(socket: Socket): void {
    const connection = new Connection(++this.#accepted, socket, this.#settings.clock)
    // Node forgets the address when the peer has gone. Asked for once now, it stays.
    const refusal = this.#admission.refusal(socket.remoteAddress, this.connections)
    if (refusal !== undefined) {
      this.#refuse(socket, connection, refusal)
      return
    }
    if (this.#handshakes === undefined) this.#serve(socket, connection)
    else this.#handshakes.begin(socket, connection, this.#handshakeEvents)
  }

  readonly #serve = (socket: Socket, connection: Connection) => {
    const drive = new Drive(socket, connection, this.#driveSettings)
    this.#sweep.add(drive)
    drive.start(flowOf(this.#plan, drive))
  }

  readonly #handshakeEvents: HandshakeEvents = { onSecure: this.#serve, onFailed: this.#onUnsecured }

  #refuse(socket: Socket, connection: Connection, refusal: RefusedError): void {
    this.#refusals++
    const drive = new Drive(socket, connection, this.#refusalSettings)
    this.#refused.add(drive)
    drive.refuse(refusal, this.#refused.size <= LINGERING)
  }
}
