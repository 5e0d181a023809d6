import type { Passed, StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'

const NOTHING: Passed = { items: 0, bytes: 0 }

/**
 * Stands in for the flow of a connection that has sent nothing yet, where all stages are lazy. It has no state, so all
 * connections of a plan share one, and an idle connection has no flow of its own.
 */
export class DormantFlow {
  /** Bytes that each connection is sent at its start. */
  readonly greeting: Buffer | undefined
  /** Whether no stage starts anything, such as a timer, that could still throw when the connection is closed. */
  readonly isInert: boolean
  readonly stages: readonly PlannedStage[]

  constructor(stages: readonly PlannedStage[]) {
    this.stages = stages
    this.isInert = stages.every(({ stage }) => stage.inert)
    this.greeting = stages.at(-1)?.stage.greeting
  }

  /** The counts of a connection that was greeted, and nothing else. */
  counts(): readonly StageCounts[] {
    const greeted: Passed = { items: 1, bytes: this.greeting?.length ?? 0 }
    return this.stages
      .flatMap(planned => planned.rewrites ?? [planned])
      .map(({ name, stage }) => ({
        name,
        in: NOTHING,
        out: stage.greeting === undefined ? NOTHING : greeted,
      }))
  }
}

/** Makes the dormant flow of a plan's direct stages, if all of them are lazy, or all but the last, which only greets. */
export function dormantFlow(stages: readonly PlannedStage[] | undefined): DormantFlow | undefined {
  if (stages === undefined) return undefined
  const isLazy = ({ stage: { lazy, greeting } }: PlannedStage, index: number) =>
    lazy || (greeting !== undefined && index === stages.length - 1)
  return stages.every(isLazy) ? new DormantFlow(stages) : undefined
}
