import { Harness, LOAD_CONDITIONS, MEMORY_CONDITIONS } from './harness.js'
import type { Load } from './load/job.js'
import { type Machine, maxConnections, thisMachine } from './machine.js'
import { median } from './results.js'
import type { Server } from './server.js'
import type { ServerEntry } from './server-list.js'

/** A server at a size. */
interface Point {
  readonly size: number
  readonly entry: ServerEntry
  readonly load: Load
  /** Measuring time, in seconds; 0 for as long as the work takes. */
  readonly seconds: number
  /** Factor from the unit of the load to that of the series. */
  readonly scale: number
}

/** How sizes and costs are drawn. */
export interface Scales {
  readonly size: 'linear' | 'log'
  readonly cost: 'linear' | 'log'
}

interface Plan {
  readonly name: string
  readonly summary: string
  /** The quantity that grows. */
  readonly axis: string
  readonly scales: Scales
  readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[]
}

/** The cost of one server at each size. */
export interface GrowthLine {
  readonly name: string
  readonly costs: readonly { readonly size: number; readonly cost: number }[]
}

/** A quantity that grows, and what the work of each server costs then. */
export interface Series {
  readonly name: string
  readonly summary: string
  readonly axis: string
  readonly unit: 'µs' | 'KB'
  readonly scales: Scales
  readonly lines: readonly GrowthLine[]
}

export interface Growth {
  readonly machine: Machine
  readonly rounds: number
  readonly series: readonly Series[]
}

/** Where the cost of a unit does not grow, its line is level. */
const FLAT: Scales = { size: 'log', cost: 'linear' }
/** Bytes that the bulk loads count as one. */
const MEGABYTE = 1e6
/** From this many connections on, the resident memory of each can be told from that of the process. */
const MIN_RESIDENT = 1_000
/** Number of connections before the first measurement, so that one-time memory (compiled code) is not counted. */
const WARM_UP_CONNECTIONS = 500

const echo = { greeting: '', upper: false, prefixed: false }
const upper = { ...echo, upper: true }
const raw: ServerEntry = { ...echo, name: 'raw', summary: 'an echo by hand on node:net' }
const map: ServerEntry = { ...upper, name: 'map', summary: 'lines, map(own function), toLines' }
const blocks: ServerEntry = {
  ...upper,
  name: 'blocks',
  summary: 'lines, uppercase, toLines',
  ...{ file: 'stages', env: { BENCH_STAGES: 'uppercase:1' } },
}

/** Measures how the costs of a server grow. Rejects at the first wrong answer. */
export async function growth(quick: boolean, progress: (text: string) => void): Promise<Growth> {
  const rounds = quick ? 1 : 5
  const harness = new Harness()
  const sizes = [10, 100, 1_000, 10_000].filter(
    size => size <= Math.min(maxConnections(), quick ? 1_000 : 1e9),
  )
  const series: Series[] = []
  for (const plan of [connections(sizes, quick), lengths(quick), stages(quick), rooms(sizes, quick)]) {
    series.push(await costs(plan, rounds, harness, progress))
    if (plan.name === 'connections') series.push(await memory(sizes, harness, progress))
  }
  harness.stop()
  return { machine: thisMachine(), rounds, series }
}

function connections(sizes: readonly number[], quick: boolean): Plan {
  const pointOf = (entry: ServerEntry, size: number): Point => ({
    ...{ size, entry, scale: 1, seconds: quick ? 0.2 : Math.max(0.4, size / 8_000) },
    load: { kind: 'pingpong', connections: size, depth: 1, size: 64 },
  })
  return {
    name: 'connections',
    summary: 'CPU for a message of 64 bytes, one in flight on each connection',
    axis: 'connections',
    scales: FLAT,
    lines: [raw, blocks, map].map(entry => ({
      name: entry.name,
      points: sizes.map(size => pointOf(entry, size)),
    })),
  }
}

function lengths(quick: boolean): Plan {
  const sizes = quick ? [64, 4_096] : [16, 64, 256, 1_024, 4_096, 16_384, 65_536]
  return {
    name: 'lines',
    summary: 'CPU for a line, 8 connections as fast as they go',
    axis: 'bytes of a line',
    scales: { size: 'log', cost: 'log' },
    lines: [raw, blocks, map].map(entry => ({
      name: entry.name,
      points: sizes.map(size => ({
        ...{ size, entry, scale: size / MEGABYTE, seconds: quick ? 0.1 : 0.3 },
        load: { kind: 'bulk', connections: 8, size },
      })),
    })),
  }
}

