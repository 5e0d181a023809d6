import type { Clock, Timer } from '../../clock.js'
import { WorkerError } from '../../errors.js'
import type { WorkerProcess } from './worker-process.js'

/** Starts in a row that may fail by themselves before a supervisor has no hope any more. */
const MAX_FAILED_STARTS = 5
/**
 * Starts in a row that may end by SIGKILL before a supervisor has no hope any more. Somebody else sends that signal (the
 * system that is short of memory, an operator), so it says little about the script: the start may only have been slow.
 */
const MAX_KILLED_STARTS = 20
/** Delay before the second restart. The first has none, and each further one has twice the delay of the one before. */
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 3_000
/** Time for which a worker has to serve before its restart has no delay again. */
const STABLE_UPTIME_MS = 10_000

interface SupervisorSettings {
  readonly number: number
  readonly clock: Clock
  /** Starts the process; returns undefined when no worker is needed any more. */
  readonly start: () => WorkerProcess | undefined
}

/** Restarts one worker when it ends, for as long as it is not stopped. */
export class WorkerSupervisor {
  readonly #settings: SupervisorSettings
  #worker: WorkerProcess | undefined
  #timer: Timer
  /** Workers in a row that ended before they were ready: by themselves, and by SIGKILL. */
  #failedStarts = 0
  #killedStarts = 0
  /** Restarts since a worker has served for STABLE_UPTIME_MS. */
  #restarts = 0

  constructor(settings: SupervisorSettings) {
    this.#settings = settings
    this.#start()
  }

  /** Whether so many starts in a row have failed that the next one will hardly succeed. It is made all the same. */
  get isHopeless(): boolean {
    return (
      this.#worker?.readyAt === undefined &&
      (this.#failedStarts >= MAX_FAILED_STARTS || this.#killedStarts >= MAX_KILLED_STARTS)
    )
  }

  readonly #start = () => {
    this.#timer = undefined
    this.#worker = this.#settings.start()
  }

  /**
   * Starts a successor if `worker` is the current worker; it has ended, or takes no more connections. Returns an error
   * when that start was the one too many that failed.
   */
  replace(worker: WorkerProcess, error?: WorkerError): WorkerError | undefined {
    if (this.#worker !== worker) return undefined
    const wasHopeless = this.isHopeless
    this.#worker = undefined
    const { number, clock } = this.#settings
    const { readyAt } = worker
    this.#countStart(worker)
    if (readyAt !== undefined && clock.now() - readyAt >= STABLE_UPTIME_MS) this.#restarts = 0
    const delay =
      this.#restarts === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (this.#restarts - 1))
    this.#restarts++
    this.#timer = clock.setTimeout(this.#start, delay)
    if (wasHopeless || !this.isHopeless) return undefined
    const tries = this.#failedStarts + this.#killedStarts
    return new WorkerError(
      `worker ${number} could not be started in ${tries} tries: the last, ${error?.message}`,
      {
        cause: error,
      },
    )
  }

  stop(): void {
    this.#worker = undefined
    this.#settings.clock.clearTimeout(this.#timer)
  }

  #countStart({ readyAt, wasKilled }: WorkerProcess): void {
    if (readyAt !== undefined) {
      this.#failedStarts = 0
      this.#killedStarts = 0
    } else if (wasKilled) {
      this.#killedStarts++
    } else {
      this.#failedStarts++
    }
  }
}
