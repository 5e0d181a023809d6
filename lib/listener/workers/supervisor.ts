import type { Clock, Timer } from '../../clock.js'
import { WorkerError } from '../../errors.js'
import type { WorkerProcess } from './worker-process.js'

/** A worker that cannot start is tried so often. */
const MAX_FAILED_STARTS = 5
/** The first successor comes at once, the second after this time, and each further one after twice the time. */
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 3_000
/** A worker that has served for so long owes nothing to those before it. */
const STABLE_UPTIME_MS = 10_000

interface SupervisorSettings {
  readonly number: number
  readonly clock: Clock
  readonly start: () => WorkerProcess
  readonly giveUp: (error: WorkerError) => void
}

/** The place of one worker: when it dies, another one comes. */
export class WorkerSupervisor {
  readonly #settings: SupervisorSettings
  #worker: WorkerProcess | undefined
  #timer: Timer
  /** Deaths in a row: of workers that were never ready, and of those that did not last. */
  #failedStarts = 0
  #restarts = 0

  constructor(settings: SupervisorSettings) {
    this.#settings = settings
    this.#start()
  }

  readonly #start = () => {
    this.#timer = undefined
    this.#worker = this.#settings.start()
  }

  /** Starts a successor for a worker that is gone, or is about to go. */
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
