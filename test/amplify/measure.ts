import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { memoryBound } from '../../lib/config/memory-bound.js'
import type { PlanMode } from '../../lib/engine/planned-stage.js'
import type { Pipeline } from '../../lib/index.js'
import { quiet, turn } from '../../lib/testing/turns.js'
import { processorTime } from './calibration.js'
import { Feeder } from './feeder.js'

type Served = Pipeline<Buffer, Buffer>

/** A connection that ends after fewer bytes costs what a connection costs, and says nothing about a byte. */
const MIN_BYTES = 32_768

const HANDLE_OPTIONS = {
  frameTimeout: 0,
  drainTimeout: 0,
  farewell: () => undefined,
  onError: () => {},
} as const

/** Nanoseconds of processor time for each byte of an input; undefined where the connection ends before many have come. */
export async function timeOf(served: Served, input: Buffer): Promise<number | undefined> {
  const feeder = new Feeder(input, true)
  const before = processorTime()
  const { bytesRead } = await served.handle(feeder, HANDLE_OPTIONS)
  const time = processorTime() - before
  return bytesRead < MIN_BYTES ? undefined : time / bytesRead
}

/** Bytes that `explain` states for a connection. */
export function statedMemory(served: Served, plan: PlanMode): number {
  return memoryBound(served, plan).bytes
}

/** Connections that are measured together, so that what else changes meanwhile counts less. */
const CONNECTIONS = 4

/** Readings of the memory until two are alike, at most. */
const MAX_READINGS = 10

/** Bytes in which two readings that are alike may differ. */
const READING_ERROR = 1024

/** A first look at what a connection holds whose client sends much of an input, and takes nothing: quick, and not exact. */
export async function looksHeld(served: Served, input: Buffer, plan: PlanMode): Promise<number> {
  return held(served, input, plan, 1, async () => {
    // Twice: what is young becomes old the second time.
    for (let time = 0; time < 2; time++) collect({ type: 'minor' })
    return memory()
  })
}

/** Bytes that a connection holds whose client sends much of an input, and takes nothing. */
export async function memoryOf(served: Served, input: Buffer, plan: PlanMode): Promise<number> {
  return held(served, input, plan, CONNECTIONS, async () => {
    let last = Number.POSITIVE_INFINITY
    for (let reading = 0; reading < MAX_READINGS; reading++) {
      collect()
      // What finalizers let go of is garbage a turn later.
      await turn()
      collect()
      const now = memory()
      if (Math.abs(last - now) < READING_ERROR) break
      last = now
    }
    return memory()
  })
}

async function held(
  served: Served,
  input: Buffer,
  plan: PlanMode,
  count: number,
  read: () => Promise<number>,
): Promise<number> {
  const before = await read()
  const feeders = Array.from({ length: count }, () => new Feeder(input, false))
  const over = feeders.map(feeder => served.handle(feeder, { ...HANDLE_OPTIONS, plan }))
  await quiet(() => feeders.reduce((sum, { taken, writableLength }) => sum + taken + writableLength, 0))
  const after = await read()
  for (const feeder of feeders) feeder.destroy()
  await Promise.all(over)
  return (after - before) / count
}

type Collect = (options?: { readonly type: 'minor' }) => void

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as Collect

function memory(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
