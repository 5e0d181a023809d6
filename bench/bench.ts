import { separateCores } from './cores.js'
import { measureIdle } from './idle.js'
import { Loader } from './loader.js'
import { mostConnections, thisMachine } from './machine.js'
import { type Results, summarize, type WorkloadResult } from './results.js'
import { type Conditions, Server } from './server.js'
import { serverList } from './server-list.js'
import { SOCIABLE, type Workload, workloads } from './workloads.js'

/**
 * glibc gives freed memory back to the system, or not, as the luck of its layout has it, and page faults then cost up to
 * half of a bulk rate. Under load no server gives any back; what an idle connection takes is measured without this.
 */
const STEADY: Conditions = { env: { MALLOC_TRIM_THRESHOLD_: '1073741824' } }

/**
 * V8 doubles its young generation, up to 16 MB, as luck has it before or after the 10,000th connection. It is one for all
 * of them, and would count as a third of each.
 */
const GROWN: Conditions = { flags: ['--min-semi-space-size=16', '--max-semi-space-size=16'] }

/** Puts all servers through all workloads. Rejects at the first wrong answer. */
export async function bench(quick: boolean, progress: (text: string) => void): Promise<Results> {
  const entries = serverList(quick)
  const connections = Math.min(quick ? 1_000 : 10_000, mostConnections())
  const cores = separateCores()
  const loader = new Loader()
  if (cores !== undefined) loader.keepOn(cores.load)

  const use = async <Result>(
    only: readonly string[] | undefined,
    conditions: Conditions,
    measure: (servers: readonly Server[]) => Promise<Result>,
  ) => {
    const those = entries.filter(({ name }) => only?.includes(name) ?? true)
    progress(`starting ${those.map(({ name }) => name).join(', ')}`)
    const servers = await Promise.all(those.map(entry => Server.start(entry, conditions)))
    if (cores !== undefined) for (const server of servers) server.keepOn(cores.server)
    const result = await measure(servers)
    for (const server of servers) server.stop()
    return result
  }
  const measured = await use(undefined, STEADY, async started => {
    progress('checking answers')
    const servers = await rightOnes(started, loader, progress)
    const results: WorkloadResult[] = []
    for (const workload of workloads(quick, connections)) {
      const players = servers.filter(({ entry }) => workload.only?.includes(entry.name) ?? true)
      results.push(await takeTurns(players, workload, loader, progress))
    }
    return results
  })
  progress(`idle: ${connections.toLocaleString('en')} connections`)
  const rows = await use(SOCIABLE, GROWN, servers => measureIdle(servers, loader, connections))
  loader.stop()
  return {
    machine: thisMachine(),
    quick,
    pinned: cores !== undefined,
    workloads: measured,
    idle: { connections, rows },
  }
}

/** Throws when a server of ours answers wrong; a program that is not ours is then left out. */
async function rightOnes(
  servers: readonly Server[],
  loader: Loader,
  progress: (text: string) => void,
): Promise<readonly Server[]> {
  const right: Server[] = []
  for (const server of servers) {
    try {
      await loader.run(server, { kind: 'check' }, 0)
      right.push(server)
    } catch (error) {
      if (server.entry.command === undefined) throw error
      progress(`left out: ${(error as Error).message}`)
    }
  }
  return right
}

/** All servers run once in each round, so that whatever else the machine does hits all of them alike. */
async function takeTurns(
  servers: readonly Server[],
  { name, summary, unit, load, seconds, rounds, warmUp }: Workload,
  loader: Loader,
  progress: (text: string) => void,
): Promise<WorkloadResult> {
  if (warmUp !== undefined) {
    progress(`${name}: warming up`)
    for (const server of servers) await loader.run(server, load, warmUp)
  }
  const measured = []
  for (let round = 1; round <= rounds; round++) {
    progress(`${name}: round ${round} of ${rounds}`)
    const runs = []
    for (const server of servers) {
      const run = await loader.run(server, load, seconds)
      if (run !== undefined) runs.push(run)
    }
    measured.push(runs)
  }
  const rows = summarize(
    servers.map(({ entry }) => entry.name),
    measured,
  )
  return { name, summary, unit, rounds, rows }
}
