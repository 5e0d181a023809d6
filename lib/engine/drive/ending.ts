import type { Clock, Timer } from '../../clock.js'
import type { Reason } from '../../outcome.js'
import type { StageCounts } from '../../stage-counts.js'

/** After our FIN we read and discard this much: closing with unread bytes makes the kernel send a RST that can erase a farewell. */
const LINGER_BYTES = 65_536

/** What is known of a connection that ends, and what it waits for. */
export class Ending {
  reason: Reason | undefined
  error: Error | undefined
  /** The async id of what ran when the stages were flushed. */
  flushedIn: number | undefined
  /** What had passed each stage when it was over. */
  counts: readonly StageCounts[] | undefined
  readonly #clock: Clock
  #timer: Timer
  #discarded = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Calls back after so many milliseconds, and not for what was waited for before. */
  wait(callback: () => void, delay: number): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = this.#clock.setTimeout(callback, delay)
  }

  stopWaiting(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Counts what is discarded; false when it is enough. */
  discard(chunk: Buffer): boolean {
    this.#discarded += chunk.length
    return this.#discarded <= LINGER_BYTES
  }
}
