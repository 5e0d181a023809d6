import type { Connection } from '../../connection.js'
import type { Plan } from '../plan.js'
import type { PlannedStage } from '../planned-stage.js'
import type { DormantFlow } from './dormant-flow.js'
import type { Flow, Sink } from './flow.js'
import { FusedSegment } from './fused.js'
import { UpgradableFlow } from './upgradable-flow.js'
import type { UpgradeHost } from './upgrade.js'

let streams: typeof import('./streams.js') | undefined

/** Loads the modules that a plan runs on. through2 takes longer to import than all the rest, and a direct plan needs no stream. */
export async function load(plan: Plan): Promise<void> {
  if (plan.direct !== undefined) return
  streams ??= await import('./streams.js')
  for (const { type, stages } of plan.segments) {
    if (type === 'stream' && stages[0].stage.load !== undefined) await stages[0].stage.load()
  }
}

/** Whether the modules that a plan runs on need not be waited for. */
function isLoaded({ direct }: Plan): boolean {
  return direct !== undefined
}

/**
 * Makes the flow of a plan that was loaded. With `ownsChunks` nobody else holds the chunks that will be written to it, as
 * with those of a socket, so that stages may change them in place.
 */
export function flowOf(plan: Plan, sink: Sink, ownsChunks = false): Flow {
  if (plan.upgrades) {
    const open = (next: Plan, to: Sink, host: UpgradeHost) =>
      next.upgrades
        ? new FusedSegment(next.direct as readonly PlannedStage[], to, ownsChunks, host)
        : flowOf(next, to, ownsChunks)
    return new UpgradableFlow(plan, sink, { isLoaded, load, open })
  }
  if (plan.direct !== undefined) return new FusedSegment(plan.direct, sink, ownsChunks)
  const { StreamChain } = streams as NonNullable<typeof streams>
  return new StreamChain(plan, sink)
}

/** Makes and opens the flow that a dormant one stood in for; its greeting was sent already. */
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
