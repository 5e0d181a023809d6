import { MAX_TIMEOUT_MS } from '../../engine/connection-options.js'
import type { PlanMode } from '../../engine/planned-stage.js'
import type { Outcome } from '../../outcome.js'
import type { Pipeline } from '../../pipeline.js'
import { printable } from '../../printable.js'
import type { Io, Signal } from '../io.js'
import { systemReason } from '../system-reason.js'
import type { Ends } from './ends.js'
import type { Progress } from './progress.js'

/** What a shell gives a command that a signal has ended. */
const SIGNALLED: readonly [Signal, number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]

/** A pipeline and what it runs between. */
export interface Run {
  readonly pipeline: Pipeline<Buffer, Buffer>
  readonly ends: Ends
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
export async function runThrough(
  runs: readonly Run[],
  io: Io,
  { plan = 'fused', progress }: RunOptions = {},
): Promise<number> {
  let signalled: number | undefined
  // Where nothing is shown nothing has to be put in order, and a signal that nobody handles ends even a write that blocks.
  const handled = progress === undefined ? [] : SIGNALLED
  const listeners = handled.map(([signal, code]) => {
    const stop = () => {
      signalled = code
      for (const { ends } of runs) ends.destroy()
    }
    io.on(signal, stop)
    return { signal, stop }
  })
  const messages = await Promise.all(runs.map(run => messageOf(run, plan)))
  for (const { signal, stop } of listeners) io.off(signal, stop)
  progress?.stop()
  if (signalled !== undefined) return signalled
  const message = messages.find(message => message !== undefined)
  if (message === undefined) return 0
  io.stderr.write(`${printable(message)}\n`)
  return 1
}

/** Runs one, and gives what there is to say of its outcome: nothing of a good end. */
async function messageOf({ pipeline, ends }: Run, plan: PlanMode): Promise<string | undefined> {
  const { reason, error }: Outcome = await pipeline.handle(ends, {
    plan,
    idleTimeout: 0,
    frameTimeout: 0,
    drainTimeout: 0,
    halfCloseTimeout: MAX_TIMEOUT_MS,
    farewell: () => undefined,
  })
  if (reason === 'end' || reason === 'terminated') return undefined
  const { failure, keepsOutput } = ends
  if (failure === undefined) return error?.message
  // What becomes of stdout is told by main(), for all commands.
  if (keepsOutput && failure.end === 'output') return undefined
  return `cannot ${failure.end === 'input' ? 'read' : 'write'}: ${systemReason(failure.error)}`
}
