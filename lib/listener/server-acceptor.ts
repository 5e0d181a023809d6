import { type AddressInfo, type Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { boundAddress } from '../address.js'
import type { Clock } from '../clock.js'
import { Connection, type Endpoints, keepAddresses } from '../connection.js'
import type { ConnectionSettings } from '../engine/connection-options.js'
import { ConnectionDriver, type DriverSettings } from '../engine/drive/driver.js'
import { guarded } from '../engine/guarded.js'
import { BindError, InvalidOptionError, RefusedError } from '../errors.js'
import { OPEN_FILES } from '../open-files.js'
import type { Outcome } from '../outcome.js'
import { publishRefuse } from '../status/diagnostics.js'
import type { RefusalReason } from '../status/status.js'
import type { Acceptor } from './acceptor.js'
import { Admission } from './admission.js'
import type { Dispatcher, OnGone } from './dispatcher.js'
import type { ListenSettings } from './listen-options.js'
import { openServer } from './open-server.js'
import { ProxyHeaders, type TrustedProxies } from './proxy-headers.js'
import { setInheritedOptions, setOptions } from './socket-options.js'
import { httpRefusal } from './websocket/http-answer.js'

/** Refused connections that may stay open until the client has read why; any more are closed at once. */
const MAX_LINGERING_REFUSALS = 8

/** TLS record with the fatal alert "access denied": before a handshake, a TLS client cannot read the text of a refusal. */
const ACCESS_DENIED_ALERT = '\x15\x03\x03\x00\x02\x02\x31'

/** Acceptor with a server of this process: numbers the connections that are served, and refuses the others. */
export class ServerAcceptor implements Acceptor {
  readonly address: AddressInfo
  readonly worker = undefined
  readonly #server: Server
  #settings: ListenSettings
  #refusalSettings: DriverSettings
  readonly #admission: Admission
  /** Made when the settings first say that connections begin with a PROXY header. */
  #headers: ProxyHeaders | undefined
  readonly #lingering = new Set<ConnectionDriver>()
  #refused = 0
  #isClosed = false
  #dispatcher: Dispatcher | undefined
  /** Whether accepted sockets inherit their options from the listening socket. */
  #inherited: boolean

  constructor(
    server: Server,
    settings: ListenSettings,
    connections: ConnectionSettings,
    admission = new Admission(settings.admission),
  ) {
    this.#server = server
    this.#settings = settings
    this.address = boundAddress(server)
    this.#inherited = setInheritedOptions(server, settings.socket)
    this.#admission = admission
    this.#refusalSettings = this.#refusalSettingsOf(settings, connections)
    this.#follow(settings)
    // A failed accept, for want of a descriptor for example, must not end the other connections.
    server.on('error', error => {
      if (server.listening) process.emitWarning(error)
    })
  }

  get refused(): number {
    return this.#refused
  }

  open(dispatcher: Dispatcher): void {
    this.#dispatcher = dispatcher
    this.#server.on('connection', socket => {
      if (!this.#inherited) setOptions(socket, this.#settings.socket)
      this.#accept(socket, dispatcher)
    })
  }

  take(duplex: Duplex): void {
    const dispatcher = this.#dispatcher as Dispatcher
    if (!dispatcher.servesAnyDuplex) {
      throw new InvalidOptionError(
        'serve(): a listener with workers serves only the connections that it accepts.',
      )
    }
    if (this.#settings.tls !== undefined && !(duplex instanceof Socket)) {
      throw new InvalidOptionError('serve(): a listener with TLS serves sockets only.')
    }
    const socket = duplex as Socket
    if (this.#isClosed) this.#refuse(socket, socket, isClosed(), false)
    else this.#accept(socket, dispatcher)
  }

  change(settings: ListenSettings, connections: ConnectionSettings): void {
    this.#settings = settings
    this.#refusalSettings = this.#refusalSettingsOf(settings, connections)
    this.#admission.change(settings.admission)
    this.#follow(settings)
  }

  async retire(): Promise<void> {
    OPEN_FILES.withdraw(this)
    this.#server.close()
  }

  async settled(): Promise<void> {
    await this.#headers?.settled()
  }

  get isListening(): boolean {
    return this.#server.listening
  }

  async suspend(): Promise<void> {
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

  /** Waits for `served` too: the server emits 'close' before the drivers of its last sockets have finished. */
  async close(served: Promise<number>): Promise<void> {
    this.#isClosed = true
    OPEN_FILES.withdraw(this)
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#headers?.abort(isClosed())
    for (const driver of this.#lingering) driver.abort('refused')
    await closed
    await served
  }

  readonly onGone: OnGone = (connection, reason) => {
    // The connection was admitted, but its TLS handshake failed.
    if (reason === 'refused') this.#refused++
    this.#admission.release(connection)
  }

  #refusalSettingsOf(settings: ListenSettings, connections: ConnectionSettings): DriverSettings {
    return {
      ...connections.drive,
      onDone: this.#onRefused,
      ...(settings.websocket === undefined ? {} : { farewell: httpRefusal }),
      ...(settings.tls === undefined ? {} : { farewell: () => ACCESS_DENIED_ALERT }),
    }
  }

  /** Reads PROXY headers, and asks for descriptors, as the settings say. */
  #follow({ proxies, clock, promised }: ListenSettings): void {
    if (proxies !== undefined) {
      this.#headers ??= this.#readHeaders(proxies, clock)
      this.#headers.trust(proxies)
    }
    const warning = OPEN_FILES.promise(this, promised)
    if (warning !== undefined) process.emitWarning(`listen(): ${warning}`)
  }

  #readHeaders(proxies: TrustedProxies, clock: Clock): ProxyHeaders {
    return new ProxyHeaders(proxies, clock, {
      onRead: (socket, ends, head) => this.#admit(socket, ends, head),
      onRefused: (socket, refusal) => {
        this.#admission.leave()
        this.#refuse(socket, socket, refusal, OPEN_FILES.isLast(descriptorOf(socket)))
      },
      onGone: (socket, error, openedAt) => {
        this.#admission.leave()
        this.#leave(socket, error, openedAt)
      },
    })
  }

  #accept(socket: Socket, dispatcher: Dispatcher): void {
    const isLast = OPEN_FILES.isLast(descriptorOf(socket))
    const open = dispatcher.connections + (this.#headers?.size ?? 0)
    const refusal = this.#admission.enter(open, dispatcher.hasRoom && !isLast)
    if (refusal !== undefined) this.#refuse(socket, socket, refusal, isLast)
    else if (this.#settings.proxies === undefined) this.#admit(socket, socket)
    else this.#headers?.begin(socket)
  }

  /** Serves a connection, or refuses it by its address. `head` is what was read of it already. */
  #admit(socket: Socket, ends: Endpoints, head?: Buffer): void {
    const { clock } = this.#settings
    const refusal = this.#admission.admit(ends)
    if (refusal === undefined) {
      ;(this.#dispatcher as Dispatcher).serve(socket, this.#admission.connect(ends, clock), head)
    } else {
      this.#admission.leave()
      this.#refuse(socket, ends, refusal, false)
    }
  }

  #refuse(socket: Socket, ends: Endpoints, refusal: RefusedError, isLast: boolean): void {
    const connection = new Connection(0, ends, this.#settings.clock)
    this.#refused++
    this.#dispatcher?.book.refused(refusal.rule as RefusalReason)
    keepAddresses(connection)
    publishRefuse(this, connection, refusal)
    const driver = new ConnectionDriver(socket, connection, this.#refusalSettings)
    this.#lingering.add(driver)
    driver.refuse(refusal, !isLast && this.#lingering.size <= MAX_LINGERING_REFUSALS)
  }

  /** Reports a connection whose sender has gone before its PROXY header came. */
  #leave(socket: Socket, error: Error | undefined, openedAt: number): void {
    const { clock } = this.#settings
    const duration = Math.round(clock.now()) - openedAt
    const outcome: Outcome = { reason: 'client-reset', error, bytesRead: 0, bytesWritten: 0, duration }
    this.#tell(outcome, new Connection(0, socket, clock))
  }

  readonly #onRefused = (outcome: Outcome, connection: Connection, driver: ConnectionDriver) => {
    this.#lingering.delete(driver)
    this.#tell(outcome, connection)
  }

  #tell(outcome: Outcome, connection: Connection): void {
    guarded(
      'onOutcome',
      () => this.#settings.onOutcome(outcome, connection),
      connection,
      this.#refusalSettings.onError,
    )
  }
}

/** The number of a socket's descriptor; NaN where the system has none. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null }
  return Number(handle?.fd)
}

function isClosed(): RefusedError {
  return new RefusedError('The listener is closed.', 'the server is closed', 'closed')
}
