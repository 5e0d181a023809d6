/** What a clock's `setTimeout` returns; only its own `clearTimeout` understands it. */
export type Timer = unknown

/** Where deadlines take their time from, so that a test can move it. */
export interface Clock {
  /** Milliseconds on a monotonic scale. */
  now: () => number
  setTimeout: (callback: () => void, milliseconds: number) => Timer
  clearTimeout: (timer: Timer) => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
}

/** Lets the process end before a timer is due, where its clock has such timers. */
export function unref(timer: Timer): void {
  ;(timer as { unref?: () => void }).unref?.()
}
