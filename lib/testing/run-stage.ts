import { checkChoice, checkNames } from '../check-option.js'
import { Connection, countWith, endConnection } from '../connection.js'
import { flowOf, load } from '../engine/open-flow.js'
import { type BywashError, InvalidOptionError, type PeerError } from '../errors.js'
import { type Kind, sizeOf } from '../kind.js'
import { type Reason, reasonOf } from '../outcome.js'
import { makePlan, PLAN_MODES, type Plan, type PlanMode, place } from '../plan.js'
import type { AnyStage, Stage } from '../stage.js'

/** Options of `runStage()`. */
export interface RunStageOptions {
  /** How the stage runs. @default 'fused' */
  readonly plan?: PlanMode
  /** What the stage sees of the connection. @default a new one with id 1 */
  readonly connection?: Connection
  /** Called with what the stage reports and goes on. */
  readonly onError?: (error: PeerError) => void
}

/**
 * Opens a stage (or a pipeline) for one connection, feeds it the items, ends it, and resolves with what came out.
 * Bytes come out as one chunk for each that the stage made.
 *
 * Rejects with the error that failed the connection; its `output` holds what came out before.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * await runStage(lines(), ['hel', 'lo\nwor', 'ld'].map(text => Buffer.from(text))) // ['hello', 'world']
 */
export async function runStage<In, Out>(
  stage: Stage<In, Out>,
  items: Iterable<In>,
  options: RunStageOptions = {},
): Promise<Out[]> {
  const { plan: mode = 'fused', connection = new Connection(1), onError = () => {} } = options
  checkNames('runStage()', options, ['plan', 'connection', 'onError'])
  checkChoice('runStage()', 'plan', mode, PLAN_MODES)
  const inputs = [...items]
  const { accepts, stages } = stage as AnyStage
  const kind = accepts === 'any' ? kindOf(inputs[0]) : accepts
  for (const item of inputs) {
    if (sizeOf(kind, item) !== -1) continue
    throw new InvalidOptionError(`runStage(): stage '${stage.name}' takes ${kind}, but got ${String(item)}.`)
  }
  const plan = makePlan(kind, place(kind, stages ?? [stage as AnyStage]), mode)
  await load(plan)
  return run(plan, connection, inputs, onError)
}

/** A stage that takes any kind is fed with what the first item is. */
function kindOf(item: unknown): Kind {
  return typeof item === 'string' ? 'line' : item === undefined || Buffer.isBuffer(item) ? 'bytes' : 'value'
}

async function run<Out>(
  plan: Plan,
  connection: Connection,
  inputs: readonly unknown[],
  report: (error: PeerError) => void,
): Promise<Out[]> {
  const output: Out[] = []
  let error: BywashError | undefined
  let resume = () => {}
  let over = () => {}
  let isOver = false
  const ended = new Promise<void>(resolve => {
    over = () => {
      isOver = true
      resolve()
    }
  })
  let reason: Reason = 'end'
  const flow = flowOf(plan, {
    write: item => output.push(item as Out),
    settle: () => true,
    resume: () => resume(),
    ending: () => {},
    report,
    finish: terminated => {
      if (terminated) reason = 'terminated'
      over()
    },
    fail: failure => {
      reason = reasonOf(failure)
      error ??= failure
      over()
    },
  })
  countWith(connection, flow)
  flow.open(connection)
  for (const item of inputs) {
    if (isOver) break
    const resumed = new Promise<void>(resolve => {
      resume = resolve
    })
    if (!flow.write(item)) await Promise.race([resumed, ended])
  }
  flow.end()
  await ended
  endConnection(connection)
  error ??= flow.close({ reason, error, bytesRead: 0, bytesWritten: 0, duration: 0 })
  if (error !== undefined) throw Object.assign(error, { output })
  return output
}
