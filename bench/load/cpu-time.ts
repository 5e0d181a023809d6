import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/**
 * Reads the CPU time of a process with all its threads, in seconds, or of a group of processes where the number is negative.
 * The source is `/proc`, since a busy server would be slow to answer. Undefined on systems other than Linux.
 */
export function cpuTime(pid: number): number | undefined {
  try {
    const all = pid < 0 ? readdirSync('/proc').filter(name => isInGroup(name, -pid)) : [String(pid)]
    return all.map(cpuTimeOf).reduce((sum, time) => sum + time, 0) / 1e9
  } catch {
    return undefined
  }
}

/** In nanoseconds. */
function cpuTimeOf(pid: string): number {
  return readdirSync(`/proc/${pid}/task`).reduce(
    (sum, thread) =>
      sum + Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10),
    0,
  )
}

/** Whether an entry of `/proc` is a process of a group. */
function isInGroup(name: string, group: number): boolean {
  if (!/^\d+$/.test(name)) return false
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
    // The name of the program, in parentheses, may have blanks in it. Behind it: state, parent, group.
    return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[3]) === group
  } catch {
    // It has ended.
    return false
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
