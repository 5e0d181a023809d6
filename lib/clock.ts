/** A timer of a clock. Only the `clearTimeout` of the same clock understands it. */
export type Timer = unknown

/** The longest delay that Node's timers take. */
export const MAX_TIMEOUT_MS = 2_147_483_647

/** The source of time for deadlines and stages. Tests use one that they move by hand, `fakeClock()`. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now: () => number
  setTimeout: (callback: () => void, milliseconds: number) => Timer
  clearTimeout: (timer: Timer) => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: timer => clearTimeout(timer as NodeJS.Timeout),
}

/** Lets the process end before a timer is due. The timers of a fake clock hold no process, and stay as they are. */
export function unref(timer: Timer): void {
  ;(timer as { unref?: () => void }).unref?.()
}

/** `setImmediate` as it was at import. A test that fakes the timers of its process must not stop the engine. */
export const nextTurn: typeof setImmediate = setImmediate
