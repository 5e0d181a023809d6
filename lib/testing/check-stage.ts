import { isDeepStrictEqual } from 'node:util'
import type { Endpoints } from '../connection.js'
import { place } from '../engine/plan.js'
import { PLAN_MODES } from '../engine/planned-stage.js'
import { InvalidOptionError } from '../errors.js'
import { type Kind, type KindOf, sizeOf } from '../kind.js'
import { checkInteger, checkNames, isObject } from '../options/check-option.js'
import { showValue } from '../options/show-value.js'
import type { AnyStage, Stage } from '../stage.js'
import { copyOf } from './copy.js'
import { failure } from './failure.js'
import { BOUNDED_LAWS } from './laws/bounded.js'
import { BYTEWISE_LAWS } from './laws/bytewise.js'
import type { Breach, Law } from './laws/law.js'
import { LEAK_LAWS } from './laws/leaks.js'
import { LIFE_LAWS } from './laws/life.js'
import { OUTPUT_LAWS } from './laws/output.js'
import { PROMISE_LAWS } from './laws/promises.js'
import { STALLED_LAWS } from './laws/stalled.js'
import { UNFINISHED_LAWS } from './laws/unfinished.js'
import { WORK_LAWS } from './laws/work.js'
import { brief } from './show.js'
import { type CheckSettings, EndlessRun, type Sample, Subject } from './subject.js'
import { turn } from './turns.js'
import { processMemory } from './watch/memory.js'
import { PROCESS_RESOURCES } from './watch/resources.js'
import { collectUncaught } from './watch/uncaught.js'

/** The input or output of a stage: text (UTF-8) or bytes for the kind bytes, a list of items for the other kinds. */
export type Items<Item> = KindOf<Item> extends 'bytes' ? string | Uint8Array : readonly Item[]

/** An input of a stage, and the output that the stage must give for it. */
export interface Example<In, Out> {
  readonly input: Items<In>
  readonly output: Items<Out>
  /** The code of the error that fails the connection after `output`. @default no error */
  readonly error?: string
  /** The codes of the faults that the stage reports, in order. @default none */
  readonly reports?: readonly string[]
}

/** Options of `checkStage()`. */
export interface CheckStageOptions {
  /** The seed of random cuts and lines; the same seed gives the same ones. @default 1 */
  readonly seed?: number
  /** The number of random cuts for each example. @default 20 */
  readonly random?: number
  /**
   * The number of bytes that the stage may hold while nobody reads; a value, or an empty line or frame, counts as 1. Use
   * `Infinity` for a stage that gathers all of its input by design: the laws `stalled` and `bounded` are then left out.
   * @default 131072
   */
  readonly held?: number
  /** The milliseconds of real time after which the wait for the stage to go on is given up. @default 5000 */
  readonly timeout?: number
  /** The addresses of the connection. @default none */
  readonly endpoints?: Endpoints
  /** The parameters for a function that makes the stage, which must not change them. @default [] */
  readonly parameters?: readonly unknown[]
}

/** The laws in the order in which they are checked. The check ends at the first one that is broken. */
const LAWS: readonly Law[] = [
  ...OUTPUT_LAWS,
  ...PROMISE_LAWS,
  ...UNFINISHED_LAWS,
  ...LIFE_LAWS,
  ...LEAK_LAWS,
  ...WORK_LAWS,
  ...STALLED_LAWS,
  ...BOUNDED_LAWS,
  ...BYTEWISE_LAWS,
]
/** Laws without a check of their own: they are seen to be broken while the others are checked. */
const END_LAW = { name: 'end', says: 'every run ends' }
const UNCAUGHT_LAW = { name: 'uncaught', says: 'nothing is thrown or rejected where nobody can catch it' }
const PARAMETERS_LAW = { name: 'unchanged', says: 'the options of the caller are not changed' }

/**
 * Checks that a stage (or a pipeline) obeys the laws of stages, which hold for every stage, on both plans:
 *
 * - `isolation`: two connections of one stage share no state
 * - `unchanged`: an item does not change after it was handed to the stage or by it, and neither do `parameters`
 * - `example`: the input of each example gives its output, its error and its reports
 * - `cuts`: the same input gives the same output however it is cut into chunks, or, for other kinds than bytes, into batches
 * - `lazy`: a stage that says `lazy` gives nothing when the input ends before the first item
 * - `asks`: a stage that says `asks: false` reads no address of its connection
 * - `unfinished`: `unfinished()` gives a number for each frame that has begun, 0 between frames, and does not throw
 * - `life`: `close` is called once and last, however the connection ends, and does not throw
 * - `late`: nothing is enqueued after the end
 * - `leaks`: no timer, no listener on `connection.signal`, no descriptor and no other handle of the process is left
 * - `work`: the work for a piece of input does not grow with what came before it
 * - `stalled`: while the reader of the output stalls, the stage takes only so much input, and loses none of it
 * - `bounded`: an input that goes on without end does not make the memory grow without an outcome
 * - `bytewise`: a stage that says `bytewise` changes blocks of lines as it changes single lines
 * - `uncaught`: nothing is thrown or rejected where nobody can catch it
 * - `end`: every run ends
 *
 * A cut that breaks a law is made as small as possible, and the message has a test of it that is ready to paste. The time
 * of `connection.clock` moves forward by itself when nothing else happens.
 *
 * @param stage - The stage; or the function that makes it from `parameters`.
 * @param examples - Inputs with their outputs. Keep them short: an input of n bytes is cut in more than n ways.
 * @throws AssertionError of `node:assert` for the first law that is broken. It has the law's name as `law`, and the `plan`.
 * @throws InvalidOptionError for a wrong option, or an example that is not of the stage's kinds.
 * @example
 * await checkStage(lines(), [{ input: 'héllo\r\nbye', output: ['héllo', 'bye'] }])
 * await checkStage(lines, [{ input: 'ab\n', output: [], error: 'ERR_BYWASH_FRAME_TOO_LONG' }], {
 *   parameters: [{ maxLength: 1 }],
 * })
 */
