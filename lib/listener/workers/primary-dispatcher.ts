import type { AddressInfo } from 'node:net'
import { MAX_TIMEOUT_MS, type Timer } from '../../clock.js'
import type { Connection } from '../../connection.js'
import { guarded } from '../../engine/guarded.js'
import { InvalidOptionError, type WorkerError } from '../../errors.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Reason } from '../../outcome.js'
import type { Book } from '../../status/book.js'
import type { Status } from '../../status/status.js'
import type { Tap, TapEvent } from '../../status/taps/tap-event.js'
import type { TapSettings } from '../../status/taps/tap-options.js'
import type { Dispatcher, ListenerFacts } from '../dispatcher.js'
import { withoutTls } from '../local-dispatcher.js'
import type { LocalSettings } from '../local-settings.js'
import { WorkerAnswers } from './answers.js'
import { freeName } from './listener-names.js'
import type { WorkerListenerMessage } from './messages.js'
import { EXIT_GRACE_MS, type PoolUser, type WorkerPool } from './pool.js'
import type { WorkerProcess } from './worker-process.js'
import { WorkerStatuses } from './worker-statuses.js'
import { WorkerTaps } from './worker-taps.js'

/** The time that workers have to change a listener, before the others go on without their answer. */
const CHANGE_MS = 5_000

/** Dispatcher of the primary: its connections are served by workers, however they come to them. */
export abstract class PrimaryDispatcher implements Dispatcher, PoolUser {
  readonly name: string
  readonly servesAnyDuplex = false
  /** Connections that were opened and have ended; the rest is in the books of the workers. */
  abstract readonly book: Book
  isClosing = false
  /** Resolves when a worker is ready or the listener is closed; rejects when no worker can be started. */
  readonly ready: Promise<void>
  protected readonly pool: WorkerPool
  protected local: LocalSettings
  readonly #address: AddressInfo
  readonly #statuses: WorkerStatuses
  readonly #taps: WorkerTaps
  /** The answers to `change`. */
  readonly #changes = new WorkerAnswers()
  #forced = 0
  #replacedTls: TlsOptions | undefined
  #isReady = false
  #resolveReady!: () => void
  #rejectReady!: (error: WorkerError) => void
  #closed: Promise<void> | undefined
  #resolveClosed: (() => void) | undefined

