import type { AddressInfo, Socket } from 'node:net'
import type { Timer } from '../../clock.js'
import { Connection } from '../../connection.js'
import { MAX_TIMEOUT_MS } from '../../engine/connection-options.js'
import { guarded } from '../../engine/guarded.js'
import { InvalidOptionError, type WorkerError } from '../../errors.js'
import type { Reason } from '../../outcome.js'
import type { Dispatcher, OnGone } from '../dispatcher.js'
import { type LocalSettings, withoutTls } from '../local-dispatcher.js'
import type { ServerAcceptor } from '../server-acceptor.js'
import type { TlsOptions } from '../tls/tls-options.js'
import { freeName } from './listener-names.js'
import type { News } from './messages.js'
import { GRACE, type Member, type Pool } from './pool.js'
import type { WorkerProcess } from './worker-process.js'

/** A connection, as the primary knows it. */
interface Open {
  readonly connection: Connection
  readonly openedAt: number
  /** Whom it was given to; nobody while no worker is ready. */
  worker: WorkerProcess | undefined
  /** Here until the worker has taken it: if it dies before that, another one gets it. */
  socket: Socket | undefined
}

/** Serves the connections of a listener in workers: hands over sockets, and keeps the books. */
export class WorkerDispatcher implements Dispatcher, Member {
  readonly name: string
  isClosing = false
  /** Resolves when a worker can serve, or the listener is closed; rejects when no worker can be started. */
  readonly ready: Promise<void>
  readonly #pool: Pool
  readonly #local: LocalSettings
  readonly #address: AddressInfo
  readonly #onGone: OnGone
  readonly #open = new Map<number, Open>()
  #total = 0
  #forced = 0
  #tls: TlsOptions | undefined
  #isReady = false
  #begin: () => void = () => {}
  #fail: (error: WorkerError) => void = () => {}
  #closed: Promise<void> | undefined
  #finish: (() => void) | undefined

  constructor(name: string, pool: Pool, local: LocalSettings, { address, onGone }: ServerAcceptor) {
    this.name = name
    this.#pool = pool
    this.#local = local
    this.#address = address
    this.#onGone = onGone
    this.ready = new Promise((resolve, reject) => {
      this.#begin = resolve
      this.#fail = reject
    })
    pool.join(this)
  }

  get connections(): number {
    return this.#open.size
  }

  serve(socket: Socket, { id, clock, remoteAddress, remotePort }: Connection): void {
    this.#total = id
    // For sockets of a server that it has sent, Node keeps accounts with each worker. When the server closes it waits
    // for their answers, and for ever where one has died.
    Object.assign(socket, { server: undefined })
    const connection = new Connection(id, { remoteAddress, remotePort }, clock)
    const open: Open = { connection, openedAt: clock.now(), worker: undefined, socket }
    this.#open.set(id, open)
    this.#give(open)
  }

  async replace(): Promise<never> {
    throw new InvalidOptionError(
      'replace(): a pipeline cannot be sent to workers; change the script, and start it again.',
    )
  }

  setSecureContext(options: TlsOptions): void {
    if (this.#local.handshakes === undefined) throw withoutTls()
    // Nobody shakes hands here, but what is wrong is to be said here.
    this.#local.handshakes.replace('setSecureContext()', options)
    this.#tls = asText(options)
    this.#pool.tell(this.name, { bywash: 'secure', listener: this.name, tls: this.#tls })
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.#local.settings
    this.#closed ??= this.#leave()
    this.#pool.tell(this.name, { bywash: 'close', listener: this.name, timeout })
    // One that hangs cannot destroy anything.
    const timer: Timer = clock.setTimeout(
      () => this.#pool.kill(this.name),
      Math.min(timeout + GRACE, MAX_TIMEOUT_MS),
    )
    await this.#closed
    clock.clearTimeout(timer)
    return this.#forced
  }

  /** Stages run in workers, and so do their errors. */
  blame(): boolean {
    return false
  }

  onReady(worker: WorkerProcess): void {
    if (this.isClosing) return
    const { name: listener } = this
    worker.tell({ bywash: 'bound', listener, address: this.#address, ...(this.#tls && { tls: this.#tls }) })
    for (const open of this.#open.values()) if (open.worker === undefined) this.#give(open)
    this.#isReady = true
    this.#begin()
  }

  onReport(worker: WorkerProcess, news: News): void {
    switch (news.bywash) {
      case 'taken':
        this.#release(news.id)
        break
      case 'over':
        this.#end(news.id, news.reason)
        break
      case 'count':
        worker.tell({ bywash: 'total', listener: this.name, total: this.#total })
        break
      case 'leaving':
        this.#take(worker)
        break
      case 'closed':
        this.#forced += this.isClosing ? news.forced : 0
        worker.listeners.delete(this.name)
        worker.tell({ bywash: 'dismissed', listener: this.name })
        this.#check()
    }
  }

  onGone(worker: WorkerProcess, error: WorkerError): void {
    this.#take(worker)
    for (const open of this.#open.values()) if (open.worker === worker) this.#cut(open, 'worker-died', error)
    this.#check()
  }

  onFailure(error: WorkerError): void {
    this.#fail(error)
    // An error that nobody caught: the policy `uncaught` decides.
    if (this.#isReady) {
      process.nextTick(() => {
        throw error
      })
    }
  }

  async #leave(): Promise<void> {
    this.isClosing = true
    this.#begin()
    const closed = new Promise<void>(resolve => {
      this.#finish = resolve
    })
    for (const open of this.#open.values()) if (open.worker === undefined) this.#cut(open, 'shutdown')
    this.#check()
    await closed
    await this.#pool.leave(this)
    freeName(this.name)
  }

  #check(): void {
    if (this.#open.size === 0 && !this.#pool.has(this.name)) this.#finish?.()
  }

  #give(open: Open): void {
    const worker = this.#pool.choose(this.name)
    open.worker = worker
    if (worker !== undefined) {
      worker.connections++
      worker.tell({ bywash: 'serve', listener: this.name, id: open.connection.id }, open.socket)
    } else if (this.isClosing) {
      this.#cut(open, 'shutdown')
    }
  }

  /** Gives to others what a worker has not taken. */
  #take(worker: WorkerProcess): void {
    for (const open of this.#open.values()) {
      if (open.worker !== worker || open.socket === undefined) continue
      worker.connections--
      this.#give(open)
    }
  }

  /** The worker has it, so it need not stay open here. */
  #release(id: number): void {
    const open = this.#open.get(id) as Open
    open.socket?.destroy()
    open.socket = undefined
  }

  #cut(open: Open, reason: Reason, error?: WorkerError): void {
    const { connection, openedAt } = open
    const duration = Math.round(connection.clock.now() - openedAt)
    open.socket?.destroy()
    if (this.isClosing) this.#forced++
    this.#end(connection.id, reason)
    const outcome = { reason, error, bytesRead: 0, bytesWritten: 0, duration }
    guarded(() => this.#local.settings.onOutcome(outcome, connection))
  }

  #end(id: number, reason: Reason): void {
    const { connection, worker } = this.#open.get(id) as Open
    this.#open.delete(id)
    if (worker !== undefined) worker.connections--
    this.#onGone(connection, reason)
  }
}

/** Messages are JSON, and PEM is text. */
function asText(options: TlsOptions): TlsOptions {
  const text = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(text)
    return Buffer.isBuffer(value) ? value.toString('latin1') : value
  }
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, text(value)])) as never
}
