import type { PlanMode } from '../../lib/engine/planned-stage.js'
import type { Pipeline } from '../../lib/index.js'
import { type Factories, pipelineOf } from '../fuzz/stage-list.js'
import { random } from '../soak/random.js'
import { slowness } from './calibration.js'
import { INPUTS, type Input, randomInputs, repeated } from './inputs.js'
import { looksHeld, memoryOf, statedMemory, timeOf } from './measure.js'
import { type Subject, subjects } from './subjects.js'
import { isWorse, type Measured, TIME_LIMIT_NS, type Worst } from './verdict.js'

/** Bytes of the first look at an input. */
const LOOK_BYTES = 65_536

/** Bytes that a client sends which reads nothing: as many as wait on both sides of a socket, and more. */
const HELD_BYTES = 262_144

/** The inputs of each subject that are measured again, those that looked worst. */
const MEASURED_INPUTS = 2

/** The least of so many measurements counts: what else the machine does only adds. */
const ATTEMPTS = 3
const ATTEMPTS_BEYOND_LIMIT = 10

/** What is searched, and for how long. */
export interface Search {
  readonly seed: number
  /** The inputs that are always tried. @default INPUTS */
  readonly inputs?: readonly Input[]
  /** Random inputs beside those. @default 10 */
  readonly randoms?: number
  /** The part of the inputs that each pipeline gets, chosen at random by the seed. @default 1 */
  readonly part?: number
  /** Bytes of each measurement of the time of an input that may be the worst. @default 262144 */
  readonly measuredBytes?: number
  /** Whether to stop. Until then each stage has had its defaults first. @default never */
  readonly isOver?: () => boolean
  /** Where `tee` writes to. */
  readonly folder: string
  /** Called with each subject before it is measured. */
  readonly onSubject?: (subject: Subject) => void
}

/** Searches for the inputs that cost most time and memory, for each stage and the values of its options. */
export async function search(
  factories: Factories,
  {
    seed,
    inputs: known = INPUTS,
    randoms = 10,
    part = 1,
    measuredBytes = 262_144,
    isOver = () => false,
    folder,
    onSubject = () => {},
  }: Search,
): Promise<readonly Worst[]> {
  const worst = new Map<string, Worst>(
    [...factories.keys()].map(stage => [stage, { stage, time: undefined, memory: undefined }]),
  )
  const all = [...known, ...randomInputs(seed, randoms)]
  const { below } = random(seed)
  const count = Math.ceil(all.length * part)
  for (const subject of defaultsFirst(subjects(factories))) {
    if (isOver()) break
    onSubject(subject)
    const served = pipelineOf(subject.list, factories, folder)
    const of = worst.get(subject.stage) as Worst
    const without = subject.without && pipelineOf(subject.without, factories, folder)
    const inputs = chosen(all, count, below)
    const time = await worstTime(served, without, subject, inputs, measuredBytes)
    if (time !== undefined && isWorse(time, of.time)) of.time = time
    for (const plan of ['fused', 'streams'] as const) {
      const memory = await worstMemory(served, subject, inputs, plan)
      if (isWorse(memory, of.memory)) of.memory = memory
    }
  }
  return [...worst.values()]
}

/** So many of the inputs, at random. */
function chosen(all: readonly Input[], count: number, below: (end: number) => number): readonly Input[] {
  const left = [...all]
  return Array.from({ length: count }, () => left.splice(below(left.length), 1)[0] as Input)
}

/** The first subject of each stage, then the second of each, and so on. */
function defaultsFirst(all: readonly Subject[]): readonly Subject[] {
  const places = new Map<string, number>()
  const placed = all.map(subject => {
    const place = places.get(subject.stage) ?? 0
    places.set(subject.stage, place + 1)
    return { subject, place }
  })
  return placed.sort((one, other) => one.place - other.place).map(({ subject }) => subject)
}

async function worstTime(
  served: Pipeline<Buffer, Buffer>,
  without: Pipeline<Buffer, Buffer> | undefined,
  { title }: Subject,
  inputs: readonly Input[],
  bytes: number,
): Promise<Measured | undefined> {
  const looks: { input: Input; time: number }[] = []
  for (const input of inputs) {
    const time = await timeOf(served, repeated(input, LOOK_BYTES))
    if (time !== undefined) looks.push({ input, time })
  }
  looks.sort((one, other) => other.time - one.time)
  let worst: Measured | undefined
  for (const { input } of looks.slice(0, MEASURED_INPUTS)) {
    const others = without === undefined ? 0 : await leastTime(without, input, bytes)
    const value = Math.max(0, (await leastTime(served, input, bytes)) - others)
    const measured = { value, limit: TIME_LIMIT_NS, subject: title, input: input.title }
    if (isWorse(measured, worst)) worst = measured
  }
  return worst
}

/** Nanoseconds for a byte as on the machine for which the limit was chosen; more attempts where that seems to be broken. */
async function leastTime(served: Pipeline<Buffer, Buffer>, input: Input, bytes: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < ATTEMPTS_BEYOND_LIMIT; attempt++) {
    if (attempt >= ATTEMPTS && least < TIME_LIMIT_NS) break
    const time = await timeOf(served, repeated(input, bytes))
    least = Math.min(least, (time ?? 0) / slowness())
  }
  return least
}

async function worstMemory(
  served: Pipeline<Buffer, Buffer>,
  { title }: Subject,
  inputs: readonly Input[],
  plan: PlanMode,
): Promise<Measured> {
  const limit = statedMemory(served, plan)
  const looks: { input: Input; held: number }[] = []
  for (const input of inputs)
    looks.push({ input, held: await looksHeld(served, repeated(input, HELD_BYTES), plan) })
  looks.sort((one, other) => other.held - one.held)
  const subject = plan === 'fused' ? title : `plan streams, ${title}`
  let worst: Measured | undefined
  for (const { input } of looks.slice(0, MEASURED_INPUTS)) {
    const value = await leastMemory(served, input, plan, limit)
    const measured = { value, limit, subject, input: input.title }
    if (isWorse(measured, worst)) worst = measured
  }
  return worst as Measured
}

/** Beyond the limit there are more attempts: a cache may have been filled just now. */
async function leastMemory(
  served: Pipeline<Buffer, Buffer>,
  input: Input,
  plan: PlanMode,
  limit: number,
): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (least <= limit) break
    least = Math.min(least, await memoryOf(served, repeated(input, HELD_BYTES), plan))
  }
  return least
}
