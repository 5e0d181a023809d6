import { MAX_TIMEOUT_MS } from '../clock.js'
import type { Configuration } from '../config/file/configuration.js'
import { PLAN_MODES, type PlanMode } from '../engine/planned-stage.js'
import { CopyError, StageError } from '../errors.js'
import { finishAll, giveUpAll, sideWritesOf } from '../side-writes.js'
import { chunkings } from '../testing/chunkings.js'
import { connect } from '../testing/connect.js'

/** A test as a configuration file has it under `tests`. */
export type FileTest = Configuration['tests'][number]

/** Input of one run: the plan, and the chunks that the input is sent in. */
interface RunInput {
  readonly plan: PlanMode
  readonly chunks: readonly Buffer[]
}

/** One run of a test, and its result. */
export interface TestRun extends RunInput {
  readonly received: Buffer
  /** The error of a stage that threw or broke its contract, if any. */
  readonly fault: string | undefined
  readonly isGood: boolean
}

/** Result of a test over all of its runs. */
export interface TestResult {
  readonly runs: number
  /** Messages of stages about copies that are not complete, with the number of runs. */
  readonly losses: ReadonlyMap<string, number>
  /** The failed run with the fewest chunks, of the first batch in which a run failed. */
  readonly failure: TestRun | undefined
}

/** Size of a batch of concurrent runs, so that stages that wait for something wait at the same time. */
const MAX_CONCURRENT_RUNS = 64

/** Number of places at which an input is cut in two; a longer input is not cut behind every byte. */
const MAX_CUT_PLACES = 1000

/**
 * Runs a test with its input cut into chunks in many ways, on both plans. Stops after the first batch with a failure.
 *
 * @param timeout - How long a stage may take to answer after the end of the input, in milliseconds.
 */
export async function runTest(test: FileTest, timeout = 10_000): Promise<TestResult> {
  let runs = 0
  const losses = new Map<string, number>()
  const onLoss = ({ message }: CopyError) => void losses.set(message, (losses.get(message) ?? 0) + 1)
  for (const batch of batches(test)) {
    const done = await Promise.all(batch.map(cut => runOnce(test, cut, timeout, onLoss)))
    runs += done.length
    const bad = done.filter(({ isGood }) => !isGood)
    const [failure] = bad.sort((one, other) => one.chunks.length - other.chunks.length)
    if (failure !== undefined) return { runs, losses, failure }
  }
  return { runs, losses, failure: undefined }
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

/** Waits for the copies of a pipeline, and gives them up when the time is over: nobody may read them. */
async function finishSideWrites({ stages }: FileTest['pipeline'], timeout: number): Promise<void> {
  const sideWrites = sideWritesOf(stages)
  const timer = setTimeout(() => giveUpAll(sideWrites), timeout)
  await finishAll(sideWrites)
  clearTimeout(timer)
}

async function runOnce(
  { pipeline, expect }: FileTest,
  { plan, chunks }: RunInput,
  timeout: number,
  onLoss: (error: CopyError) => void,
): Promise<TestRun> {
  /** The fault of a stage, which comes behind the outcome where it is about a copy. */
  let late: StageError | undefined
  const client = connect(pipeline, {
    plan,
    halfCloseTimeout: timeout,
    onError: error => {
      if (error instanceof CopyError) onLoss(error)
      else if (error instanceof StageError) late ??= error
    },
  })
  for (const chunk of chunks) client.send(chunk)
  client.end()
  // The deadline is the connection's own.
  const received = await client.receive(undefined, { timeout: MAX_TIMEOUT_MS })
  const { reason, error } = await client.outcome
  await finishSideWrites(pipeline, timeout)
  const fault = (reason === 'stage-error' ? error : late)?.message
  return { plan, chunks, received, fault, isGood: fault === undefined && received.equals(expect) }
}
