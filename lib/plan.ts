import { rewriteBlocks } from './engine/block-lines.js'
import { type UnopenedFlow, unopenedFlow } from './engine/unopened-flow.js'
import { StageOrderError } from './errors.js'
import type { Kind } from './kind.js'
import type { AnyStage, OpenStream } from './stage.js'

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

/** A stage list that is checked and cut into segments. */
export interface Plan {
  readonly mode: PlanMode
  readonly accepts: Kind
  readonly emits: Kind
  readonly segments: readonly Segment[]
  /** The stages that run without any stream between source and sink; undefined where a stream is needed. */
  readonly direct: readonly PlannedStage[] | undefined
  /** What stands for the flow before the first item, where nothing has to be opened before it. */
  readonly unopened: UnopenedFlow | undefined
  /** A stage sees the connection, and may ask for its addresses at any time. */
  readonly asks: boolean
}

export const KIND_NAMES: Record<Kind, string> = {
  bytes: 'bytes',
  line: 'lines',
  frame: 'frames',
  value: 'values',
}

/** Puts stages in their places after something that gives `accepts`; throws StageOrderError where two do not fit. */
export function place(
  accepts: Kind,
  stages: readonly AnyStage[],
  before = 'the pipeline',
): readonly PlannedStage[] {
  let kind = accepts
  let giver = before
  return stages.map(stage => {
    if (stage.accepts !== 'any' && stage.accepts !== kind) {
      throw new StageOrderError(
        `Stage '${stage.name}' takes ${KIND_NAMES[stage.accepts]}, but ${giver} gives ${KIND_NAMES[kind]}. ` +
          `Put a stage between them that takes ${KIND_NAMES[kind]} and gives ${KIND_NAMES[stage.accepts]}.`,
      )
    }
    const emits = stage.emits === 'same' ? kind : stage.emits
    const placed = { name: stage.name, accepts: kind, emits, stage }
    kind = emits
    giver = `stage '${stage.name}'`
    return placed
  })
}

/** A function that names no parameter for the connection sees none. */
function asks({ asks, open, stream }: AnyStage): boolean {
  return asks ?? ((open ?? stream) as OpenStream).length > 0
}

/** Cuts placed stages into segments. */
export function makePlan(accepts: Kind, placed: readonly PlannedStage[], mode: PlanMode): Plan {
  const segments: Segment[] = []
  let run: PlannedStage[] | undefined
  for (const each of placed) {
    const { open, stream } = each.stage
    if (open === undefined || (mode === 'streams' && stream !== undefined)) {
      segments.push({ type: 'stream', stages: [each] })
      run = undefined
    } else if (mode === 'fused' && run !== undefined) {
      run.push(each)
    } else {
      run = [each]
      segments.push({ type: 'fused', stages: run })
    }
  }
  const rewritten = segments.map(segment =>
    segment.type === 'fused' ? { ...segment, stages: rewriteBlocks(segment.stages) } : segment,
  )
  const direct = directStages(mode, rewritten)
  return {
    mode,
    accepts,
    emits: placed.at(-1)?.emits ?? accepts,
    segments: rewritten,
    direct,
    unopened: unopenedFlow(direct),
    asks: placed.some(({ stage }) => asks(stage)),
  }
}

function directStages(mode: PlanMode, [first, second]: readonly Segment[]): Plan['direct'] {
  if (first === undefined) return []
  return mode === 'fused' && first.type === 'fused' && second === undefined ? first.stages : undefined
}

/** What `pipeline.explain()` returns; as text it is a tree. */
export interface Explanation {
  readonly plan: PlanMode
  readonly accepts: Kind
  readonly emits: Kind
  /** True when no stream stands between socket and socket. */
  readonly direct: boolean
  readonly segments: readonly ExplainedSegment[]
  toString: () => string
}

/** One segment of an explanation. */
export interface ExplainedSegment {
  readonly type: Segment['type']
  readonly stages: readonly ExplainedStage[]
  /** Why the segment is not fused with its neighbours, where it is a stream. */
  readonly reason: string | undefined
}

/** One stage of an explanation. */
export interface ExplainedStage {
  readonly name: string
  readonly accepts: Kind
  readonly emits: Kind
  /** Set where the stage runs as one with those that are named here, itself among them. */
  readonly rewrite: string | undefined
  /** How they run then. */
  readonly runs: Rewriting | undefined
}

function reasonOf(segment: Segment, mode: PlanMode): string | undefined {
  if (mode === 'streams') return "plan 'streams' runs each stage as a stream"
  return segment.type === 'stream' ? 'the stage is a stream' : undefined
}

export function explain(plan: Plan): Explanation {
  const { mode, accepts, emits } = plan
  const segments = plan.segments.map(segment => ({
    type: segment.type,
    stages: segment.stages.flatMap(planned =>
      (planned.rewrites ?? [planned]).map(({ name, accepts, emits }) => ({
        name,
        accepts,
        emits,
        rewrite: planned.rewrites && planned.name,
        runs: planned.runs,
      })),
    ),
    reason: reasonOf(segment, mode),
  }))
  const isDirect = plan.direct !== undefined
  return {
    plan: mode,
    accepts,
    emits,
    direct: isDirect,
    segments,
    toString: () =>
      [
        `plan ${mode}: ${accepts} to ${emits}${isDirect ? ', no stream between socket and socket' : ''}`,
        ...segments.flatMap(({ type, stages, reason }) => [
          `  ${type}${reason === undefined ? '' : ` (${reason})`}`,
          ...stages.map(
            ({ name, accepts, emits, runs }) =>
              `    ${name}: ${accepts} to ${emits}${runs === undefined ? '' : ` (${runs})`}`,
          ),
        ]),
      ].join('\n'),
  }
}
