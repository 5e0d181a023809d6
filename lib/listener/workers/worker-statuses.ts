import type { Clock } from '../../clock.js'
import { UNKNOWN } from '../../status/culprit.js'
import { mergeStatus } from '../../status/merge-status.js'
import type { Status, Traffic, WorkerStatus } from '../../status/status.js'
import { WorkerAnswers } from './answers.js'
import type { WorkerProcess } from './worker-process.js'

/** The time that workers have for an answer. */
const ANSWER_MS = 1_000

const NOTHING: Traffic = {
  opened: 0,
  refused: {},
  ended: {},
  bytesIn: 0,
  bytesOut: 0,
  itemsIn: 0,
  itemsOut: 0,
}

/** The statuses of the workers of one listener, in their primary. What a worker had counted when it last answered is kept. */
export class WorkerStatuses {
  readonly #listener: string
  readonly #clock: Clock
  readonly #known = new Map<WorkerProcess, Status>()
  /** The last status of the last worker of each number that has died. */
  readonly #dead = new Map<number, Status>()
  /** The counts of all that have died, as one. */
  #lost: Status | undefined
  readonly #answers = new WorkerAnswers()
  #answered: Promise<void> | undefined

  constructor(listener: string, clock: Clock) {
    this.#listener = listener
    this.#clock = clock
  }

  /** Asks the workers, and adds what they answer to the status of the primary. */
  async addTo(own: Status, workers: readonly WorkerProcess[]): Promise<Status> {
    this.#answered ??= this.#ask(workers)
    await this.#answered
    const live = workers.flatMap(worker => this.#known.get(worker) ?? [])
    const merged = mergeStatus(own, live, this.#lost === undefined ? [] : [this.#lost])
    const numbers = new Set(workers.map(({ number }) => number))
    const dead = [...this.#dead].filter(([number]) => !numbers.has(number))
    return {
      ...merged,
      workers: [
        ...workers.map(worker => this.#show(worker)),
        ...dead.map(([number, { traffic, process }]): WorkerStatus => {
          return { number, state: 'dead', connections: 0, traffic: traffic.total, culprit: UNKNOWN, process }
        }),
      ].sort((one, other) => one.number - other.number),
    }
  }

  onStatus(worker: WorkerProcess, status: Status): void {
    this.#known.set(worker, status)
    this.#answers.goOnWithout(worker)
  }

  onGone(worker: WorkerProcess): void {
    const status = this.#known.get(worker)
    this.#known.delete(worker)
    this.#answers.goOnWithout(worker)
    if (status === undefined) return
    this.#dead.set(worker.number, status)
    this.#lost = mergeStatus(status, [], this.#lost === undefined ? [status] : [status, this.#lost])
  }

  async #ask(workers: readonly WorkerProcess[]): Promise<void> {
    const limit = { clock: this.#clock, ms: ANSWER_MS }
    await this.#answers.ask(workers, { bywash: 'look', listener: this.#listener }, limit)
    this.#answered = undefined
  }

  #show(worker: WorkerProcess): WorkerStatus {
    const { number, connections, isLeaving } = worker
    const { traffic, culprit, process } = this.#known.get(worker) ?? {}
    const isSilent = this.#answers.isAwaited(worker)
    return {
      number,
      state: isSilent ? 'silent' : isLeaving ? 'leaving' : 'serving',
      connections,
      traffic: traffic?.total ?? NOTHING,
      culprit: culprit ?? UNKNOWN,
      process: process ?? null,
    }
  }
}
