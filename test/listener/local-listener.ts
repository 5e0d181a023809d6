import { EventEmitter, once } from 'node:events'
import type { Test } from 'tap'
import { type Listener, type ListenOptions, listen, type Outcome, type Pipeline } from '../../lib/index.js'
import { type FakeClock, fakeClock } from '../../lib/testing/index.js'

/** A listener on a free port of 127.0.0.1, and what came of its connections. */
export interface LocalListener {
  readonly listener: Listener
  readonly port: number
  /** The outcomes so far, in the order of the ends. */
  readonly outcomes: readonly Outcome[]
  /** Resolves with the outcomes when there are at least so many. */
  readonly ended: (count: number) => Promise<readonly Outcome[]>
}

/**
 * Serves a pipeline for the length of a test. Unless a test has a clock of its own, time stands still: no deadline passes
 * on a machine that is busy.
 */
export async function serveLocally(
  t: Test,
  pipeline: Pipeline<Buffer, Buffer>,
  options: Omit<ListenOptions, 'clock'> & { readonly clock?: FakeClock } = {},
): Promise<LocalListener> {
  const outcomes: Outcome[] = []
  const { clock = fakeClock() } = options
  const events = new EventEmitter()
  const listener = await listen(pipeline, {
    host: '127.0.0.1',
    port: 0,
    ...options,
    clock,
    onOutcome: (outcome, connection) => {
      const result = options.onOutcome?.(outcome, connection)
      outcomes.push(outcome)
      events.emit('outcome')
      return result
    },
  })
  t.teardown(async () => {
    const closed = listener.close({ timeout: 0 })
    clock.advance(0)
    await closed
  })
  return {
    listener,
    port: listener.address.port,
    outcomes,
    async ended(count) {
      while (outcomes.length < count) await once(events, 'outcome')
      return outcomes
    },
  }
}
