import type { AddressInfo } from 'node:net'
import { Connection } from '../../../connection.js'
import { BindError, InvalidOptionError, type WorkerError } from '../../../errors.js'
import { Book } from '../../../status/book.js'
import { addUp, LocalTally } from '../../../status/tally.js'
import { plainAddress } from '../../address/address-list.js'
import type { LocalSettings } from '../../local-settings.js'
import { WorkerAnswers } from '../answers.js'
import type { WorkerListenerMessage } from '../messages.js'
import type { WorkerPool } from '../pool.js'
import { PrimaryDispatcher } from '../primary-dispatcher.js'
import type { WorkerProcess } from '../worker-process.js'
import { ConnectionTable } from './connection-table.js'
import { SharedAddressCounts } from './shared-address-counts.js'
import { SharedListener } from './shared-listener.js'

/** The interval at which a listener that only waits for its last connection looks whether that has ended. */
const EMPTY_INTERVAL_MS = 100

/** The time that threads have to stop accepting, or to accept again. */
const SWITCH_MS = 15_000

/** The facts that the primary knows of a thread. */
interface KnownThread {
  readonly table: ConnectionTable
  readonly owner: number
}

/** The tally of all threads: what was added of those that have gone, and what the others have counted so far. */
class TallyOfThreads extends LocalTally {
  readonly #tables: () => readonly ConnectionTable[]

  constructor(tables: () => readonly ConnectionTable[]) {
    super()
    this.#tables = tables
  }

  override get opened(): number {
    return this.#tables().reduce((sum, { opened }) => sum + opened, super.opened)
  }

  override get refused() {
    return this.#tables().reduce((sum, { refused }) => addUp(sum, refused), super.refused)
  }

  override get ended() {
    return this.#tables().reduce((sum, { ended }) => addUp(sum, ended), super.ended)
  }
}

/** Dispatcher of the primary of threads that accept themselves: it knows their connections by the memory that they share. */
export class ThreadDispatcher extends PrimaryDispatcher {
  readonly book: Book
  readonly #tally: TallyOfThreads
  readonly #shared: SharedListener
  readonly #port: number
  readonly #threads = new Map<WorkerProcess, KnownThread>()
  /** Resolves when each of the first threads serves or has died: the kernel does not make up for one that comes late. */
  readonly complete: Promise<void>
  #resolveComplete!: () => void
  #awaited: number
  #lastOwner = 0
  #isSuspended = false
  readonly #suspended = new WorkerAnswers()
  readonly #resumed = new WorkerAnswers()
  /** The first error of a thread that could not accept again. */
  #resumeError: string | undefined

  constructor(name: string, pool: WorkerPool, local: LocalSettings, address: AddressInfo) {
    super(name, pool, local, address)
    const { clock, observe } = local.settings
    this.#tally = new TallyOfThreads(() => [...this.#threads.values()].map(({ table }) => table))
    this.book = new Book(clock, observe, () => [], this.#tally)
    this.book.serve(local.plan.listed)
    this.#port = address.port
    this.#shared = SharedListener.make()
    this.#awaited = pool.count
    this.complete = new Promise(resolve => {
      this.#resolveComplete = resolve
    })
    pool.add(this)
  }

  get connections(): number {
    return this.#shared.open
  }

  /** Connections that all threads have refused so far. */
  get refused(): number {
    return Object.values(this.#tally.refused).reduce((sum, each) => sum + each, 0)
  }

  get hasRoom(): boolean {
    return true
  }

  get isSuspended(): boolean {
    return this.#isSuspended
  }

  serve(): never {
    throw new InvalidOptionError('serve(): the threads of this listener accept its connections themselves.')
  }

  /** Resolves when no thread accepts any more. */
  async suspend(): Promise<void> {
    this.#isSuspended = true
    await this.#ask(this.#suspended, 'suspend')
  }

  /** Resolves when all threads accept again. */
  async resume(): Promise<void> {
    this.#isSuspended = false
    this.#resumeError = undefined
    await this.#ask(this.#resumed, 'resume')
    if (this.#resumeError !== undefined) throw new BindError(this.#resumeError)
  }

  /** Looks now and then: no thread says that its last connection has ended, since only this asks. */
  async empty(): Promise<void> {
    const { clock } = this.local.settings
    while (this.connections > 0)
      await new Promise(resolve => clock.setTimeout(() => resolve(undefined), EMPTY_INTERVAL_MS))
  }

  override onMessage(worker: WorkerProcess, message: WorkerListenerMessage): void {
    if (message.bywash === 'join') this.#join(worker)
    else if (message.bywash === 'suspended') this.#suspended.goOnWithout(worker)
    else if (message.bywash === 'resumed') this.#onResumed(worker, message.error)
    else super.onMessage(worker, message)
  }

  protected openConnections(): readonly Connection[] {
    const { clock } = this.local.settings
    return [...this.#threads.values()].flatMap(({ table }) =>
      [...table.entries()].map(({ id, ...ends }) => new Connection(id, ends, clock)),
    )
  }

  protected onServing(worker: WorkerProcess): void {
    this.#awaitOneLess()
    if (this.#isSuspended) worker.send({ bywash: 'suspend', listener: this.name })
  }

  protected onLost(worker: WorkerProcess, error: WorkerError): void {
    this.#awaitOneLess()
    this.#suspended.goOnWithout(worker)
    this.#resumed.goOnWithout(worker)
    const thread = this.#threads.get(worker)
    if (thread === undefined) return
    const { table, owner } = thread
    this.#threads.delete(worker)
    this.#shared.forget(table)
    this.#tally.add(table)
    const counts = new SharedAddressCounts(this.#shared.memory.addresses, owner)
    counts.unlock(owner)
    const { clock, admission } = this.local.settings
    const isCounted = admission.maxConnectionsPerAddress !== Infinity
    for (const { id, openedAt, remoteAddress, remotePort } of table.entries()) {
      if (isCounted && remoteAddress !== undefined) counts.release(plainAddress(remoteAddress))
      this.#tally.end('worker-died')
      const connection = new Connection(id, { remoteAddress, remotePort }, clock)
      this.tellLost(connection, 'worker-died', Date.now() - openedAt, error)
    }
  }

  protected onClosing(): void {
    this.#resolveComplete()
  }

  #awaitOneLess(): void {
    if (--this.#awaited <= 0) this.#resolveComplete()
  }

  /** Tells a thread what it needs to open its server. */
  #join(worker: WorkerProcess): void {
    const owner = ++this.#lastOwner
    const memory = ConnectionTable.allocate()
    this.#threads.set(worker, { table: new ConnectionTable(memory), owner })
    const place = { port: this.#port, shared: this.#shared.memory, table: memory, owner }
    worker.send({ bywash: 'place', listener: this.name, place })
  }

  /** One that hangs is ended within the time. */
  #ask(answers: WorkerAnswers, bywash: 'suspend' | 'resume'): Promise<void> {
    const { clock } = this.local.settings
    const threads = this.pool.workersOf(this.name)
    return answers.ask(threads, { bywash, listener: this.name }, { clock, ms: SWITCH_MS })
  }

  #onResumed(worker: WorkerProcess, error: string | undefined): void {
    this.#resumeError ??= error
    this.#resumed.goOnWithout(worker)
  }
}
