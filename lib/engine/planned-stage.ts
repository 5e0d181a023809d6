import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'

/** How a pipeline runs: `fused` chains synchronous stages by direct calls, `streams` makes each stage a Transform. */
export type PlanMode = 'fused' | 'streams'

export const PLAN_MODES: readonly PlanMode[] = ['fused', 'streams']

/** How the stages of a rewritten run do their work as one. */
export type Rewriting = 'on whole blocks of lines' | 'in one loop over lines'

/** A stage in its place: its kinds are known here, also those of a stage that takes any. */
export interface PlannedStage {
  readonly name: string
  readonly accepts: Kind
  readonly emits: Kind
  readonly stage: AnyStage
  /** The stages that this one stands for, where the planner has put one for several. */
  readonly rewrites?: readonly PlannedStage[]
  /** How it does their work. */
  readonly runs?: Rewriting
}

/** Neighbouring stages that run as one: plain calls, or one stream. */
export type Segment =
  | { readonly type: 'fused'; readonly stages: readonly PlannedStage[] }
  | { readonly type: 'stream'; readonly stages: readonly [PlannedStage] }

export const KIND_NAMES: Record<Kind, string> = {
  bytes: 'bytes',
  line: 'lines',
  frame: 'frames',
  value: 'values',
}
