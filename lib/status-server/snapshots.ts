import type { Clock } from '../clock.js'
import type { Status } from '../status/status.js'
import { type StatusSources, sourcesIn } from './status-source.js'

/** The age up to which an answer serves several readers. */
const MAX_AGE_MS = 100

/** The time that a source may take: workers are asked too, and one may hang. */
const TIMEOUT_MS = 5_000

/** The statuses of all sources at one moment. However many readers there are, the sources are asked once for them. */
export class Snapshots {
  readonly #sources: StatusSources
  readonly #clock: Clock
  #latest: { readonly at: number; readonly statuses: Promise<readonly Status[]> } | undefined

  constructor(sources: StatusSources, clock: Clock) {
    this.#sources = sources
    this.#clock = clock
  }

  /** A snapshot of now, or of a moment ago. Rejects when a source does, or takes too long. */
  get(): Promise<readonly Status[]> {
    const at = this.#clock.now()
    if (this.#latest === undefined || at - this.#latest.at > MAX_AGE_MS) {
      this.#latest = { at, statuses: this.#take() }
    }
    return this.#latest.statuses
  }

  async #take(): Promise<readonly Status[]> {
    const { promise: late, reject } = withReject()
    const timer = this.#clock.setTimeout(
      () => reject(new Error(`no status within ${TIMEOUT_MS / 1000} s`)),
      TIMEOUT_MS,
    )
    try {
      const all = sourcesIn(this.#sources).map(source => source.status())
      return await Promise.race([Promise.all(all), late])
    } finally {
      this.#clock.clearTimeout(timer)
    }
  }
}

function withReject(): { readonly promise: Promise<never>; readonly reject: (error: Error) => void } {
  let reject!: (error: Error) => void
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse
  })
  return { promise, reject }
}
