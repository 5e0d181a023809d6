import { LONGEST_TIMEOUT } from '../../engine/connection-options.js'
import type { PlanMode } from '../../engine/planned-stage.js'
import type { Outcome } from '../../outcome.js'
import type { Pipeline } from '../../pipeline.js'
import { printable } from '../../printable.js'
import type { Io, Signal } from '../io.js'
import { systemErrorText } from '../system-error-text.js'
import type { CombinedDuplex } from './combined-duplex.js'
import type { Progress } from './progress.js'

/** What a shell gives a command that a signal has ended. */
const SIGNAL_EXIT_CODES: readonly [Signal, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]

/** A pipeline and what it runs between. */
export interface PipelineRun {
  readonly pipeline: Pipeline<Buffer, Buffer>
  readonly duplex: CombinedDuplex
}

/** How they run. */
export interface RunOptions {
  readonly plan?: PlanMode
  /** What is shown meanwhile. */
  readonly progress?: Progress | undefined
}

/**
 * Runs pipelines between ends that have all the time they need. Returns the exit code: 0 also where the reader of
 * stdout has gone, 130 or 143 after a signal, and 1 after one line on stderr.
 */
export async function runPipelines(
  runs: readonly PipelineRun[],
  io: Io,
  { plan = 'fused', progress }: RunOptions = {},
): Promise<number> {
  let signalExitCode: number | undefined
  // Where nothing is shown nothing has to be put in order, and a signal that nobody handles ends even a write that blocks.
  const handled = progress === undefined ? [] : SIGNAL_EXIT_CODES
  const listeners = handled.map(([signal, code]) => {
    const stop = () => {
      signalExitCode = code
      for (const { duplex } of runs) duplex.destroy()
    }
    io.on(signal, stop)
    return { signal, stop }
  })
  const messages = await Promise.all(runs.map(run => errorMessage(run, plan)))
  for (const { signal, stop } of listeners) io.off(signal, stop)
  progress?.stop()
  if (signalExitCode !== undefined) return signalExitCode
  const message = messages.find(message => message !== undefined)
  if (message === undefined) return 0
  io.stderr.write(`${printable(message)}\n`)
  return 1
}

/** Runs one, and gives what there is to say of its outcome: nothing of a good end. */
async function errorMessage({ pipeline, duplex }: PipelineRun, plan: PlanMode): Promise<string | undefined> {
  const { reason, error }: Outcome = await pipeline.handle(duplex, {
    plan,
    idleTimeout: 0,
    frameTimeout: 0,
    drainTimeout: 0,
    halfCloseTimeout: LONGEST_TIMEOUT,
    farewell: () => undefined,
  })
  if (reason === 'end' || reason === 'terminated') return undefined
  const { failure, keepsOutput } = duplex
  if (failure === undefined) return error?.message
  // What becomes of stdout is told by main(), for all commands.
  if (keepsOutput && failure.side === 'output') return undefined
  return `cannot ${failure.side === 'input' ? 'read' : 'write'}: ${systemErrorText(failure.error)}`
}
