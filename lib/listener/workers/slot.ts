import type { Clock, Timer } from '../../clock.js'
import { WorkerError } from '../../errors.js'
import type { WorkerProcess } from './worker-process.js'

/** A worker that cannot start is tried so often. */
const TRIES = 5
/** The first successor comes at once, the second after this time, and each further one after twice the time. */
const FIRST_DELAY = 100
const LONGEST_DELAY = 3_000
/** A worker that has served for so long owes nothing to those before it. */
const STEADY = 10_000

interface SlotSettings {
  readonly number: number
  readonly clock: Clock
  readonly start: () => WorkerProcess
  readonly giveUp: (error: WorkerError) => void
}

/** The place of one worker: when it dies, another one comes. */
export class Slot {
  readonly #settings: SlotSettings
  #worker: WorkerProcess | undefined
  #timer: Timer
  /** Deaths in a row: of workers that were never ready, and of those that did not last. */
  #failedStarts = 0
  #deaths = 0

  constructor(settings: SlotSettings) {
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
    if (this.#failedStarts === TRIES) {
      const message = `worker ${number} could not be started in ${TRIES} tries: the last, ${error?.message}`
      giveUp(new WorkerError(message, { cause: error }))
      return
    }
    if (readyAt !== undefined && clock.now() - readyAt >= STEADY) this.#deaths = 0
    const delay = this.#deaths === 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#deaths - 1))
    this.#deaths++
    this.#timer = clock.setTimeout(this.#start, delay)
  }

  stop(): void {
    this.#worker = undefined
    this.#settings.clock.clearTimeout(this.#timer)
  }
}
