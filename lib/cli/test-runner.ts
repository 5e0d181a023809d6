import type { Configuration } from '../config/file/configuration.js'
import { PLAN_MODES, type PlanMode } from '../engine/planned-stage.js'
import { chunkings } from '../testing/chunkings.js'
import { connect } from '../testing/connect.js'

/** A test of a file. */
export type FileTest = Configuration['tests'][number]

/** How one run goes. */
interface RunInput {
  readonly plan: PlanMode
  readonly chunks: readonly Buffer[]
}

/** One run of a test: what was sent in which pieces, and what came back. */
export interface TestRun extends RunInput {
  readonly received: Buffer
  /** What a stage did wrong. */
  readonly fault: string | undefined
  readonly isGood: boolean
}

/** What came of a test. */
export interface TestResult {
  readonly runs: number
  /** Of the first runs that were not good, the one with the fewest pieces. */
  readonly failure: TestRun | undefined
}

/** So many connections are open at once: stages that wait do so together. */
const MAX_CONCURRENT_RUNS = 64

/** Of a long text not every place is cut. */
const MAX_CUT_PLACES = 1000

/**
 * Runs a test with its input cut in many ways, on both plans, up to the first runs that fail.
 *
 * @param timeout - How long a stage may go without an answer before it is given up; in milliseconds.
 */
export async function runTest(test: FileTest, timeout = 10_000): Promise<TestResult> {
  let runs = 0
  for (const batch of batches(test)) {
    const done = await Promise.all(batch.map(cut => runOnce(test, cut, timeout)))
    runs += done.length
    const bad = done.filter(({ isGood }) => !isGood)
    const [failure] = bad.sort((one, other) => one.chunks.length - other.chunks.length)
    if (failure !== undefined) return { runs, failure }
  }
  return { runs, failure: undefined }
}

function* batches({ send }: FileTest): Generator<RunInput[]> {
  let batch: RunInput[] = []
  for (const chunks of chunkings(send, { places: MAX_CUT_PLACES })) {
    batch.push(...PLAN_MODES.map(plan => ({ plan, chunks })))
    if (batch.length < MAX_CONCURRENT_RUNS) continue
    yield batch
    batch = []
  }
  yield batch
}

async function runOnce(
  { pipeline, expect }: FileTest,
  { plan, chunks }: RunInput,
  halfCloseTimeout: number,
): Promise<TestRun> {
  const client = connect(pipeline, { plan, halfCloseTimeout })
  for (const chunk of chunks) client.send(chunk)
  client.end()
  const received = await client.receive()
  const { reason, error } = await client.outcome
  const fault = reason === 'stage-error' ? error?.message : undefined
  return { plan, chunks, received, fault, isGood: fault === undefined && received.equals(expect) }
}
