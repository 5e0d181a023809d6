import { nextTurn } from '../clock.js'

// As they were at import: a test may fake the timers of its process, and must not stop its own tools.
const { setTimeout, clearTimeout } = globalThis
/** The time in milliseconds. */
export const now: () => number = performance.now.bind(performance)

/** Resolves after one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise(resolve => nextTurn(resolve))
}

/** Turns of the event loop without a change after which a pipeline is taken to have come to rest. */
const QUIET_TURNS = 20

/** Conditions of `quiet()`. */
interface Quiet {
  /** Whether work is under way elsewhere, such as on a thread: then it waits on. @default never */
  readonly isBusy?: () => boolean
  /** Whether anyone still waits. @default always */
  readonly isWanted?: (() => boolean) | undefined
  /** The time of `now()` after which it does not wait for what is busy. @default none */
  readonly deadline?: number
}

/** Resolves when a number has stayed the same for some turns of the event loop. */
export async function quiet(measure: () => number, conditions: Quiet = {}): Promise<void> {
  const { isBusy = () => false, isWanted = () => true, deadline = Number.POSITIVE_INFINITY } = conditions
  let before = measure()
  for (let still = 0; still < QUIET_TURNS && isWanted(); still++) {
    await turn()
    const after = measure()
    if (after !== before || (isBusy() && now() < deadline)) still = 0
    before = after
  }
}

/**
 * Calls a function after some milliseconds of real time, and some turns of the event loop more: on a busy machine the timer
 * may be due before what it waits for had a turn. Returns a function that cancels it.
 */
export function after(milliseconds: number, call: () => void): () => void {
  let isCancelled = false
  const timer = setTimeout(async () => {
    for (let turns = 0; turns < QUIET_TURNS; turns++) await turn()
    if (!isCancelled) call()
  }, milliseconds)
  return () => {
    isCancelled = true
    clearTimeout(timer)
  }
}

/** Resolves when a condition is met, or at a deadline: a time of `now()`. */
export async function until(isMet: () => boolean, deadline: number): Promise<void> {
  while (!isMet() && now() < deadline) await turn()
}
