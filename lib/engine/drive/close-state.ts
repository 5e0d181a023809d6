import type { Clock, Timer } from '../../clock.js'
import type { ConnectionFigures } from '../../connection.js'
import type { Reason } from '../../outcome.js'
import type { StageCounts } from '../../stage-counts.js'

/** Bytes to read and discard after our FIN: closing with unread bytes makes the kernel send a RST, which can erase a farewell. */
export const LINGER_BYTES = 65_536
/** The time to wait for the peer's FIN after ours. */
export const LINGER_MS = 2_000

/** State that a connection needs only when it ends: why it ends, and the one timer that may run then. */
export class CloseState {
  reason: Reason | undefined
  error: Error | undefined
  /** The duplex has closed by itself, since both its sides have ended, and the stages still work. */
  outlivesDuplex = false
  /** Async id of the scope in which the stages were flushed. */
  flushedIn: number | undefined
  /** Final counts of the stages; set when the connection is closed and its flow is dropped. */
  counts: readonly StageCounts[] | undefined
  /** The stage that the connection has waited for most, where somebody has looked. */
  slowest: ConnectionFigures['slowest']
  readonly #clock: Clock
  #timer: Timer
  #discardedBytes = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Sets the timer, in milliseconds; it replaces the one that was set before. */
  setTimer(callback: () => void, delay: number): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = this.#clock.setTimeout(callback, delay)
  }

  clearTimer(): void {
    this.#clock.clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Counts a discarded chunk; false once the limit is exceeded. */
  discard(chunk: Buffer): boolean {
    this.#discardedBytes += chunk.length
    return this.#discardedBytes <= LINGER_BYTES
  }
}
