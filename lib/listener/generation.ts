import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Connection, keepAddresses, keepTls } from '../connection.js'
import { DeadlineWatch } from '../engine/drive/deadlines.js'
import { ConnectionDriver, type DriverSettings } from '../engine/drive/driver.js'
import { guarded } from '../engine/guarded.js'
import type { Plan } from '../engine/plan.js'
import type { HandshakeEvents, Handshakes } from '../engine/tls/handshakes.js'
import { reuseReads } from '../net/reads/reused-reads.js'
import { OPEN_FILES } from '../open-files.js'
import type { Outcome } from '../outcome.js'
import type { Book } from '../status/book.js'
import { connectionsAreListenedTo, publishClose, publishOpen } from '../status/diagnostics.js'
import type { OnGone } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import type { LocalSettings } from './local-settings.js'
import { stopReadingAtPause } from './socket-options.js'
import type { UpgradeEvents, Upgrades } from './websocket/upgrades.js'

/** The listener's part in each of its generations. */
export interface GenerationHost {
  readonly book: Book
  /** Called with the list of stages that a connection becomes. */
  readonly onList: (plan: Plan) => void
  readonly onGone: OnGone
  /** Called when a connection is over and has been counted. */
  readonly onEnd: () => void
}

/** The connections of a listener that begin with the same options. A reload of these begins the next generation. */
export class Generation {
  readonly settings: ListenSettings
  readonly handshakes: Handshakes | undefined
  readonly #host: GenerationHost
  readonly #driverSettings: DriverSettings
  readonly #watch: DeadlineWatch<ConnectionDriver>
  readonly #upgrades: Upgrades | undefined
  #plan: Plan
  #isDraining = false

  constructor({ plan, settings, connections, handshakes, upgrades }: LocalSettings, host: GenerationHost) {
    this.settings = settings
    this.handshakes = handshakes
    this.#host = host
    this.#plan = plan
    this.#upgrades = upgrades
    this.#watch = new DeadlineWatch(connections.deadlines, settings.clock)
    this.#driverSettings = {
      ...connections.drive,
      onDone: this.#onDone,
      onList: host.onList,
      ownsChunks: true,
      book: host.book,
    }
  }

  /** Open connections, including those in their handshakes. */
  get connections(): number {
    return this.#watch.items.size + (this.handshakes?.size ?? 0) + (this.#upgrades?.size ?? 0)
  }

  /** The connections that are past their handshakes. */
  get drivers(): ReadonlySet<ConnectionDriver> {
    return this.#watch.items
  }

  serve(socket: Socket, connection: Connection, head?: Buffer): void {
    OPEN_FILES.hold()
    this.#host.book.opened()
    if (head !== undefined) socket.unshift(head)
    if (this.#isAskedFor) keepAddresses(connection)
    publishOpen(connection)
    guarded('onOpen', () => this.settings.onOpen(connection), connection, this.#driverSettings.onError)
    if (this.handshakes === undefined) this.#enter(socket, connection)
    else this.handshakes.begin(socket, connection, this.#handshakeEvents)
  }

  /** Connections that begin from now on get another list of stages. */
  replace(plan: Plan): void {
    this.#plan = plan
    this.#upgrades?.follow(plan)
  }

  /** Lets the connections finish, also those whose handshake is under way. */
  drain(): void {
    this.#isDraining = true
    this.handshakes?.dismiss()
    this.#upgrades?.drain()
    for (const driver of this.#watch.items) driver.drain()
  }

  /** Destroys the connections; returns their number. */
  destroyAll(): number {
    let count = 0
    for (const driver of this.#watch.items) if (driver.abort('shutdown')) count++
    return count + (this.handshakes?.abort() ?? 0) + (this.#upgrades?.abort() ?? 0)
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
    return this.settings.tells || this.#plan.asks || connectionsAreListenedTo()
  }

  /** Takes a socket whose TLS handshake is over, if it has one. */
  readonly #enter = (socket: Socket, connection: Connection) => {
    if (this.handshakes !== undefined && this.#isAskedFor) keepTls(connection)
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
    if (this.#isDraining) driver.drain()
  }

  readonly #onDone = (outcome: Outcome, connection: Connection, driver: ConnectionDriver) => {
    this.#watch.delete(driver)
    this.#end(outcome, connection, driver)
  }

  readonly #end = (outcome: Outcome, connection: Connection, driver?: ConnectionDriver) => {
    const { book, onGone, onEnd } = this.#host
    OPEN_FILES.release()
    if (outcome.reason === 'refused') book.turnedAway()
    else book.ended(outcome, driver)
    onGone(connection, outcome.reason)
    publishClose(connection, outcome)
    guarded(
      'onOutcome',
      () => this.settings.onOutcome(outcome, connection),
      connection,
      this.#driverSettings.onError,
    )
    onEnd()
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
