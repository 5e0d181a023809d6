import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'

/** How a pipeline runs: `fused` chains synchronous stages by direct calls, `streams` makes each stage a Transform. */
export type PlanMode = 'fused' | 'streams'

export const PLAN_MODES: readonly PlanMode[] = ['fused', 'streams']

/** How a stage works that the planner has put in the place of several. */
export type Rewriting = 'on whole blocks of lines' | 'in one loop over lines'

/** A stage in its place in a pipeline, where its kinds are known: `any` and `same` have become one of the four. */
export interface PlannedStage {
  readonly name: string
  readonly accepts: Kind
  readonly emits: Kind
  readonly stage: AnyStage
  /** The stages that this one replaces; only where the planner has put it in their place. */
  readonly rewrites?: readonly PlannedStage[]
  /** How it does their work; only together with `rewrites`. */
  readonly runs?: Rewriting
}

/** A part of a pipeline between two streams: stages that call each other directly, or one stage that is a stream. */
export type Segment =
  | { readonly type: 'fused'; readonly stages: readonly PlannedStage[] }
  | { readonly type: 'stream'; readonly stages: readonly [PlannedStage] }

/** The plural of each kind, for messages. */
export const KIND_NAMES: Record<Kind, string> = {
  bytes: 'bytes',
  line: 'lines',
  frame: 'frames',
  value: 'values',
}
