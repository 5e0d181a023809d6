import type { Clock, Timer } from '../../clock.js'
import type { WorkerError } from '../../errors.js'
import { cpuTime as systemCpuTime } from './cpu-time.js'
import type { PrimaryMessage, RoomMessage, WorkerListenerMessage } from './messages.js'
import { WorkerSupervisor } from './supervisor.js'
import { PING_INTERVAL_MS, type WorkerHandle, WorkerProcess } from './worker-process.js'

/** Time that a worker has to end before it is killed. */
export const EXIT_GRACE_MS = 1_000

/** A listener in the primary, with callbacks about the workers. */
export interface PoolUser {
  readonly name: string
  readonly isClosing: boolean
  readonly onReady: (worker: WorkerProcess) => void
  /** Called for a worker that opens the listeners that are defined for it. */
  readonly onFollow: (worker: WorkerProcess) => void
  readonly onMessage: (worker: WorkerProcess, message: WorkerListenerMessage) => void
  readonly onGone: (worker: WorkerProcess, error: WorkerError) => void
  /** Called when no worker serves, and none can be started. */
  readonly onFailure: (error: WorkerError) => void
}

interface WorkerPoolSettings {
  readonly count: number
  readonly clock: Clock
  /** Starts the process or the thread of the worker with that number. */
  readonly fork: (number: number) => WorkerHandle
  /** See `WorkerEvents`. @default what the system says */
  readonly cpuTime?: (pid: number | undefined) => number | undefined
}

/** The workers of this process. All its listeners share them, since each worker runs the whole script. */
export class WorkerPool {
  readonly count: number
  readonly #settings: WorkerPoolSettings
  readonly #users = new Map<string, PoolUser>()
  readonly #workers = new Set<WorkerProcess>()
  #supervisors: readonly WorkerSupervisor[] = []
  #timer: Timer
  #resolveEmpty = () => {}

  constructor(settings: WorkerPoolSettings) {
    this.#settings = settings
    this.count = settings.count
  }

  /** True before the first `add()`, and when every listener has been removed. */
  get isEmpty(): boolean {
    return this.#users.size === 0
  }

