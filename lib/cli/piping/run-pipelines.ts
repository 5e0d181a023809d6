import { MAX_TIMEOUT_MS } from '../../clock.js'
import { printable } from '../../config/text/printable.js'
import type { PlanMode } from '../../engine/planned-stage.js'
import { CopyError, StageError } from '../../errors.js'
import type { Outcome } from '../../outcome.js'
import type { HandleOptions, Pipeline } from '../../pipeline.js'
import { finishAll, sideWritesOf } from '../../side-writes.js'
import type { Io, Signal } from '../io.js'
import { type Log, openLog } from '../log/log.js'
import { systemErrorText } from '../system-error-text.js'
import type { CombinedDuplex } from './combined-duplex.js'
import type { Progress } from './progress.js'

/** Exit codes that a shell reports for a command that a signal has ended: 128 plus the number of the signal. */
const SIGNAL_EXIT_CODES: readonly [Signal, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]

/** A pipeline, and the streams that it runs between. */
export interface PipelineRun {
  /** The name in the log. @default 'conn' */
  readonly name?: string
  readonly pipeline: Pipeline<Buffer, Buffer>
  readonly duplex: CombinedDuplex
}

/** Options of runPipelines(). */
export interface RunOptions {
  readonly plan?: PlanMode
  /** A progress line, which is stopped at the end. */
  readonly progress?: Progress | undefined
}

/**
 * Runs pipelines until all have ended and their copies are written, without timeouts. What stages report, such as a frame
 * that was left out, is logged. Returns the exit code: 0 for success, also when the reader of
 * stdout has exited; 130 or 143 after a signal; 1 after a failure, whose message goes to stderr.
 */
export async function runPipelines(
  runs: readonly PipelineRun[],
  io: Io,
  { plan = 'fused', progress }: RunOptions = {},
): Promise<number> {
  let signalExitCode: number | undefined
  // Signals are handled only to finish the progress line. Without one, the default action ends even a blocked write.
  const handled = progress === undefined ? [] : SIGNAL_EXIT_CODES
  const listeners = handled.map(([signal, code]) => {
    const stop = () => {
      signalExitCode = code
      for (const { duplex } of runs) duplex.destroy()
    }
    io.on(signal, stop)
    return { signal, stop }
  })
  const log = await openLog({ format: undefined, quiet: false }, io.stderr)
  const messages = await Promise.all(runs.map(run => errorMessage(run, plan, log)))
  for (const { signal, stop } of listeners) io.off(signal, stop)
  progress?.stop()
  if (signalExitCode !== undefined) return signalExitCode
  const message = messages.find(message => message !== undefined)
  if (message === undefined) return 0
  io.stderr.write(`${printable(message)}\n`)
  return 1
}

/** Runs one pipeline, and returns the message to print; undefined when it has ended well. */
async function errorMessage(
  { name, pipeline, duplex }: PipelineRun,
  plan: PlanMode,
  log: Log,
): Promise<string | undefined> {
  const logFault = log.connections(name).onError as NonNullable<HandleOptions['onError']>
  /** The fault of a stage, which comes behind the outcome where it is about a copy. */
  let fault: StageError | undefined
  const { reason, error }: Outcome = await pipeline.handle(duplex, {
    plan,
    idleTimeout: 0,
    frameTimeout: 0,
    drainTimeout: 0,
    halfCloseTimeout: MAX_TIMEOUT_MS,
    farewell: () => undefined,
    onError: (error, connection) => {
      if (error instanceof CopyError) log.error(error.message)
      else if (error instanceof StageError) fault ??= error
      else logFault(error, connection)
    },
  })
  await finishAll(sideWritesOf(pipeline.stages))
  if (reason === 'end' || reason === 'terminated') return fault?.message
  const { failure, keepsOutput } = duplex
  if (failure === undefined) return error?.message
  // main() reports a failure of stdout, for all commands.
  if (keepsOutput && failure.side === 'output') return undefined
  return `cannot ${failure.side === 'input' ? 'read' : 'write'}: ${systemErrorText(failure.error)}`
}
