import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * The CPU time of a process with all its threads, in seconds, read from outside: a server that is too busy to answer
 * need not be asked. Undefined where there is no Linux `/proc`.
 */
export function cpuTime(pid: number): number | undefined {
  try {
    let nanoseconds = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10)
    }
    return nanoseconds / 1e9
  } catch {
    return undefined
  }
}

/** Waits until a process has nothing left to do, for two seconds at most: what is left would be taken from the next. */
export async function untilIdle(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const before = cpuTime(pid)
    await delay(10)
    const after = cpuTime(pid)
    if (before === undefined || after === undefined || after - before < 0.001) return
  }
}