  /** Adds a listener. The first one starts the workers. */
  add(user: PoolUser): void {
    this.#users.set(user.name, user)
    if (this.#supervisors.length === 0) this.#start()
    else for (const worker of this.workersOf(user.name)) user.onReady(worker)
    for (const worker of this.#workers) {
      if (worker.isFollower) user.onFollow(worker)
      if (worker.joining.delete(user.name)) user.onMessage(worker, { bywash: 'join', listener: user.name })
    }
  }

  /** Removes a listener. If it is the last, the workers are ended, and the promise resolves when they are gone. */
  async remove({ name }: PoolUser): Promise<void> {
    this.#users.delete(name)
    if (!this.isEmpty) return
    const { clock } = this.#settings
    for (const supervisor of this.#supervisors) supervisor.stop()
    clock.clearTimeout(this.#timer)
    for (const worker of this.#workers) worker.disconnect()
    const timer = clock.setTimeout(() => {
      for (const worker of this.#workers) worker.kill()
    }, EXIT_GRACE_MS)
    if (this.#workers.size > 0) {
      await new Promise<void>(resolve => {
        this.#resolveEmpty = resolve
      })
    }
    clock.clearTimeout(timer)
  }

  /**
   * Returns the worker with the fewest connections, of several such the one that was chosen longest ago; one that is silent
   * only where all are. Round robin would leave a new worker with fewer connections than the others for as long as these last, and would go on sending
   * connections to a worker that hangs.
   */
  choose(name: string): WorkerProcess | undefined {
    const worker = this.leastLoaded(name)
    if (worker !== undefined) {
      this.#workers.delete(worker)
      this.#workers.add(worker)
    }
    return worker
  }

  /** Returns the worker that `choose()` would return. */
  leastLoaded(name: string): WorkerProcess | undefined {
    let best: WorkerProcess | undefined
    for (const worker of this.workersOf(name)) {
      if (worker.isLeaving) continue
      if (best === undefined || isBetter(worker, best)) best = worker
    }
    return best
  }

  /** Sends a message to each worker that has the listener open. */
  broadcast(name: string, message: PrimaryMessage): void {
    for (const worker of this.workersOf(name)) worker.send(message)
  }

  /** The workers that have the listener open. */
  workersOf(name: string): readonly WorkerProcess[] {
    return [...this.#workers].filter(({ listeners }) => listeners.has(name))
  }

  /** The workers that open the listeners that are defined for them. */
  get followers(): readonly WorkerProcess[] {
    return [...this.#workers].filter(({ isFollower }) => isFollower)
  }

  /** Whether any worker has the listener open. */
  isInUse(name: string): boolean {
    return this.workersOf(name).length > 0
  }

  kill(name: string): void {
    for (const worker of this.workersOf(name)) worker.kill()
  }

  /** True when every listener is closing: then no worker is started any more. */
  get #isClosing(): boolean {
    return [...this.#users.values()].every(({ isClosing }) => isClosing)
  }

  #start(): void {
    const { count, clock, fork, cpuTime = systemCpuTime } = this.#settings
    this.#supervisors = Array.from({ length: count }, (_, index) => {
      const number = index + 1
      const start = () => {
        if (this.#isClosing) return undefined
        const worker = new WorkerProcess(number, fork(number), {
          onMessage: this.#onMessage,
          onRoomMessage: this.#onRoomMessage,
          onFollow: this.#onFollow,
          onGone: this.#onGone,
          cpuTime,
        })
        this.#workers.add(worker)
        return worker
      }
      return new WorkerSupervisor({ number, clock, start })
    })
    this.#ping()
  }

  #ping(): void {
    this.#timer = this.#settings.clock.setTimeout(() => {
      for (const worker of this.#workers) worker.ping()
      this.#ping()
    }, PING_INTERVAL_MS)
  }

  readonly #onMessage = (worker: WorkerProcess, message: WorkerListenerMessage) => {
    const user = this.#users.get(message.listener)
    if (message.bywash === 'ready' && user === undefined && worker.isFollower) {
      // It was closed while this worker got ready.
      worker.send({ bywash: 'close', listener: message.listener, timeout: 0 })
      worker.send({ bywash: 'dismissed', listener: message.listener })
      return
    }
    if (message.bywash === 'ready') {
      worker.readyAt ??= this.#settings.clock.now()
      worker.listeners.add(message.listener)
      user?.onReady(worker)
      return
    }
    if (message.bywash === 'join' && user === undefined) worker.joining.add(message.listener)
    if (message.bywash === 'leaving') {
      worker.isLeaving = true
      this.#replace(worker)
    }
    user?.onMessage(worker, message)
  }

  readonly #onFollow = (worker: WorkerProcess) => {
    worker.isFollower = true
    for (const user of this.#users.values()) user.onFollow(worker)
  }

  readonly #onRoomMessage = (from: WorkerProcess, message: RoomMessage) => {
    for (const worker of this.#workers) if (worker !== from) worker.sendRoomMessage(message)
  }

  readonly #onGone = (worker: WorkerProcess, error: WorkerError) => {
    this.#workers.delete(worker)
    this.#replace(worker, error)
    for (const user of this.#users.values()) user.onGone(worker, error)
    if (this.#workers.size === 0) this.#resolveEmpty()
  }

  #replace(worker: WorkerProcess, error?: WorkerError): void {
    if (this.#isClosing) return
    for (const supervisor of this.#supervisors) {
      const failure = supervisor.replace(worker, error)
      if (failure !== undefined) this.#onHopeless(failure)
    }
  }

  /** Goes on without a worker that cannot be started, or gives up when it was the last hope. */
  #onHopeless(error: WorkerError): void {
    if (this.#supervisors.some(({ isHopeless }) => !isHopeless)) {
      process.emitWarning(`${error.message}; the other workers go on without it, and it is tried again`)
      return
    }
    for (const supervisor of this.#supervisors) supervisor.stop()
    for (const user of this.#users.values()) user.onFailure(error)
  }
}

function isBetter(worker: WorkerProcess, other: WorkerProcess): boolean {
  if (worker.isSilent !== other.isSilent) return other.isSilent
  return worker.connections < other.connections
}
