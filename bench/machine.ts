import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, type } from 'node:os'

/** The machine on which the figures were measured, and the date. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  readonly node: string
  readonly date: string
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    system: `${type()} ${release()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
}

export function machineLine({ cpu, cores, system, node, date }: Machine): string {
  return `${cpu}, ${cores} cores, ${system}, Node ${node}, ${date}`
}

/** Number of connections that a process may have: its limit of open files, less 100 for other files. */
export function maxConnections(): number {
  try {
    const limit = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
    return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) - 100
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
