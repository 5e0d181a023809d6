import { LONGEST_TIMEOUT } from '../connection-options.js'
import type { Outcome } from '../outcome.js'
import type { Pipeline } from '../pipeline.js'
import type { PlanMode } from '../plan.js'
import { printable } from '../printable.js'
import type { Ends } from './ends.js'
import type { Io, Signal } from './main.js'

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
  /** Called when all is over, before a line about it. */
  readonly onEnd?: () => void
}

/**
 * Runs pipelines between ends that have all the time they need. Returns the exit code: 0 also where the reader of
 * stdout has gone, 130 or 143 after a signal, and 1 after one line on stderr.
 */
export async function runThrough(
  runs: readonly Run[],
  io: Io,
  { plan = 'fused', onEnd }: RunOptions = {},
): Promise<number> {
  let signalled: number | undefined
  const listeners = SIGNALLED.map(([signal, code]) => {
    const stop = () => {
      signalled = code
      for (const { ends } of runs) ends.destroy()
    }
    io.on(signal, stop)
    return { signal, stop }
  })
  const messages = await Promise.all(runs.map(run => messageOf(run, plan)))
  for (const { signal, stop } of listeners) io.off(signal, stop)
  onEnd?.()
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
    halfCloseTimeout: LONGEST_TIMEOUT,
    farewell: () => undefined,
  })
  if (reason === 'end' || reason === 'terminated') return undefined
  if (ends.failure === undefined) return error?.message
  const isReaderGone =
    ends.keepsOutput && ends.failure.end === 'output' && ends.failure.error.code === 'EPIPE'
  return isReaderGone ? undefined : ends.failure.error.message
}
