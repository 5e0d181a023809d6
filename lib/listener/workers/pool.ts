import type { ChildProcess } from 'node:child_process'
import type { Clock, Timer } from '../../clock.js'
import type { WorkerError } from '../../errors.js'
import type { News, Order } from './messages.js'
import { Slot } from './slot.js'
import { PING_INTERVAL, WorkerProcess } from './worker-process.js'

/** A worker that is told to end, and does not for so long, is killed. */
export const GRACE = 1_000

/** A listener of the primary, and what it hears of the workers. */
export interface Member {
  readonly name: string
  readonly isClosing: boolean
  readonly onReady: (worker: WorkerProcess) => void
  readonly onReport: (worker: WorkerProcess, news: News) => void
  readonly onGone: (worker: WorkerProcess, error: WorkerError) => void
  readonly onFailure: (error: WorkerError) => void
}

interface PoolSettings {
  readonly count: number
  readonly clock: Clock
  /** Starts a process for the worker of that number. */
  readonly fork: (number: number) => ChildProcess
}

/** The workers, which all listeners of the process share: each worker runs the whole script. */
export class Pool {
  readonly count: number
  readonly #settings: PoolSettings
  readonly #members = new Map<string, Member>()
  readonly #workers = new Set<WorkerProcess>()
  #slots: readonly Slot[] = []
  #timer: Timer
  #onEmpty = () => {}

  constructor(settings: PoolSettings) {
    this.#settings = settings
    this.count = settings.count
  }

  /** It has not begun, or it has ended. */
  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  /** Begins with the first member. */
  join(member: Member): void {
    this.#members.set(member.name, member)
    if (this.#slots.length === 0) this.#begin()
    else for (const worker of this.#of(member.name)) member.onReady(worker)
  }

  /** Ends the workers with the last member, and resolves when they are gone. */
  async leave({ name }: Member): Promise<void> {
    this.#members.delete(name)
    if (!this.isEmpty) return
    const { clock } = this.#settings
    for (const slot of this.#slots) slot.stop()
    clock.clearTimeout(this.#timer)
    for (const worker of this.#workers) worker.dismiss()
    const timer = clock.setTimeout(() => {
      for (const worker of this.#workers) worker.kill()
    }, GRACE)
    if (this.#workers.size > 0) {
      await new Promise<void>(resolve => {
        this.#onEmpty = resolve
      })
    }
    clock.clearTimeout(timer)
  }

  /**
   * The worker that has the fewest connections, and of several such the one that was chosen longest ago. In turn would
   * leave a new worker with less than the others for as long as connections last, and go on feeding one that hangs.
   */
  choose(name: string): WorkerProcess | undefined {
    let best: WorkerProcess | undefined
    for (const worker of this.#of(name)) {
      if (worker.isLeaving) continue
      if (best === undefined || worker.connections < best.connections) best = worker
    }
    if (best !== undefined) {
      this.#workers.delete(best)
      this.#workers.add(best)
    }
    return best
  }

  tell(name: string, order: Order): void {
    for (const worker of this.#of(name)) worker.tell(order)
  }

  /** Whether a worker still has to close a listener. */
  has(name: string): boolean {
    return this.#of(name).length > 0
  }

  kill(name: string): void {
    for (const worker of this.#of(name)) worker.kill()
  }

  #of(name: string): readonly WorkerProcess[] {
    return [...this.#workers].filter(({ listeners }) => listeners.has(name))
  }

  #begin(): void {
    const { count, clock, fork } = this.#settings
    this.#slots = Array.from({ length: count }, (_, index) => {
      const number = index + 1
      const start = () => {
        const worker = new WorkerProcess(number, fork(number), {
          onReport: this.#onReport,
          onGone: this.#onGone,
        })
        this.#workers.add(worker)
        return worker
      }
      return new Slot({ number, clock, start, giveUp: this.#giveUp })
    })
    this.#ping()
  }

  #ping(): void {
    this.#timer = this.#settings.clock.setTimeout(() => {
      for (const worker of this.#workers) worker.ping()
      this.#ping()
    }, PING_INTERVAL)
  }

  readonly #onReport = (worker: WorkerProcess, news: News) => {
    const member = this.#members.get(news.listener)
    if (news.bywash === 'ready') {
      worker.readyAt ??= this.#settings.clock.now()
      worker.listeners.add(news.listener)
      member?.onReady(worker)
      return
    }
    if (news.bywash === 'leaving') {
      worker.isLeaving = true
      this.#replace(worker)
    }
    member?.onReport(worker, news)
  }

  readonly #onGone = (worker: WorkerProcess, error: WorkerError) => {
    this.#workers.delete(worker)
    this.#replace(worker, error)
    for (const member of this.#members.values()) member.onGone(worker, error)
    if (this.#workers.size === 0) this.#onEmpty()
  }

  #replace(worker: WorkerProcess, error?: WorkerError): void {
    if ([...this.#members.values()].every(({ isClosing }) => isClosing)) return
    for (const slot of this.#slots) slot.replace(worker, error)
  }

  readonly #giveUp = (error: WorkerError) => {
    for (const member of this.#members.values()) member.onFailure(error)
  }
}
