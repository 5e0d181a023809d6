import type { Clock, Timer } from '../../clock.js'
import { WorkerError } from '../../errors.js'
import type { WorkerProcess } from './worker-process.js'

/** Starts in a row that may fail before the supervisor gives up. */
const MAX_FAILED_STARTS = 5
/** Delay before the second restart. The first has none, and each further one has twice the delay of the one before. */
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 3_000
/** Time for which a worker has to serve before its restart has no delay again. */
const STABLE_UPTIME_MS = 10_000

interface SupervisorSettings {
  readonly number: number
  readonly clock: Clock
  readonly start: () => WorkerProcess
  readonly giveUp: (error: WorkerError) => void
}

/** Restarts one worker when it ends, and gives up after too many failed starts. */
export class WorkerSupervisor {
  readonly #settings: SupervisorSettings
  #worker: WorkerProcess | undefined
  #timer: Timer
  /** Workers in a row that ended before they were ready. */
  #failedStarts = 0
  /** Restarts since a worker has served for STABLE_UPTIME_MS. */
  #restarts = 0

  constructor(settings: SupervisorSettings) {
    this.#settings = settings
    this.#start()
  }

  readonly #start = () => {
    this.#timer = undefined
    this.#worker = this.#settings.start()
  }

  /** Starts a successor if `worker` is the current worker; it has ended, or takes no more connections. */
  replace(worker: WorkerProcess, error?: WorkerError): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const { number, clock, giveUp } = this.#settings
    const { readyAt } = worker
    this.#failedStarts = readyAt === undefined ? this.#failedStarts + 1 : 0
    if (this.#failedStarts === MAX_FAILED_STARTS) {
      const message = `worker ${number} could not be started in ${MAX_FAILED_STARTS} tries: the last, ${error?.message}`
      giveUp(new WorkerError(message, { cause: error }))
      return
    }
    if (readyAt !== undefined && clock.now() - readyAt >= STABLE_UPTIME_MS) this.#restarts = 0
    const delay =
      this.#restarts === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#restarts - 1))
    this.#restarts++
    this.#timer = clock.setTimeout(this.#start, delay)
  }

  stop(): void {
    this.#worker = undefined
    this.#settings.clock.clearTimeout(this.#timer)
  }
}
