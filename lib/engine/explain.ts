import type { Kind } from '../kind.js'
import { chunkUse } from './flow/chunk-use.js'
import { PIECE_BYTES } from './flow/stream-marks.js'
import type { Plan } from './plan.js'
import type { PlanMode, Rewriting, Segment } from './planned-stage.js'

/** The description of how a pipeline runs, from `pipeline.explain()`. `String()` of it is a tree. */
export interface Explanation {
  readonly plan: PlanMode
  readonly accepts: Kind
  readonly emits: Kind
  /** Whether chunks go from the socket through all stages and back without a stream between. */
  readonly direct: boolean
  /**
   * Whether the stages see what a socket gives where it was read, in memory that is used again, or in a copy. Only stages of
   * bywash that are known to keep nothing of it do the first.
   */
  readonly reads: 'in place' | 'copied'
  readonly segments: readonly ExplainedSegment[]
  toString: () => string
}

/** One segment of an explanation. */
export interface ExplainedSegment {
  readonly type: Segment['type']
  readonly stages: readonly ExplainedStage[]
  /** Why the segment is not fused with its neighbours; undefined for fused stages of plan `fused`. */
  readonly reason: string | undefined
}

/** One stage of an explanation. */
export interface ExplainedStage {
  readonly name: string
  readonly accepts: Kind
  readonly emits: Kind
  /** The names of the stages, this one among them, that run as one; undefined where it runs for itself. */
  readonly rewrite: string | undefined
  /** How those run. */
  readonly runs: Rewriting | undefined
  /** The cause of a wait, in which nothing more is read; undefined where the stage never waits, or does not say so. */
  readonly waits: string | undefined
}

function streamReason(segment: Segment, { mode, upgrades }: Plan): string | undefined {
  if (upgrades) return 'in pieces that end with a frame: a stage may change the connection'
  if (mode === 'streams') return "plan 'streams' runs each stage as a stream"
  return segment.type === 'stream' ? 'the stage is a stream' : undefined
}

function inBrackets(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`
}

export function explain(plan: Plan): Explanation {
  const { mode, accepts, emits } = plan
  const segments = plan.segments.map(segment => ({
    type: segment.type,
    stages: segment.stages.flatMap(planned =>
      (planned.rewrites ?? [planned]).map(({ name, accepts, emits, stage }) => ({
        name,
        accepts,
        emits,
        rewrite: planned.rewrites && planned.name,
        runs: planned.runs,
        waits: stage.waits,
      })),
    ),
    reason: streamReason(segment, plan),
  }))
  const isDirect = plan.direct !== undefined
  const reads = plan.direct === undefined || chunkUse(plan.direct) === 'any' ? 'copied' : 'in place'
  const isWaiting = segments.some(({ stages }) => stages.some(({ waits }) => waits !== undefined))
  return {
    plan: mode,
    accepts,
    emits,
    direct: isDirect,
    reads,
    segments,
    toString: () =>
      [
        `plan ${mode}: ${accepts} to ${emits}${isDirect ? ', no stream between socket and socket' : ''}${reads === 'in place' ? ', reads in place' : ''}`,
        ...segments.flatMap(({ type, stages, reason }) => [
          `  ${type}${reason === undefined ? '' : ` (${reason})`}`,
          ...stages.map(
            ({ name, accepts, emits, runs, waits }) =>
              `    ${name}: ${accepts} to ${emits}${inBrackets(runs)}${inBrackets(waits && `waits ${waits}`)}`,
          ),
        ]),
        ...(isWaiting
          ? [
              `  while a stage waits, the items of ${PIECE_BYTES} bytes stand in front of it, and nothing more is read`,
            ]
          : []),
      ].join('\n'),
  }
}