  constructor(name: string, pool: WorkerPool, local: LocalSettings, address: AddressInfo) {
    this.name = name
    this.pool = pool
    this.local = local
    this.#address = address
    this.#statuses = new WorkerStatuses(name, local.settings.clock)
    this.#taps = new WorkerTaps(name, pool)
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve
      this.#rejectReady = reject
    })
  }

  abstract get connections(): number

  abstract get hasRoom(): boolean

  abstract serve(...connection: Parameters<Dispatcher['serve']>): void

  /** The connections that workers serve now, as far as the primary knows them. */
  protected abstract openConnections(): readonly Connection[]

  /** Called for a worker that serves from now on. */
  protected abstract onServing(worker: WorkerProcess): void

  /** Ends the connections that a worker has left, which has died or takes no more. */
  protected abstract onLost(worker: WorkerProcess, error: WorkerError): void

  /** Called when the listener begins to close. */
  protected abstract onClosing(): void

  async status({ worker, ...facts }: ListenerFacts): Promise<Status> {
    const { makeStatus } = await import('../../status/make-status.js')
    const limit = this.local.settings.admission.maxConnections
    const connections = { open: this.connections, handshaking: 0, limit }
    const own = makeStatus(this.book, { ...facts, worker, connections, workers: [] })
    return this.#statuses.addTo(own, this.pool.workersOf(this.name))
  }

  async tap(settings: TapSettings, onEvent: (event: TapEvent) => void): Promise<Tap> {
    const { isMeant } = await import('../../status/taps/taps.js')
    const open = this.openConnections().filter(connection => isMeant(settings, connection))
    return this.#taps.add(settings, onEvent, open.length)
  }

  async replace(): Promise<never> {
    throw new InvalidOptionError(
      'replace(): a pipeline cannot be sent to workers; change the script, and start it again.',
    )
  }

  async change(local: LocalSettings): Promise<void> {
    this.local = { ...local, workers: this.local.workers }
    this.#replacedTls = undefined
    this.book.change(local.settings.observe)
    this.book.serve(local.plan.listed)
    const { definition } = this
    const { followers } = this.pool
    const limit = { clock: local.settings.clock, ms: CHANGE_MS }
    await this.#changes.ask(followers, { bywash: 'change', listener: this.name, definition }, limit)
    for (const worker of followers) {
      if (this.#changes.isAwaited(worker))
        process.emitWarning(
          `worker ${worker.number} is busy, and serves as before the reload until it is not`,
        )
    }
  }

  abstract empty(): Promise<void>

  setSecureContext(options: TlsOptions): void {
    if (this.local.handshakes === undefined) throw withoutTls()
    // The primary makes no handshakes, but it is its caller who has to hear of wrong options.
    this.local.handshakes.replace('setSecureContext()', options)
    this.#replacedTls = withPemAsText(options)
    this.pool.broadcast(this.name, { bywash: 'secure', listener: this.name, tls: this.#replacedTls })
  }

  async close(timeout: number): Promise<number> {
    const { clock } = this.local.settings
    this.#closed ??= this.#drain()
    this.pool.broadcast(this.name, { bywash: 'close', listener: this.name, timeout })
    // A worker that hangs cannot destroy its connections itself.
    const timer: Timer = clock.setTimeout(
      () => this.pool.kill(this.name),
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

  onFollow(worker: WorkerProcess): void {
    const { definition } = this
    if (definition !== undefined) worker.send({ bywash: 'define', listener: this.name, definition })
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
    this.onServing(worker)
    this.#isReady = true
    this.#resolveReady()
  }

  onMessage(worker: WorkerProcess, message: WorkerListenerMessage): void {
    if (message.bywash === 'status') {
      this.#statuses.onStatus(worker, message.status)
    } else if (message.bywash === 'tapped') {
      this.#taps.onEvent(message.tap, message.event)
    } else if (message.bywash === 'changed') {
      this.#changes.goOnWithout(worker)
      if (message.error !== undefined)
        process.emitWarning(`worker ${worker.number} serves as before the reload: ${message.error}`)
    } else if (message.bywash === 'closed') {
      this.#forced += this.isClosing ? message.forced : 0
      worker.listeners.delete(this.name)
      worker.send({ bywash: 'dismissed', listener: this.name })
      this.#finishIfEmpty()
    }
  }

  onGone(worker: WorkerProcess, error: WorkerError): void {
    this.#statuses.onGone(worker)
    this.#changes.goOnWithout(worker)
    this.onLost(worker, error)
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

  /** What workers make the listener of; undefined where they run the script. */
  protected get definition(): unknown {
    return this.local.workers?.define?.()
  }

  /** Reports a connection that no worker serves any more. */
  protected tellLost(connection: Connection, reason: Reason, duration: number, error?: WorkerError): void {
    if (this.isClosing) this.#forced++
    const outcome = { reason, error, bytesRead: 0, bytesWritten: 0, duration }
    const { settings, connections } = this.local
    guarded('onOutcome', () => settings.onOutcome(outcome, connection), connection, connections.drive.onError)
  }

  async #drain(): Promise<void> {
    this.isClosing = true
    this.#resolveReady()
    const closed = new Promise<void>(resolve => {
      this.#resolveClosed = resolve
    })
    this.onClosing()
    this.#finishIfEmpty()
    await closed
    await this.pool.remove(this)
    freeName(this.name)
    this.book.close()
  }

  #finishIfEmpty(): void {
    if (this.connections === 0 && !this.pool.isInUse(this.name)) this.#resolveClosed?.()
  }
}

/** The options with PEM as text instead of bytes: messages between processes are JSON. */
function withPemAsText(options: TlsOptions): TlsOptions {
  const text = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(text)
    return Buffer.isBuffer(value) ? value.toString('latin1') : value
  }
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, text(value)])) as never
}
