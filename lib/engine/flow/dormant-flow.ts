import type { Passed, StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'

const NOTHING: Passed = { items: 0, bytes: 0 }

/**
 * Stands for the flow of a connection from which nothing has come yet, where all stages are lazy. It keeps nothing, so
 * all connections of a plan share it, and an idle one has no flow of its own.
 */
export class DormantFlow {
  /** What a connection gets at once. */
  readonly greeting: Buffer | undefined
  /** Nothing runs in the stages that could go on by itself, and throw when the connection is over. */
  readonly isInert: boolean
  readonly bytes = 0
  readonly stages: readonly PlannedStage[]

  constructor(stages: readonly PlannedStage[]) {
    this.stages = stages
    this.isInert = stages.every(({ stage }) => stage.inert)
    this.greeting = stages.at(-1)?.stage.greeting
  }

  overdue(): undefined {}

  unfinished(): boolean {
    return false
  }

  holding(): undefined {}

  stop(): void {}

  drain(): void {}

  close(): undefined {}

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

/** Makes the flow that stands for an dormant one, where one can: all stages are lazy, but the last may greet. */
export function dormantFlow(stages: readonly PlannedStage[] | undefined): DormantFlow | undefined {
  if (stages === undefined) return undefined
  const isLazy = ({ stage: { lazy, greeting } }: PlannedStage, index: number) =>
    lazy || (greeting !== undefined && index === stages.length - 1)
  return stages.every(isLazy) ? new DormantFlow(stages) : undefined
}
