import type { Connection } from '../../connection.js'
import type { Plan } from '../plan.js'
import type { DormantFlow } from './dormant-flow.js'
import type { Flow, Sink } from './flow.js'
import { FusedSegment } from './fused.js'

let streams: typeof import('./streams.js') | undefined

/** Loads what a plan runs on. through2 takes longer to import than the rest together, and a direct plan has no use for it. */
export async function load(plan: Plan): Promise<void> {
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  if (plan.direct === undefined) streams ??= await import('./streams.js')
}

/**
 * Makes the flow of a plan that was loaded. `ownsChunks` says that nobody else has the chunks that will be written to
 * it, as those of a socket, so that they may be changed.
 */
export function flowOf(plan: Plan, sink: Sink, ownsChunks = false): Flow {
  if (plan.direct !== undefined) return new FusedSegment(plan.direct, sink, ownsChunks)
  const { StreamChain } = streams as NonNullable<typeof streams>
  return new StreamChain(plan, sink)
}

/** Makes the flow of a connection that had an dormant one, when its first item has come. */
export function wakeFlow(
  { greeting, stages }: DormantFlow,
  sink: Sink,
  ownsChunks: boolean | undefined,
  connection: Connection,
): Flow {
  const segment = new FusedSegment(stages, sink, ownsChunks)
  segment.openGreeted(connection, greeting)
  return segment
}