export async function checkStage<In, Out>(
  stage: Stage<In, Out> | ((...parameters: never[]) => Stage<In, Out>),
  examples: readonly Example<NoInfer<In>, NoInfer<Out>>[],
  options: CheckStageOptions = {},
): Promise<void> {
  checkNames('checkStage()', options, ['seed', 'random', 'held', 'timeout', 'endpoints', 'parameters'])
  const { seed = 1, random = 20, held = 131_072, timeout = 5000, endpoints = {}, parameters = [] } = options
  checkInteger('checkStage()', 'seed', seed, 0, 0xffff_ffff)
  checkInteger('checkStage()', 'random', random, 0, 1_000_000)
  if (held !== Number.POSITIVE_INFINITY) checkInteger('checkStage()', 'held', held, 1, 1_000_000_000)
  checkInteger('checkStage()', 'timeout', timeout, 1, 2_147_483_647)
  if (!isObject(endpoints)) {
    throw new InvalidOptionError(`checkStage(): 'endpoints' is an object; got ${showValue(endpoints)}.`)
  }
  for (const [name, list] of Object.entries({ examples, parameters })) {
    if (Array.isArray(list)) continue
    throw new InvalidOptionError(`checkStage(): '${name}' is a list; got ${showValue(list)}.`)
  }
  if (examples.length === 0) throw new InvalidOptionError('checkStage() needs at least one example.')
  const looks = { memory: processMemory(), resources: PROCESS_RESOURCES }
  const settings: CheckSettings = { seed, random, held, timeout, endpoints, ...looks }
  const before = copyOf(parameters)
  await collectUncaught(async uncaught => {
    const made = (typeof stage === 'function' ? stage(...(parameters as never[])) : stage) as AnyStage
    const subjects = examples.flatMap((example, index) =>
      subjectsOf(made, example as Example<unknown, unknown>, index === 0, settings),
    )
    needUnchanged(before, parameters, made.name)
    for (const law of LAWS) {
      for (const subject of subjects) await obey(law, subject, uncaught)
      needUnchanged(before, parameters, made.name)
    }
  })
}

function needUnchanged(expected: unknown, actual: unknown, stage: string): void {
  if (isDeepStrictEqual(expected, actual)) return
  const detail = 'What the stage was made with was changed.'
  throw failure(PARAMETERS_LAW, stage, undefined, { detail, expected, actual })
}

/** The subjects for one example of a stage: one for each plan. */
export function subjectsOf(
  stage: AnyStage,
  example: Example<unknown, unknown>,
  isFirst: boolean,
  settings: CheckSettings,
): Subject[] {
  checkNames('checkStage(): an example', example, ['input', 'output', 'error', 'reports'])
  const { stages = [stage], name } = stage
  const { error, reports = [] } = example
  const accepts = stage.accepts === 'any' ? kindOfInput(example.input) : stage.accepts
  const emits = place(accepts, stages).at(-1)?.emits ?? accepts
  const items = exampleItems(name, 'input', accepts, example.input)
  const output = exampleItems(name, 'output', emits, example.output)
  const sample: Sample = {
    isFirst,
    items,
    expected: { output: emits === 'bytes' ? output[0] : output, error, reports },
  }
  return PLAN_MODES.map(plan => new Subject(stages, name, accepts, emits, plan, sample, settings))
}

function kindOfInput(input: unknown): Kind {
  if (!Array.isArray(input)) return 'bytes'
  return typeof input[0] === 'string' ? 'line' : Buffer.isBuffer(input[0]) ? 'frame' : 'value'
}

function exampleItems(stage: string, what: string, kind: Kind, given: unknown): readonly unknown[] {
  if (kind === 'bytes' && (typeof given === 'string' || given instanceof Uint8Array)) {
    return [Buffer.from(given as string)]
  }
  if (kind !== 'bytes' && Array.isArray(given) && given.every(item => sizeOf(kind, item) !== -1)) return given
  const form = kind === 'bytes' ? 'text or a Buffer' : `a list of items of the kind '${kind}'`
  throw new InvalidOptionError(
    `checkStage(): the ${what} of an example of '${stage}' is ${form}; got ${brief(given)}.`,
  )
}

async function obey(law: Law, subject: Subject, uncaught: readonly unknown[]): Promise<void> {
  const { name, plan } = subject
  const breach = await law.check(subject).catch(error => endless(error, law, subject))
  await turn()
  const [cause] = uncaught
  if (uncaught.length > 0) {
    const detail = `While the law '${law.name}' was checked: ${cause}`
    throw failure(UNCAUGHT_LAW, name, plan, { detail, cause, input: subject.sample.items })
  }
  if (breach !== undefined) throw failure(breach.law ?? law, name, plan, breach)
}

/** The breach of a run that does not end; throws any other error. */
function endless(error: unknown, { name }: Law, { sample, settings }: Subject): Breach {
  if (!(error instanceof EndlessRun)) throw error
  const detail = `Nothing had happened for ${settings.timeout} ms (option 'timeout'), while the law '${name}' was checked.`
  return { law: END_LAW, detail, input: sample.items }
}
