import { Harness, LOAD_CONDITIONS, MEMORY_CONDITIONS } from './harness.js'
import { measureIdle } from './idle.js'
import type { Loader } from './loader.js'
import { maxConnections, thisMachine } from './machine.js'
import type { Options } from './options.js'
import { type Results, summarize, type WorkloadResult } from './results.js'
import type { Conditions, Server } from './server.js'
import { type ServerEntry, serverList } from './server-list.js'
import { IDLE_SERVERS, PROXY_SERVERS, SPECIAL_SERVERS, type Workload, workloads } from './workloads.js'

/** Runs workloads on their servers. Rejects at the first wrong answer. */
export async function bench(
  { quick, workload: names, server: given }: Pick<Options, 'quick' | 'workload' | 'server'>,
  progress: (text: string) => void,
): Promise<Results> {
  const entries = [...serverList(quick), ...given]
  const connections = Math.min(quick ? 1_000 : 10_000, maxConnections())
  const harness = new Harness()
  const { loader } = harness

  const chosen = workloads(quick, connections).filter(({ name }) => names?.includes(name) ?? true)
  const foreign = given.map(({ name }) => name)
  const takesPart = ({ only, peers }: Workload, name: string) =>
    foreign.includes(name) ? peers : (only?.includes(name) ?? !SPECIAL_SERVERS.includes(name))
  const wanted = entries.map(({ name }) => name).filter(name => chosen.some(each => takesPart(each, name)))

  const use = async <Result>(
    only: readonly string[],
    conditions: Conditions,
    measure: (servers: readonly Server[]) => Promise<Result>,
  ) => {
    const those = entries.filter(({ name }) => only.includes(name))
    progress(`starting ${those.map(({ name }) => name).join(', ')}`)
    const upstream = those.some(({ name }) => PROXY_SERVERS.includes(name))
      ? await harness.startBesideLoad(entries.find(({ name }) => name === 'raw') as ServerEntry, conditions)
      : undefined
    const env = { ...conditions.env, BENCH_UPSTREAM: String(upstream?.target.port) }
    const servers = await harness.start(those, { ...conditions, env })
    const result = await measure(servers)
    for (const server of servers) server.stop()
    upstream?.stop()
    return result
  }
  const measured = await use(wanted, LOAD_CONDITIONS, async started => {
    progress('checking answers')
    const servers = await checkAnswers(started, loader, progress)
    const results: WorkloadResult[] = []
    for (const workload of chosen) {
      const players = servers.filter(({ entry }) => takesPart(workload, entry.name))
      results.push(await takeTurns(players, workload, loader, progress))
    }
    return results
  })
  const idle = async () => {
    progress(`idle: ${connections.toLocaleString('en')} connections`)
    return use(IDLE_SERVERS, MEMORY_CONDITIONS, servers => measureIdle(servers, loader, connections))
  }
  const rows = names === undefined || names.includes('idle') ? await idle() : []
  harness.stop()
  return {
    machine: thisMachine(),
    quick,
    pinned: harness.isPinned,
    workloads: measured,
    idle: { connections, rows },
  }
}

/** Checks the answers of all servers. Rejects when one of servers/ is wrong; a foreign program is then left out. */
async function checkAnswers(
  servers: readonly Server[],
  loader: Loader,
  progress: (text: string) => void,
): Promise<readonly Server[]> {
  const correct: Server[] = []
  for (const server of servers) {
    try {
      await loader.run(server, { kind: 'check' }, 0)
      correct.push(server)
    } catch (error) {
      if (server.entry.command === undefined) throw error
      progress(`left out: ${(error as Error).message}`)
    }
  }
  return correct
}

/** Runs every server once in each round, so that other work of the machine affects all of them alike. */
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
