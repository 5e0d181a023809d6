import { readFileSync } from 'node:fs'

/** Returns the processor time that a process has used, in ticks of the system; undefined where Linux does not tell. */
export function cpuTime(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name of the program, in brackets, may have spaces and brackets itself; proc(5) has the fields behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return undefined
  }
}
