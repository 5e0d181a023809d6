import { Connection } from '../connection.js'
import { PLAN_MODES, type PlanMode } from '../engine/planned-stage.js'
import { InvalidOptionError, PeerError } from '../errors.js'
import { type Kind, sizeOf } from '../kind.js'
import { checkChoice, checkInteger, checkNames } from '../options/check-option.js'
import type { AnyStage, Stage } from '../stage.js'
import { nextConnectionId } from './connection-ids.js'
import { batchesOf, Trial, type TrialHooks, unbatch } from './trial.js'

/** Options of `runStage()`. */
export interface RunStageOptions {
  /** How the stage runs. @default 'fused' */
  readonly plan?: PlanMode
  /** The connection that the stage gets. @default a new one, with id 1 for the first run of the stage, then rising */
  readonly connection?: Connection
  /** Called with each fault of the peer that the stage reports. @default faults are ignored */
  readonly onError?: (error: PeerError) => void
  /**
   * Called with the list that the stage becomes. A list of the same kinds goes on with the items; any other ends the run.
   * @default it is not told
   */
  readonly onBecome?: (next: Stage<Buffer, Buffer>) => void
  /** The number of items that come together, as if one read from the peer had caused them all. @default 1 */
  readonly batch?: number
}

/**
 * Runs a stage (or a pipeline) for one connection: opens it, feeds it the items, ends the input, and resolves with the items
 * that came out. Bytes come out in the chunks that the stage made.
 *
 * Rejects with the error that failed the connection. Its property `output` has the items that came out before.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * await runStage(lines(), ['hel', 'lo\nwor', 'ld'].map(text => Buffer.from(text))) // ['hello', 'world']
 */
export async function runStage<In, Out>(
  stage: Stage<In, Out>,
  items: Iterable<NoInfer<In>>,
  options: RunStageOptions = {},
): Promise<Out[]> {
  checkNames('runStage()', options, ['plan', 'connection', 'onError', 'onBecome', 'batch'])
  const {
    plan = 'fused',
    connection = new Connection(nextConnectionId(stage)),
    onError = () => {},
    onBecome,
    batch = 1,
  } = options
  checkChoice('runStage()', 'plan', plan, PLAN_MODES)
  checkInteger('runStage()', 'batch', batch, 1, 1_000_000)
  const inputs = [...items]
  const { accepts, stages = [stage as AnyStage] } = stage as AnyStage
  const kind = accepts === 'any' ? kindOfItem(inputs[0]) : accepts
  for (const item of inputs) {
    if (sizeOf(kind, item) !== -1) continue
    throw new InvalidOptionError(`runStage(): stage '${stage.name}' takes ${kind}, but got ${String(item)}.`)
  }
  const hooks: TrialHooks = {
    report: error => {
      if (error instanceof PeerError) onError(error)
    },
    becomes: onBecome,
  }
  // A list that may become another one gets its input frame by frame.
  const isSingle = batch === 1 || stages.some(({ upgrades }) => upgrades)
  const trial = isSingle
    ? await Trial.open(stages, kind, plan, connection, hooks)
    : await Trial.open([unbatch(kind), ...stages], 'value', plan, connection, hooks)
  await trial.feed(isSingle ? inputs : batchesOf(inputs, batch))
  await trial.end()
  const failure = trial.close()
  const error = trial.error ?? trial.late ?? failure
  if (error !== undefined) throw Object.assign(error, { output: trial.output })
  return trial.output as Out[]
}

/** The kind of the input of a stage that takes any: that of the first item. */
function kindOfItem(item: unknown): Kind {
  return typeof item === 'string' ? 'line' : item === undefined || Buffer.isBuffer(item) ? 'bytes' : 'value'
}
