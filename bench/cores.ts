import { spawnSync } from 'node:child_process'

/** Numbers of two CPU cores: one for the server, and one for the load. */
export interface Cores {
  readonly server: number
  readonly load: number
}

/** Finds the last two cores that this process may use; undefined where `taskset` is missing, or there is one core. */
export function separateCores(): Cores | undefined {
  const { status, stdout } = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
  const list = status === 0 ? stdout.slice(stdout.lastIndexOf(':') + 1) : ''
  const cores = list.split(',').flatMap(range => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 || 0 }, (_, n) => first + n)
  })
  const [server, load] = cores.slice(-2)
  return server === undefined || load === undefined ? undefined : { server, load }
}

/** Pins a process, with all its threads, to one core. */
export function keepOn(core: number, pid: number): void {
  const { status, stderr } = spawnSync('taskset', ['-acp', String(core), String(pid)], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`taskset failed: ${stderr}`)
}
