/** Resolves after one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Resolves when a number has stayed the same for some turns of the event loop. */
export async function quiet(measure: () => number, turns = 20): Promise<void> {
  let before = measure()
  for (let still = 0; still < turns; still++) {
    await turn()
    const now = measure()
    if (now !== before) still = 0
    before = now
  }
}

/** Resolves when a condition is met, or at a deadline: a time of `performance.now()`. */
export async function until(isMet: () => boolean, deadline: number): Promise<void> {
  while (!isMet() && performance.now() < deadline) await turn()
}
