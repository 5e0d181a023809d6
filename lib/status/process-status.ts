import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { OPEN_FILES } from '../open-files.js'
import { round } from './stage-account.js'
import type { ProcessStatus } from './status.js'

/** The interval of the timer that measures how late it is. */
const RESOLUTION_MS = 20
/** The age up to which an answer serves others who ask. */
const SHARED_MS = 900
const NANOSECONDS = 1e6

let users = 0
let delay: ReturnType<typeof monitorEventLoopDelay> | undefined
let lastUtilization: EventLoopUtilization | undefined
let known: { readonly at: number; readonly eventLoop: EventLoop } | undefined

type EventLoop = Pick<ProcessStatus, 'eventLoopDelay' | 'eventLoopUtilization'>

/** Begins to measure how late the event loop is, until everybody has called the function that it returns. */
export function watchEventLoop(): () => void {
  if (users++ > 0) return release
  delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  lastUtilization = performance.eventLoopUtilization()
  return release
}

function release(): void {
  if (--users > 0) return
  delay?.disable()
  delay = undefined
  known = undefined
}

/** The delay of the event loop since the last call. */
function eventLoop(): EventLoop {
  if (delay === undefined || delay.count === 0) return { eventLoopDelay: null, eventLoopUtilization: null }
  if (known !== undefined && performance.now() - known.at < SHARED_MS) return known.eventLoop
  // The histogram has the whole time from one call of its timer to the next.
  const late = (time: number) => round(Math.max(0, time / NANOSECONDS - RESOLUTION_MS))
  const now = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(now, lastUtilization)
  const eventLoop: EventLoop = {
    eventLoopDelay: { mean: late(delay.mean), p99: late(delay.percentile(99)), max: late(delay.max) },
    eventLoopUtilization: round(utilization),
  }
  lastUtilization = now
  known = { at: performance.now(), eventLoop }
  delay.reset()
  return eventLoop
}

const finite = (value: number) => (Number.isFinite(value) ? value : null)

export function processStatus(): ProcessStatus {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  const { held, capacity, limit } = OPEN_FILES
  return {
    pid: process.pid,
    uptime: Math.round(process.uptime() * 1_000),
    ...eventLoop(),
    memory: { rss, heapUsed, heapTotal, external },
    descriptors: { held, capacity: finite(capacity), limit: finite(limit) },
  }
}
