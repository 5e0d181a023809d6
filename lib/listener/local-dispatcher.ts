import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Connection, keepAddresses, keepTls } from '../connection.js'
import type { ConnectionSettings } from '../engine/connection-options.js'
import { DeadlineWatch } from '../engine/drive/deadlines.js'
import { ConnectionDriver, type DriverSettings } from '../engine/drive/driver.js'
import { load } from '../engine/flow/open-flow.js'
import { guarded } from '../engine/guarded.js'
import type { Plan } from '../engine/plan.js'
import type { HandshakeEvents, Handshakes } from '../engine/tls/handshakes.js'
import { InvalidOptionError } from '../errors.js'
import { reuseReads } from '../net/reads/reused-reads.js'
import { OPEN_FILES } from '../open-files.js'
import type { TlsOptions } from '../options/tls-options.js'
import type { Outcome } from '../outcome.js'
import { type Pipeline, planOf } from '../pipeline.js'
import { finishAll, giveUpAll, type SideWrites } from '../side-writes.js'
import { Book } from '../status/book.js'
import { connectionsAreListenedTo, publishClose, publishOpen } from '../status/diagnostics.js'
import type { Status } from '../status/status.js'
import type { Tally } from '../status/tally.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import type { TapSettings } from '../status/taps/tap-options.js'
import type { Dispatcher, ListenerFacts, OnGone } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import { stopReadingAtPause } from './socket-options.js'
import type { UpgradeEvents, Upgrades } from './websocket/upgrades.js'

/** Checked and loaded settings with which a process serves the connections of a listener. */
export interface LocalSettings {
  readonly plan: Plan
  readonly settings: ListenSettings
  readonly connections: ConnectionSettings
  readonly handshakes: Handshakes | undefined
  readonly upgrades: Upgrades | undefined
  /** Where connections are counted. @default in the book of the dispatcher */
  readonly tally?: Tally
}

/**
 * Time that copies which are not written yet get, beyond that of the connections. A disk needs milliseconds, and a FIFO
 * that nobody reads would need for ever.
 */
const SIDE_WRITES_GRACE_MS = 500

/** Dispatcher that serves connections in this process. */
export class LocalDispatcher implements Dispatcher {
  readonly servesAnyDuplex = true
  readonly book: Book
  #plan: Plan
  readonly #settings: ListenSettings
  readonly #driverSettings: DriverSettings
  readonly #watch: DeadlineWatch<ConnectionDriver>
  readonly #handshakes: Handshakes | undefined
  readonly #upgrades: Upgrades | undefined
  readonly #onGone: OnGone
  /** Those of the stages of all pipelines that it has served. */
  readonly #sideWrites: Set<SideWrites>
  #forced = 0
  #closed: Promise<void> | undefined
  #resolveClosed: (() => void) | undefined

  constructor({ plan, settings, connections, handshakes, upgrades, tally }: LocalSettings, onGone: OnGone) {
    this.#plan = plan
    this.#settings = settings
    this.#watch = new DeadlineWatch(connections.deadlines, settings.clock)
    this.book = new Book(settings.clock, settings.observe, () => this.#watch.items, tally)
    this.book.serve(plan.listed)
    this.#driverSettings = {
      ...connections.drive,
      onDone: this.#onDone,
      onList: this.#noteSideWrites,
      ownsChunks: true,
      book: this.book,
    }
    this.#handshakes = handshakes
    this.#upgrades = upgrades
    this.#onGone = onGone
    this.#sideWrites = new Set(plan.sideWrites)
  }

  get connections(): number {
    return this.#watch.items.size + (this.#handshakes?.size ?? 0) + (this.#upgrades?.size ?? 0)
  }

  get hasRoom(): boolean {
    return OPEN_FILES.hasRoom
  }

  async status({ worker, ...facts }: ListenerFacts): Promise<Status> {
    const { makeStatus } = await import('../status/make-status.js')
    const connections = {
      open: this.connections,
      handshaking: this.connections - this.#watch.items.size,
      limit: this.#settings.admission.maxConnections,
    }
    return makeStatus(this.book, { ...facts, worker, connections, workers: [] })
  }

  async tap(settings: TapSettings, onEvent: (event: TapEvent) => void): Promise<Tap> {
    // Loaded by the first tap: most programs have none.
    const { attachTap } = await import('../status/taps/taps.js')
    return attachTap(this.book, settings, onEvent)
  }

