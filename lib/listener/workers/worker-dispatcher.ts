import type { AddressInfo, Socket } from 'node:net'
import type { Timer } from '../../clock.js'
import { MAX_TIMEOUT_MS } from '../../clock.js'
import { Connection } from '../../connection.js'
import { guarded } from '../../engine/guarded.js'
import { InvalidOptionError, type WorkerError } from '../../errors.js'
import { OPEN_FILES } from '../../open-files.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Reason } from '../../outcome.js'
import { Book } from '../../status/book.js'
import type { Status } from '../../status/status.js'
import type { Tap, TapEvent } from '../../status/tap-event.js'
import type { TapSettings } from '../../status/tap-options.js'
import type { Dispatcher, ListenerFacts, OnGone } from '../dispatcher.js'
import { type LocalSettings, withoutTls } from '../local-dispatcher.js'
import type { ServerAcceptor } from '../server-acceptor.js'
import { stopReading } from '../socket-options.js'
import { freeName } from './listener-names.js'
import type { ServedConnection, WorkerListenerMessage } from './messages.js'
import { EXIT_GRACE_MS, type PoolUser, type WorkerPool } from './pool.js'
import type { WorkerProcess } from './worker-process.js'
import { WorkerStatuses } from './worker-statuses.js'
import { WorkerTaps } from './worker-taps.js'

/** An open connection, as the primary keeps it. */
interface OpenConnection {
  readonly connection: Connection
  readonly openedAt: number
  /** The facts that its worker is sent. */
  readonly served: ServedConnection
  /** The worker that it was sent to; undefined while no worker is ready. */
  worker: WorkerProcess | undefined
  /** Kept until the worker has taken it: if the worker dies before, the socket is sent to another one. */
  socket: Socket | undefined
}

/** Dispatcher of the primary: sends sockets to workers, and keeps a list of the connections that they serve. */
export class WorkerDispatcher implements Dispatcher, PoolUser {
  readonly name: string
  readonly servesAnyDuplex = false
  /** Connections that were opened and have ended; the rest is in the books of the workers. */
  readonly book: Book
  readonly #statuses: WorkerStatuses
  readonly #taps: WorkerTaps
  isClosing = false
  /** Resolves when a worker is ready or the listener is closed; rejects when no worker can be started. */
  readonly ready: Promise<void>
  readonly #pool: WorkerPool
  readonly #local: LocalSettings
  readonly #address: AddressInfo
  readonly #onGone: OnGone
  readonly #open = new Map<number, OpenConnection>()
  #total = 0
  #forced = 0
  #replacedTls: TlsOptions | undefined
  #isReady = false
  #resolveReady!: () => void
  #rejectReady!: (error: WorkerError) => void
  #closed: Promise<void> | undefined
  #resolveClosed: (() => void) | undefined

