import type { Clock } from '../../clock.js'
import type { IdleTimeout } from '../../connection.js'
import { type Deadlines, DeadlineWatch, deadlines, type Watched } from './deadlines.js'

/** A connection with an idle timeout of its own. */
export interface IdleHost {
  /** A number that rises with each byte that counts; undefined while it is not the client that keeps the connection waiting. */
  readonly idleProgress: (inputOnly: boolean) => number | undefined
  readonly onIdle: (timeout: IdleTimeout) => void
}

/** The idle timeout that a stage has set for its connection. All that are as long, on the same clock, share a timer. */
export class IdleLimit implements Watched {
  readonly isTraceable = false
  readonly #host: IdleHost
  readonly #timeout: IdleTimeout
  /** None where the timeout is for ever, and only stands in for that of the listener. */
  readonly #watch: DeadlineWatch<Watched> | undefined
  #lastProgress: number | undefined
  #quietTicks = 0

  constructor(host: IdleHost, timeout: IdleTimeout, clock: Clock) {
    this.#host = host
    this.#timeout = timeout
    this.#lastProgress = host.idleProgress(timeout.inputOnly)
    if (timeout.milliseconds === 0) return
    const times = { idleTimeout: timeout.milliseconds, frameTimeout: 0, drainTimeout: 0 }
    this.#watch = DeadlineWatch.shared(deadlines(times), clock)
    this.#watch.add(this)
  }

  tick({ idle }: Deadlines): void {
    const progress = this.#host.idleProgress(this.#timeout.inputOnly)
    const isQuiet = progress !== undefined && progress === this.#lastProgress
    this.#quietTicks = isQuiet ? this.#quietTicks + 1 : 0
    this.#lastProgress = progress
    if (this.#quietTicks >= idle) this.#host.onIdle(this.#timeout)
  }

  end(): void {
    this.#watch?.delete(this)
  }
}
