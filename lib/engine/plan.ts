import { StageOrderError } from '../errors.js'
import type { Kind } from '../kind.js'
import { type SideWrites, sideWritesOf } from '../side-writes.js'
import type { AnyStage } from '../stage.js'
import type { ListedStage } from '../status/source.js'
import { type DormantFlow, dormantFlow } from './flow/dormant-flow.js'
import type { PlanMode, PlannedStage, Segment } from './planned-stage.js'
import { KIND_NAMES } from './planned-stage.js'
import { rewriteBlocks } from './rewrite/block-lines.js'

/** How the stages of a pipeline run, in one mode. Shared by all its connections. */
export interface Plan {
  readonly mode: PlanMode
  readonly accepts: Kind
  readonly emits: Kind
  /** The stages, cut into runs that work as one. */
  readonly segments: readonly Segment[]
  /** All stages, where they run as calls without a stream; undefined where one of them needs a stream. */
  readonly direct: readonly PlannedStage[] | undefined
  /** The flow of connections from which nothing has come yet; undefined where stages must be opened before that. */
  readonly dormant: DormantFlow | undefined
  /** Whether what is read causes none of the output, so that a client which does not read is still read from. */
  readonly detached: boolean
  /** Whether a stage may change the connection to another list, or to TLS. */
  readonly upgrades: boolean
  /** Whether a stage may read the addresses of the connection, so that they must be kept. */
  readonly asks: boolean
  /** The stages as they run, for a status. */
  readonly listed: readonly ListedStage[]
  /** Writes of the stages beside their output, such as copies. */
  readonly sideWrites: readonly SideWrites[]
}

/**
 * Finds the kinds of stages that stand, in order, behind something that gives `accepts`; `before` names it in errors.
 *
 * @throws StageOrderError where a stage does not take what comes to it.
 */
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

const plans = new WeakMap<object, Map<PlanMode, Plan>>()

/** The plan of a stage or a pipeline in one mode. It is made once, whoever asks for it. */
export function planOnce(owner: object, mode: PlanMode, make: () => Plan): Plan {
  const known = plans.get(owner) ?? new Map<PlanMode, Plan>()
  plans.set(owner, known)
  const plan = known.get(mode) ?? make()
  known.set(mode, plan)
  return plan
}

/** Makes the plan of stages that are in their places. */
export function makePlan(accepts: Kind, placed: readonly PlannedStage[], mode: PlanMode): Plan {
  const upgrades = placed.some(({ stage }) => stage.upgrades)
  if (upgrades) checkUpgrading(placed)
  const segments: Segment[] = []
  let run: PlannedStage[] | undefined
  for (const each of placed) {
    const { open, stream } = each.stage
    if (open === undefined || (mode === 'streams' && stream !== undefined && !upgrades)) {
      segments.push({ type: 'stream', stages: [each] })
      run = undefined
    } else if ((mode === 'fused' || upgrades) && run !== undefined) {
      run.push(each)
    } else {
      run = [each]
      segments.push({ type: 'fused', stages: run })
    }
  }
  const rewritten = segments.map(segment =>
    segment.type === 'fused' ? { ...segment, stages: rewriteBlocks(segment.stages) } : segment,
  )
  const direct = directStages(mode === 'fused' || upgrades, rewritten)
  return {
    mode,
    accepts,
    emits: placed.at(-1)?.emits ?? accepts,
    segments: rewritten,
    direct,
    dormant: upgrades ? undefined : dormantFlow(direct),
    detached: placed.some(({ stage }) => stage.detached),
    upgrades,
    listed: rewritten.flatMap(({ stages }) => stages.map(each => listedStage(each, direct !== undefined))),
    // Nobody knows whether the stages of another list will.
    asks: upgrades || placed.some(({ stage }) => stage.asks !== false),
    sideWrites: sideWritesOf(placed.map(({ stage }) => stage)),
  }
}

/** Refuses streams beside a stage that may change the connection: what a stream has taken, nobody can hand to another list. */
function checkUpgrading(placed: readonly PlannedStage[]): void {
  const upgrading = placed.find(({ stage }) => stage.upgrades)?.name
  const stream = placed.find(({ stage }) => stage.open === undefined)?.name
  if (stream === undefined) return
  throw new StageOrderError(
    `Stage '${stream}' is a stream, and cannot stand in a list with stage '${upgrading}', which says 'upgrades: true': what a ` +
      'stream has taken cannot be handed to another list. Put it into the list that the connection becomes.',
  )
}

function listedStage({ name, stage, rewrites, runs }: PlannedStage, isObservable: boolean): ListedStage {
  return {
    stages: rewrites?.map(each => each.name) ?? [name],
    runs: runs ?? null,
    source: stage.statusSource,
    isObservable,
  }
}

function directStages(isFused: boolean, [first, second]: readonly Segment[]): Plan['direct'] {
  if (first === undefined) return []
  return isFused && first.type === 'fused' && second === undefined ? first.stages : undefined
}