  constructor(name: string, pool: WorkerPool, local: LocalSettings, { address, onGone }: ServerAcceptor) {
    this.name = name
    this.#pool = pool
    this.#local = local
    const { clock, observe } = local.settings
    this.book = new Book(clock, observe, () => [])
    this.book.serve(local.plan.listed)
    this.#statuses = new WorkerStatuses(name, clock)
    this.#taps = new WorkerTaps(name, pool)
    this.#address = address
    this.#onGone = onGone
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve
      this.#rejectReady = reject
    })
    pool.add(this)
  }

  get connections(): number {
    return this.#open.size
  }

  get hasRoom(): boolean {
    const worker = this.#pool.leastLoaded(this.name)
    // Without a worker, connections wait in this process.
    return (worker?.connections ?? this.#open.size) < OPEN_FILES.capacity
  }

  serve(socket: Socket, served: Connection, head?: Buffer): void {
    const { id, clock, remoteAddress, remotePort } = served
    const number = ++this.#total
    this.book.opened()
    // Node keeps a list, for each worker, of the sent sockets that have a server. When the server closes, it waits for
    // the answer of each worker, for ever if a worker has died. A socket without its server is not on the list.
    Object.assign(socket, { server: undefined })
    const connection = new Connection(id, { remoteAddress, remotePort }, clock)
    const open: OpenConnection = {
      connection,
      openedAt: clock.now(),
      served: this.#local.settings.proxies === undefined ? { id, number } : withHeader(served, number, head),
      worker: undefined,
      socket,
    }
    // Its header was read here; the rest is the worker's.
    if (open.served.ends !== undefined) stopReading(socket)
    this.#open.set(id, open)
    this.#assign(open)
  }

  async status({ worker, ...facts }: ListenerFacts): Promise<Status> {
    const { makeStatus } = await import('../../status/make-status.js')
    const limit = this.#local.settings.admission.maxConnections
    const connections = { open: this.connections, handshaking: 0, limit }
    const own = makeStatus(this.book, { ...facts, worker, connections, workers: [] })
    return this.#statuses.addTo(own, this.#pool.workersOf(this.name))
  }

  async tap(settings: TapSettings, onEvent: (event: TapEvent) => void): Promise<Tap> {
    const { isMeant } = await import('../../status/taps.js')
    const open = [...this.#open.values()].filter(({ connection }) => isMeant(settings, connection))
    return this.#taps.add(settings, onEvent, open.length)
  }

  async replace(): Promise<never> {
    throw new InvalidOptionError(
      'replace(): a pipeline cannot be sent to workers; change the script, and start it again.',
    )
  }

  setSecureContext(options: TlsOptions): void {
    if (this.#local.handshakes === undefined) throw withoutTls()
    // The primary makes no handshakes, but it is its caller who has to hear of wrong options.
    this.#local.handshakes.replace('setSecureContext()', options)
    this.#replacedTls = withPemAsText(options)
    this.#pool.broadcast(this.name, { bywash: 'secure', listener: this.name, tls: this.#replacedTls })
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.#local.settings
    this.#closed ??= this.#drain()
    this.#pool.broadcast(this.name, { bywash: 'close', listener: this.name, timeout })
    // A worker that hangs cannot destroy its connections itself.
    const timer: Timer = clock.setTimeout(
      () => this.#pool.kill(this.name),
      Math.min(timeout + EXIT_GRACE_MS, MAX_TIMEOUT_MS),
    )
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
  }

  /** Stages run in workers, so no connection fails in the primary. */
  failConnection(): boolean {
    return false
  }

  onReady(worker: WorkerProcess): void {
    const { name: listener } = this
    worker.send({
      bywash: 'bound',
      listener,
      address: this.#address,
      ...(this.#replacedTls && { tls: this.#replacedTls }),
    })
    this.#taps.onReady(worker)
    if (this.isClosing) {
      // It came too late for the message to all workers, and has no connection to wait for.
      worker.send({ bywash: 'close', listener, timeout: 0 })
      return
    }
    for (const open of this.#open.values()) if (open.worker === undefined) this.#assign(open)
    this.#isReady = true
    this.#resolveReady()
  }

  onMessage(worker: WorkerProcess, message: WorkerListenerMessage): void {
    switch (message.bywash) {
      case 'taken':
        this.#onTaken(message.id)
        break
      case 'over':
        this.#end(message.id, message.reason)
        break
      case 'status':
        this.#statuses.onStatus(worker, message.status)
        break
      case 'tapped':
        this.#taps.onEvent(message.tap, message.event)
        break
      case 'count':
        worker.send({ bywash: 'total', listener: this.name, total: this.#total })
        break
      case 'leaving':
        this.#reassignUntaken(worker)
        break
      case 'closed':
        this.#forced += this.isClosing ? message.forced : 0
        worker.listeners.delete(this.name)
        worker.send({ bywash: 'dismissed', listener: this.name })
        this.#finishIfEmpty()
    }
  }

  onGone(worker: WorkerProcess, error: WorkerError): void {
    this.#statuses.onGone(worker)
    this.#reassignUntaken(worker)
    for (const open of this.#open.values()) {
      if (open.worker === worker) this.#cutOff(open, 'worker-died', error)
    }
    this.#finishIfEmpty()
  }

  onFailure(error: WorkerError): void {
    this.#rejectReady(error)
    // `listen()` has resolved already, so this becomes an uncaught error, with which the policy `uncaught` deals.
    if (this.#isReady) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  async #drain(): Promise<void> {
    this.isClosing = true
    this.#resolveReady()
    const closed = new Promise<void>(resolve => {
      this.#resolveClosed = resolve
    })
    for (const open of this.#open.values()) if (open.worker === undefined) this.#cutOff(open, 'shutdown')
    this.#finishIfEmpty()
    await closed
    await this.#pool.remove(this)
    freeName(this.name)
    this.book.close()
  }

  #finishIfEmpty(): void {
    if (this.#open.size === 0 && !this.#pool.isInUse(this.name)) this.#resolveClosed?.()
  }

  #assign(open: OpenConnection): void {
    const worker = this.#pool.choose(this.name)
    open.worker = worker
    if (worker !== undefined) {
      worker.connections++
      worker.send({ bywash: 'serve', listener: this.name, ...open.served }, open.socket)
    } else if (this.isClosing) {
      this.#cutOff(open, 'shutdown')
    }
  }

  /** Sends the connections that a worker has not taken to other workers. */
  #reassignUntaken(worker: WorkerProcess): void {
    for (const open of this.#open.values()) {
      if (open.worker !== worker || open.socket === undefined) continue
      worker.connections--
      this.#assign(open)
    }
  }

  /** Closes the primary's copy of a socket, since the worker has its own now. */
  #onTaken(id: number): void {
    const open = this.#open.get(id) as OpenConnection
    open.socket?.destroy()
    open.socket = undefined
  }

  #cutOff(open: OpenConnection, reason: Reason, error?: WorkerError): void {
    const { connection, openedAt } = open
    const duration = Math.round(connection.clock.now() - openedAt)
    open.socket?.destroy()
    if (this.isClosing) this.#forced++
    this.#end(connection.id, reason)
    const outcome = { reason, error, bytesRead: 0, bytesWritten: 0, duration }
    const { settings, connections } = this.#local
    guarded('onOutcome', () => settings.onOutcome(outcome, connection), connection, connections.drive.onError)
  }

  #end(id: number, reason: Reason): void {
    const { connection, worker } = this.#open.get(id) as OpenConnection
    this.#open.delete(id)
    if (reason === 'refused') this.book.turnedAway()
    else this.book.ended({ reason, error: undefined, bytesRead: 0, bytesWritten: 0, duration: 0 })
    if (worker !== undefined) worker.connections--
    this.#onGone(connection, reason)
  }
}

/** The facts about a connection whose PROXY header was read. */
function withHeader(connection: Connection, number: number, head: Buffer | undefined): ServedConnection {
  const { id, remoteAddress, remotePort, localAddress, localPort } = connection
  const ends = { remoteAddress, remotePort, localAddress, localPort }
  return { id, number, ends, ...(head && { head: head.toString('base64') }) }
}

/** The options with PEM as text instead of bytes: messages between processes are JSON. */
function withPemAsText(options: TlsOptions): TlsOptions {
  const text = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(text)
    return Buffer.isBuffer(value) ? value.toString('latin1') : value
  }
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, text(value)])) as never
}
