import type { Duplex } from 'node:stream'
import type { PlanMode } from '../../engine/planned-stage.js'
import { profiledStream, type ToStreamOptions, toStream } from '../../engine/to-stream.js'
import { CopyError, StageError } from '../../errors.js'
import { printable } from '../../options/printable.js'
import type { HandleOptions, Pipeline } from '../../pipeline.js'
import { finishAll, sideWritesOf } from '../../side-writes.js'
import type { Book } from '../../status/book.js'
import type { Io, Signal } from '../io.js'
import { type Log, openLog } from '../log/log.js'
import { systemErrorText } from '../system-error-text.js'
import { widthOf } from '../terminal/terminal.js'
import type { Progress } from './progress.js'
import { type Ends, runBetween } from './run-between.js'

/** Exit codes that a shell reports for a command that a signal has ended: 128 plus the number of the signal. */
const SIGNAL_EXIT_CODES: readonly [Signal, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]

/** A pipeline, and the streams that it runs between. */
export interface PipelineRun extends Ends {
  /** The name in the log. @default 'conn' */
  readonly name?: string
  readonly pipeline: Pipeline<Buffer, Buffer>
}

/** Options of runPipelines(). */
export interface RunOptions {
  readonly plan?: PlanMode
  /** A progress line, which is stopped at the end. */
  readonly progress?: Progress | undefined
  /** Whether to time every turn, and to say on stderr at the end where the time went. */
  readonly profile?: boolean
}

/**
 * Runs pipelines until all have ended and their copies are written, without timeouts. What stages report, such as a frame
 * that was left out, is logged. Returns the exit code: 0 for success, also when the reader of
 * stdout has exited; 130 or 143 after a signal; 1 after a failure, whose message goes to stderr.
 */
export async function runPipelines(
  runs: readonly PipelineRun[],
  io: Io,
  { plan = 'fused', progress, profile = false }: RunOptions = {},
): Promise<number> {
  const log = await openLog({ format: undefined, quiet: false }, io.stderr)
  const started = runs.map(run => start(run, plan, log, profile))
  let signalExitCode: number | undefined
  // Signals are handled only to finish the progress line, or for the profile. Else the default action ends even a blocked write.
  const handled = progress === undefined && !profile ? [] : SIGNAL_EXIT_CODES
  const listeners = handled.map(([signal, code]) => {
    const stop = () => {
      signalExitCode = code
      for (const { stream } of started) stream.destroy()
    }
    io.on(signal, stop)
    return { signal, stop }
  })
  const messages = await Promise.all(started.map(errorMessage))
  for (const { signal, stop } of listeners) io.off(signal, stop)
  progress?.stop()
  for (const { book } of started) if (book !== undefined) await printProfile(book, io)
  if (signalExitCode !== undefined) return signalExitCode
  const message = messages.find(message => message !== undefined)
  if (message === undefined) return 0
  io.stderr.write(`${printable(message)}\n`)
  return 1
}

/** A pipeline at work, with the fault of a stage that shows when it has ended: a copy that is not complete. */
interface Running extends PipelineRun {
  readonly stream: Duplex
  /** Set where the run is profiled. */
  readonly book: Book | undefined
  fault: StageError | undefined
}

/** Makes the stream of one pipeline, which logs what its stages report. */
function start(run: PipelineRun, plan: PlanMode, log: Log, isProfiled: boolean): Running {
  const logFault = log.connections(run.name).onError as NonNullable<HandleOptions['onError']>
  const options: ToStreamOptions = {
    plan,
    onError: (error, connection) => {
      if (error instanceof CopyError) log.error(error.message)
      else if (error instanceof StageError) running.fault ??= error
      else logFault(error, connection)
    },
  }
  const { stream, book } = isProfiled
    ? profiledStream(run.pipeline, options)
    : { stream: toStream(run.pipeline, options), book: undefined }
  const running: Running = { ...run, stream, book, fault: undefined }
  return running
}

async function printProfile(book: Book, { stderr }: Io): Promise<void> {
  const [{ makeProfile }, { profileText }] = await Promise.all([
    import('../../status/profile.js'),
    import('./profile-text.js'),
  ])
  stderr.write(profileText(makeProfile(book), widthOf(stderr)))
  book.close()
}

/** Runs one pipeline, and returns the message to print; undefined when it has ended well. */
async function errorMessage(running: Running): Promise<string | undefined> {
  const { pipeline, stream, keepsOutput } = running
  const { error, failure } = await runBetween(stream, running)
  await finishAll(sideWritesOf(pipeline.stages))
  if (failure === undefined) return (error ?? running.fault)?.message
  // main() reports a failure of stdout, for all commands.
  if (keepsOutput && failure.side === 'output') return undefined
  return `cannot ${failure.side === 'input' ? 'read' : 'write'}: ${systemErrorText(failure.error)}`
}
