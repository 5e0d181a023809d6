import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { boundAddress } from '../address.js'
import { Connection, keepAddresses } from '../connection.js'
import type { ConnectionSettings } from '../engine/connection-options.js'
import { ConnectionDriver, type DriverSettings } from '../engine/drive/driver.js'
import { guarded } from '../engine/guarded.js'
import { BindError, type RefusedError } from '../errors.js'
import type { Outcome } from '../outcome.js'
import type { Acceptor } from './acceptor.js'
import { Admission } from './admission.js'
import type { Dispatcher, OnGone } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import { openServer } from './open-server.js'
import { setInheritedOptions, setOptions } from './socket-options.js'

/** So many refused connections are waited for until they have read why; those beyond are closed at once. */
const MAX_LINGERING_REFUSALS = 8

/** The record that tells a TLS client the same before any handshake: alert, fatal, access denied. */
const ACCESS_DENIED_ALERT = '\x15\x03\x03\x00\x02\x02\x31'

/** Accepts connections, numbers those that are served, and refuses the others. */
export class ServerAcceptor implements Acceptor {
  readonly address: AddressInfo
  readonly worker = undefined
  #server: Server
  readonly #settings: ListenSettings
  readonly #refusalSettings: DriverSettings
  readonly #admission: Admission
  readonly #lingering = new Set<ConnectionDriver>()
  #served = 0
  #refused = 0
  #isClosed = false
  /** Connections have their socket's options from the one that listens. */
  #inherited: boolean

  constructor(server: Server, settings: ListenSettings, connections: ConnectionSettings) {
    this.#server = server
    this.#settings = settings
    this.address = boundAddress(server)
    this.#inherited = setInheritedOptions(server, settings.socket)
    this.#admission = new Admission(settings.admission)
    this.#refusalSettings = {
      ...connections.drive,
      onDone: this.#onRefused,
      ...(settings.tls === undefined ? {} : { farewell: () => ACCESS_DENIED_ALERT }),
    }
    // A connection that could not be accepted is no reason to end the others.
    server.on('error', error => {
      if (server.listening) process.emitWarning(error)
    })
  }

  get refused(): number {
    return this.#refused
  }

  open(dispatcher: Dispatcher): void {
    this.#server.on('connection', socket => this.#accept(socket, dispatcher))
  }

  /** Gives the server away: nothing more is accepted here, and nothing of it is closed. */
  detachServer(): Server {
    const server = this.#server.removeAllListeners('connection').removeAllListeners('error')
    this.#server = createServer()
    return server
  }

  /** Makes an acceptor with other settings of the same server. */
  handOver(settings: ListenSettings, connections: ConnectionSettings): ServerAcceptor {
    const next = new ServerAcceptor(this.detachServer(), settings, connections)
    next.#served = this.#served
    return next
  }

  suspend(): void {
    if (!this.#server.listening) return
    if ('fd' in this.#settings.bind) {
      throw new BindError(
        'suspend(): a descriptor that was inherited cannot be opened again; close the listener, or leave it open',
      )
    }
    this.#server.close()
  }

  async resume(): Promise<void> {
    if (this.#server.listening || this.#isClosed) return
    const { bind } = this.#settings
    await openServer(this.#server, 'port' in bind ? { ...bind, port: this.address.port } : bind)
    this.#inherited = setInheritedOptions(this.#server, this.#settings.socket)
  }

  /** The server is closed before the last sockets tell their drivers, so both are waited for. */
  async close(served: Promise<number>): Promise<void> {
    this.#isClosed = true
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const driver of this.#lingering) driver.abort('refused')
    await closed
    await served
  }

  readonly onGone: OnGone = (connection, reason) => {
    // It was admitted, and then its handshake failed.
    if (reason === 'refused') this.#refused++
    this.#admission.release(connection)
  }

  #accept(socket: Socket, dispatcher: Dispatcher): void {
    const { clock, socket: options } = this.#settings
    if (!this.#inherited) setOptions(socket, options)
    const refusal = this.#admission.admit(socket, dispatcher.connections)
    if (refusal === undefined) dispatcher.serve(socket, new Connection(++this.#served, socket, clock))
    else this.#refuse(socket, new Connection(0, socket, clock), refusal)
  }

  #refuse(socket: Socket, connection: Connection, refusal: RefusedError): void {
    this.#refused++
    keepAddresses(connection)
    const driver = new ConnectionDriver(socket, connection, this.#refusalSettings)
    this.#lingering.add(driver)
    driver.refuse(refusal, this.#lingering.size <= MAX_LINGERING_REFUSALS)
  }

  readonly #onRefused = (outcome: Outcome, connection: Connection, driver: ConnectionDriver) => {
    this.#lingering.delete(driver)
    guarded(() => this.#settings.onOutcome(outcome, connection))
  }
}
