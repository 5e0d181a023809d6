import type { Clock } from '../clock.js'

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves the time forward by milliseconds, and calls the callbacks of the timers that are due by then, in order. */
  readonly advance: (milliseconds: number) => void
  /** The number of timers that are not due yet. */
  readonly pending: number
}

/**
 * Makes a clock for `listen({ clock })`, `new Connection(id, endpoints, clock)` and the tests of a stage.
 *
 * @example
 * const clock = fakeClock()
 * const client = connect(shout, { connection: new Connection(1, {}, clock) })
 * clock.advance(30_000)
 */
export function fakeClock(): FakeClock {
  let now = 0
  const timers = new Set<{ due: number; callback: () => void }>()
  const nextBy = (end: number) =>
    [...timers].filter(timer => timer.due <= end).sort((one, other) => one.due - other.due)[0]
  return {
    now: () => now,
    setTimeout: (callback, milliseconds) => {
      const timer = { due: now + milliseconds, callback }
      timers.add(timer)
      return timer
    },
    clearTimeout: timer => void timers.delete(timer as { due: number; callback: () => void }),
    advance(milliseconds) {
      const end = now + milliseconds
      for (let timer = nextBy(end); timer !== undefined; timer = nextBy(end)) {
        timers.delete(timer)
        now = timer.due
        timer.callback()
      }
      now = end
    },
    get pending() {
      return timers.size
    },
  }
}
