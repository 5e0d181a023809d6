import { spawnSync } from 'node:child_process'

/** The numbers of two cores, so that a server and its load do not share one. */
export interface Cores {
  readonly server: number
  readonly load: number
}

/** The last two cores that this process may use; undefined where processes cannot be kept on cores. */
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

/** Keeps a process, with all its threads, on one core. */
export function keepOn(core: number, pid: number): void {
  const { status, stderr } = spawnSync('taskset', ['-acp', String(core), String(pid)], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`taskset failed: ${stderr}`)
}
