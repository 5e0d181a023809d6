import { StageOrderError } from '../errors.js'
import type { Kind } from '../kind.js'
import type { AnyStage } from '../stage.js'
import { type DormantFlow, dormantFlow } from './flow/dormant-flow.js'
import type { PlanMode, PlannedStage, Segment } from './planned-stage.js'
import { KIND_NAMES } from './planned-stage.js'
import { rewriteBlocks } from './rewrite/block-lines.js'

/** A stage list that is checked and cut into segments. */
export interface Plan {
  readonly mode: PlanMode
  readonly accepts: Kind
  readonly emits: Kind
  readonly segments: readonly Segment[]
  /** The stages that run without any stream between source and sink; undefined where a stream is needed. */
  readonly direct: readonly PlannedStage[] | undefined
  /** What stands for the flow before the first item, where nothing has to be opened before it. */
  readonly dormant: DormantFlow | undefined
  /** Whether a stage may read the connection's addresses, at any time. */
  readonly asks: boolean
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
    dormant: dormantFlow(direct),
    asks: placed.some(({ stage }) => stage.asks !== false),
  }
}

function directStages(mode: PlanMode, [first, second]: readonly Segment[]): Plan['direct'] {
  if (first === undefined) return []
  return mode === 'fused' && first.type === 'fused' && second === undefined ? first.stages : undefined
}
