import { once } from 'node:events'
import { memoryBound } from '../../lib/config/memory-bound.js'
import type { PlanMode } from '../../lib/engine/planned-stage.js'
import type { Pipeline } from '../../lib/index.js'
import { quiet } from '../../lib/testing/turns.js'
import { processorTime } from './calibration.js'
import { Feeder } from './feeder.js'
import { type Input, repeated } from './inputs.js'

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
export async function timeOf(served: Served, input: Input, length: number): Promise<number | undefined> {
  const feeder = new Feeder(repeated(input, length), true)
  const before = processorTime()
  const { bytesRead } = await served.handle(feeder, HANDLE_OPTIONS)
  const time = processorTime() - before
  return bytesRead < MIN_BYTES ? undefined : time / bytesRead
}

/** Bytes that `explain` states for a connection. */
export function statedMemory(served: Served, plan: PlanMode): number {
  return memoryBound(served, plan).bytes
}

/** Bytes that a connection holds whose client sends much of an input, and takes nothing. */
export async function memoryOf(
  served: Served,
  input: Input,
  length: number,
  plan: PlanMode,
  garbage: Garbage,
): Promise<number> {
  const feeder = new Feeder(repeated(input, length), false)
  const before = heldMemory(garbage)
  const over = served.handle(feeder, { ...HANDLE_OPTIONS, plan })
  await quiet(() => feeder.taken + feeder.writableLength)
  const held = heldMemory(garbage) - before
  const closed = feeder.closed ? undefined : once(feeder, 'close')
  feeder.destroy()
  await closed
  await over
  return held
}

/** The garbage that is collected first: only what is young takes a hundredth of the time, and is most of it. */
type Garbage = 'young' | 'all'

function heldMemory(garbage: Garbage): number {
  const collect = globalThis.gc as (options?: { readonly type: 'minor' }) => void
  // Twice: what finalizers let go of is only then garbage, and what is young becomes old the second time.
  for (let time = 0; time < 2; time++) garbage === 'all' ? collect() : collect({ type: 'minor' })
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