  serve(socket: Socket, connection: Connection, head?: Buffer): void {
    OPEN_FILES.hold()
    this.book.opened()
    if (head !== undefined) socket.unshift(head)
    if (this.#isAskedFor) keepAddresses(connection)
    publishOpen(connection)
    guarded('onOpen', () => this.#settings.onOpen(connection), connection, this.#driverSettings.onError)
    if (this.#handshakes === undefined) this.#enter(socket, connection)
    else this.#handshakes.begin(socket, connection, this.#handshakeEvents)
  }

  async replace(pipeline: Pipeline<Buffer, Buffer>): Promise<void> {
    const plan = planOf(pipeline, 'replace()', this.#settings.plan)
    await load(plan)
    this.#plan = plan
    this.book.serve(plan.listed)
    this.#upgrades?.follow(plan)
    this.#noteSideWrites(plan)
  }

  readonly #noteSideWrites = ({ sideWrites }: Plan) => {
    for (const each of sideWrites) this.#sideWrites.add(each)
  }

  setSecureContext(options: TlsOptions): void {
    if (this.#handshakes === undefined) throw withoutTls()
    this.#handshakes.replace('setSecureContext()', options)
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.#settings
    this.#closed ??= this.#drain()
    let timer = clock.setTimeout(() => {
      this.#destroyAll()
      timer = clock.setTimeout(() => giveUpAll(this.#sideWrites), SIDE_WRITES_GRACE_MS)
    }, timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
  }

  failConnection(asyncId: number, error: unknown): boolean {
    for (const driver of this.#watch.traceable) {
      if (!driver.started(asyncId)) continue
      driver.onUncaught(error)
      return true
    }
    return false
  }

  /** Whether somebody may look at a connection, also when its peer has gone. */
  get #isAskedFor(): boolean {
    return this.#settings.tells || this.#plan.asks || connectionsAreListenedTo()
  }

  /** Takes a socket whose TLS handshake is over, if it has one. */
  readonly #enter = (socket: Socket, connection: Connection) => {
    if (this.#handshakes !== undefined && this.#isAskedFor) keepTls(connection)
    if (socket instanceof Socket) stopReadingAtPause(socket)
    if (this.#upgrades === undefined) this.#begin(socket, connection)
    else this.#upgrades.begin(socket, connection, this.#upgradeEvents)
  }

  readonly #begin = (socket: Duplex, connection: Connection) => {
    const isOwn = socket instanceof Socket
    // Others may hold the chunks of any other Duplex.
    const settings = isOwn ? this.#driverSettings : { ...this.#driverSettings, ownsChunks: false }
    const driver = new ConnectionDriver(socket, connection, settings)
    this.#watch.add(driver)
    if (isOwn) reuseReads(socket)
    driver.start(this.#plan)
    // The listener was closed during the handshake of this connection.
    if (this.#closed !== undefined) driver.drain()
  }

  async #drain(): Promise<void> {
    this.#handshakes?.dismiss()
    this.#upgrades?.drain()
    for (const driver of this.#watch.items) driver.drain()
    if (this.connections > 0) {
      await new Promise<void>(resolve => {
        this.#resolveClosed = resolve
      })
    }
    await finishAll(this.#sideWrites)
    this.book.close()
  }

  #destroyAll(): void {
    for (const driver of this.#watch.items) if (driver.abort('shutdown')) this.#forced++
    this.#forced += (this.#handshakes?.abort() ?? 0) + (this.#upgrades?.abort() ?? 0)
  }

  readonly #onDone = (outcome: Outcome, connection: Connection, driver: ConnectionDriver) => {
    this.#watch.delete(driver)
    this.#end(outcome, connection, driver)
  }

  readonly #end = (outcome: Outcome, connection: Connection, driver?: ConnectionDriver) => {
    OPEN_FILES.release()
    if (outcome.reason === 'refused') this.book.turnedAway()
    else this.book.ended(outcome, driver)
    this.#onGone(connection, outcome.reason)
    publishClose(connection, outcome)
    guarded(
      'onOutcome',
      () => this.#settings.onOutcome(outcome, connection),
      connection,
      this.#driverSettings.onError,
    )
    if (this.connections === 0) this.#resolveClosed?.()
  }

  readonly #handshakeEvents: HandshakeEvents = {
    onSecure: this.#enter,
    onFailed: (outcome, connection) => this.#end(outcome, connection),
  }
  readonly #upgradeEvents: UpgradeEvents = {
    onOpen: this.#begin,
    onFailed: (outcome, connection) => this.#end(outcome, connection),
  }
}

/** The error of setSecureContext() on a listener without TLS. */
export function withoutTls(): InvalidOptionError {
  return new InvalidOptionError("setSecureContext(): this listener does not speak TLS; give listen() 'tls'.")
}
