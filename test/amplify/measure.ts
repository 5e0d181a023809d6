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
  const bound: (served: Served, plan: PlanMode) => { readonly bytes: number } = memoryBound
  return bound(served, plan).bytes
}

/** Bytes that a connection holds whose client sends an input without end, and takes nothing. */
export async function memoryOf(
  served: Served,
  input: Input,
  length: number,
  plan: PlanMode,
): Promise<number> {
  const bytes = repeated(input, length)
  const feeder = new Feeder(bytes, false)
  const before = heldMemory()
  const over = served.handle(feeder, { ...HANDLE_OPTIONS, plan })
  await quiet(() => feeder.taken + feeder.writableLength)
  const held = heldMemory() - before
  const closed = feeder.closed ? undefined : once(feeder, 'close')
  feeder.destroy()
  await closed
  await over
  return held
}

/** The memory that is held, without garbage. */
export function heldMemory(): number {
  const collect = globalThis.gc as () => void
  // Twice: what finalizers let go of is only then garbage.
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
