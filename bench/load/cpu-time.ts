import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Reads the CPU time of a process with all its threads, in seconds. The source is `/proc`, since a busy server would
 * be slow to answer. Undefined on systems other than Linux.
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

/** Waits until a process is idle, for two seconds at most, so that leftover work is not counted for the next job. */
export async function untilIdle(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const before = cpuTime(pid)
    await delay(10)
    const after = cpuTime(pid)
    if (before === undefined || after === undefined || after - before < 0.001) return
  }
}
