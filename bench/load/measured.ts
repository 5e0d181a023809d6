import { cpuTime } from './cpu-time.js'
import type { Histogram } from './histogram.js'

/** Measurements of one run. Latencies are in microseconds, CPU times in seconds. */
export interface Measured {
  /** Number of units: messages, megabytes or connections. */
  readonly count: number
  readonly seconds: number
  readonly serverCpu: number | undefined
  readonly loadCpu: number
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly p999: number | undefined
}

/** Stopwatch for elapsed time, and for the CPU time of the server and of this process. */
export class Watch {
  readonly #pid: number
  #server: number | undefined
  #load = 0
  #begun = 0

  constructor(serverPid: number) {
    this.#pid = serverPid
  }

  begin(): void {
    this.#server = cpuTime(this.#pid)
    this.#load = ownCpuTime()
    this.#begun = performance.now()
  }

  end(count: number, histogram?: Histogram): Measured {
    const seconds = (performance.now() - this.#begun) / 1e3
    const server = cpuTime(this.#pid)
    return {
      count,
      seconds,
      serverCpu: server === undefined || this.#server === undefined ? undefined : server - this.#server,
      loadCpu: ownCpuTime() - this.#load,
      p50: histogram?.percentile(0.5),
      p99: histogram?.percentile(0.99),
      p999: histogram?.percentile(0.999),
    }
  }
}

function ownCpuTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
