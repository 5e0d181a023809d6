import type { Measured } from './load/measured.js'
import type { Machine } from './machine.js'
import type { Workload } from './workloads.js'

/** Result of one server in one workload. Each figure is the median over all rounds. */
export interface Row {
  readonly server: string
  /** Units per second. */
  readonly rate: number
  /** The rate, divided by that of `raw` in the same round, since the speed of a machine drifts. */
  readonly ratio: number
  /** CPU time of the server per unit, in microseconds. */
  readonly cost: number | undefined
  /** Units per CPU time of the server, divided by those of `raw` in the same round. */
  readonly costRatio: number | undefined
  /** CPU time of the server divided by the elapsed time: 1 is a fully used core. */
  readonly busy: number | undefined
  readonly loadBusy: number
  readonly seconds: number
  /** Latencies in microseconds. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly p999: number | undefined
}

export interface WorkloadResult {
  readonly name: string
  readonly summary: string
  readonly unit: Workload['unit']
  readonly rounds: number
  readonly rows: readonly Row[]
}

/** Memory of one idle connection, in bytes. */
export interface MemoryRow {
  readonly server: string
  readonly heap: number
  readonly heapRatio: number
  readonly rss: number
  readonly rssRatio: number
}

export interface Results {
  readonly machine: Machine
  readonly quick: boolean
  readonly pinned: boolean
  readonly workloads: readonly WorkloadResult[]
  readonly idle: { readonly connections: number; readonly rows: readonly MemoryRow[] }
}

/**
 * Summarizes the rounds of a workload.
 *
 * @param servers - Their names. The first is the one that the others are compared with.
 * @param rounds - For each round, the measurements in the order of `servers`.
 */
export function summarize(
  servers: readonly string[],
  rounds: readonly (readonly Measured[])[],
): readonly Row[] {
  return servers.map((server, index) => {
    const over = (figure: (run: Measured, first: Measured) => number | undefined) =>
      median(rounds.map(round => figure(round[index] as Measured, round[0] as Measured)))
    const always = (figure: (run: Measured, first: Measured) => number) => over(figure) ?? Number.NaN
    return {
      server,
      rate: always(rateOf),
      ratio: always((run, first) => rateOf(run) / rateOf(first)),
      cost: over(costOf),
      costRatio: over((run, first) => {
        const [cost, firstCost] = [costOf(run), costOf(first)]
        return cost === undefined || firstCost === undefined ? undefined : firstCost / cost
      }),
      busy: over(({ serverCpu, seconds }) => (serverCpu === undefined ? undefined : serverCpu / seconds)),
      loadBusy: always(({ loadCpu, seconds }) => loadCpu / seconds),
      seconds: always(({ seconds }) => seconds),
      p50: over(({ p50 }) => p50),
      p99: over(({ p99 }) => p99),
      p999: over(({ p999 }) => p999),
    }
  })
}

function rateOf({ count, seconds }: Measured): number {
  return count / seconds
}

function costOf({ count, serverCpu }: Measured): number | undefined {
  return serverCpu === undefined ? undefined : (serverCpu * 1e6) / count
}

export function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}