function stages(quick: boolean): Plan {
  const size = 64
  const kinds = ['uppercase', 'map', 'stage']
  const pointOf = (kind: string, count: number): Point => ({
    ...{ size: count, scale: size / MEGABYTE, seconds: quick ? 0.1 : 0.3 },
    load: { kind: 'bulk', connections: 8, size },
    entry: {
      ...upper,
      name: `${kind}-${count}`,
      summary: `${count} stages`,
      file: 'stages',
      env: { BENCH_STAGES: `${kind}:${count}` },
    },
  })
  return {
    name: 'stages',
    summary: 'CPU for a line of 64 bytes, 8 connections as fast as they go',
    axis: 'stages between lines and toLines',
    scales: { size: 'linear', cost: 'linear' },
    lines: kinds.map(name => ({ name, points: [1, 2, 4, 8, 16].map(count => pointOf(name, count)) })),
  }
}

function rooms(sizes: readonly number[], quick: boolean): Plan {
  const entries: readonly ServerEntry[] = [
    { ...echo, name: 'by hand', file: 'push-hand', summary: 'for (const s of sockets) s.write(buffer)' },
    { ...echo, name: 'hub', file: 'room', summary: 'lines, hub.publish(), toLines' },
  ]
  const pushesTo = (size: number) => Math.max(20, 100_000 / size) / (quick ? 10 : 1)
  return {
    name: 'rooms',
    summary: 'CPU for a line of 64 bytes to each subscriber',
    axis: 'subscribers',
    scales: FLAT,
    lines: entries.map(entry => ({
      name: entry.name,
      points: sizes.map(size => ({
        ...{ size, entry, scale: 1, seconds: 0 },
        load: { kind: 'push', connections: size, pushes: pushesTo(size) },
      })),
    })),
  }
}

/** Measures every point once in each round, so that other work of the machine affects all of them alike. */
async function costs(
  { name, summary, axis, scales, lines }: Plan,
  rounds: number,
  harness: Harness,
  progress: (text: string) => void,
): Promise<Series> {
  const points = lines.flatMap(line => line.points)
  const entries = [...new Map(points.map(({ entry }) => [entry.name, entry])).values()]
  progress(`${name}: starting ${entries.map(entry => entry.name).join(', ')}`)
  const servers = await harness.start(entries, LOAD_CONDITIONS)
  const serverOf = new Map(servers.map(server => [server.entry.name, server]))
  const found = new Map<Point, number[]>(points.map(point => [point, []]))
  // The first round warms up: V8 optimizes code only after it has run for a while.
  for (let round = 0; round <= rounds; round++) {
    progress(`${name}: ${round === 0 ? 'warming up' : `round ${round} of ${rounds}`}`)
    for (const point of bySize(points)) {
      const server = serverOf.get(point.entry.name) as Server
      const measured = await harness.loader.run(server, point.load, point.seconds)
      if (round === 0 || measured?.serverCpu === undefined) continue
      found.get(point)?.push((measured.serverCpu * 1e6 * point.scale) / measured.count)
    }
  }
  for (const server of servers) server.stop()
  return {
    ...{ name, summary, axis, scales, unit: 'µs' },
    lines: lines.map(line => ({
      name: line.name,
      costs: line.points.map(point => ({
        size: point.size,
        cost: median(found.get(point) ?? []) ?? Number.NaN,
      })),
    })),
  }
}

/** Puts the servers of one size next to each other. */
function bySize(points: readonly Point[]): readonly Point[] {
  return [...points].sort((a, b) => a.size - b.size)
}

/** Measures the memory of connections that have sent a line and have their answer. */
async function memory(
  sizes: readonly number[],
  harness: Harness,
  progress: (text: string) => void,
): Promise<Series> {
  const lines: GrowthLine[] = []
  for (const entry of [raw, blocks, map]) {
    progress(`memory: ${entry.name}`)
    const [server] = (await harness.start([entry], MEMORY_CONDITIONS)) as [Server]
    const hold = async (count: number) => {
      await harness.loader.run(server, { kind: 'hold', connections: count, speak: true }, 0)
      const held = await server.memory()
      await harness.loader.run(server, { kind: 'release' }, 0)
      return held
    }
    await hold(WARM_UP_CONNECTIONS)
    const heap: { size: number; cost: number }[] = []
    const rss: { size: number; cost: number }[] = []
    for (const size of sizes) {
      const before = await server.memory()
      const after = await hold(size)
      heap.push({ size, cost: (after.heap - before.heap) / size / 1_024 })
      if (size >= MIN_RESIDENT) rss.push({ size, cost: (after.rss - before.rss) / size / 1_024 })
    }
    lines.push({ name: `${entry.name}, heap`, costs: heap }, { name: `${entry.name}, resident`, costs: rss })
    server.stop()
  }
  return {
    name: 'memory',
    summary: 'memory for a connection that has sent a line and waits',
    axis: 'connections',
    unit: 'KB',
    scales: FLAT,
    lines,
  }
}
