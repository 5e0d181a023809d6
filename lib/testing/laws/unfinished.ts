import { isDeepStrictEqual } from 'node:util'
import type { AnyStage } from '../../stage.js'
import { copyOf } from '../copy.js'
import { show } from '../show.js'
import type { Result, Subject } from '../subject.js'
import { turn } from '../turns.js'
import type { Breach, Law } from './law.js'
import { smallestPieces } from './output.js'

/** A transformer or a stream, which may say what it has not finished. */
interface Opened {
  readonly unfinished?: () => unknown
}

/** The answers of `unfinished()` in front of the first piece of the example, and behind each piece. */
interface Said {
  readonly numbers: readonly unknown[]
  /** How many items had come out by then. */
  readonly given: readonly number[]
  /** The result of the connection, when no piece has ended it. */
  readonly result: Result | undefined
}

/** Stands for a number where `unfinished` threw. */
class Thrown {
  constructor(readonly cause: unknown) {}
}

function numberOf(opened: Opened | undefined): unknown {
  try {
    return opened?.unfinished?.()
  } catch (cause) {
    return new Thrown(cause)
  }
}

/** A copy of a stage that adds what it opens to a list. It has no `blocks`, for which the planner would not open it. */
function noteOpened({ blocks: _, ...noted }: AnyStage, list: Opened[]): AnyStage {
  const { open, stream } = noted
  const note = <Made>(made: Made): Made => {
    list.push(made as Opened)
    return made
  }
  return {
    ...noted,
    ...(open && { open: connection => note(open(connection)) }),
    ...(stream && { stream: (...parameters) => note(stream(...parameters)) }),
  }
}

/** Feeds the example piece by piece, and asks one of the stages each time; undefined if it has no `unfinished`. */
async function ask(subject: Subject, index: number): Promise<Said | undefined> {
  const list: Opened[] = []
  const stages = subject.stages.map((each, at) => (at === index ? noteOpened(each, list) : each))
  const { trial } = await subject.open({}, { stages })
  const [opened] = list
  const pieces = opened?.unfinished === undefined ? [] : smallestPieces(subject)
  const numbers = [numberOf(opened)]
  const given = [trial.output.length]
  for (const item of pieces) {
    await trial.feed([copyOf(item)])
    // A stream takes what it is given a little later.
    if (subject.plan === 'streams') await turn()
    if (trial.over) break
    numbers.push(numberOf(opened))
    given.push(trial.output.length)
  }
  const isOver = trial.over
  await trial.end()
  trial.close()
  return opened?.unfinished && { numbers, given, result: isOver ? undefined : subject.resultOf(trial) }
}

/** The fault in the numbers themselves. */
function wrongNumber({ numbers }: Said): string | undefined {
  const wrong = numbers.findIndex(number => !Number.isFinite(number))
  if (wrong !== -1) return `It returned ${show(numbers[wrong])}, which is no number.`
  if (!numbers.includes(0)) return 'It is never 0, not even before the first item.'
  const ended = new Set<unknown>()
  for (const [at, number] of numbers.entries()) {
    if (number === 0) continue
    if (ended.has(number)) return `It returned ${number} for two frames, although it was 0 between them.`
    if (numbers[at + 1] === 0) ended.add(number)
  }
  return undefined
}

/** The fault of a decoder in how its numbers fit to its frames. */
async function wrongTime(subject: Subject, { numbers, given, result }: Said): Promise<string | undefined> {
  const { accepts, emits, stages, sample } = subject
  if (accepts !== 'bytes' || stages.length !== 1) return undefined
  const isSilent = numbers.every(number => number === 0)
  if (isSilent && result?.error !== undefined)
    return 'It is always 0, also in front of an end that is an error.'
  if (emits === 'bytes') return undefined
  // The places of the pieces that have completed a frame.
  const complete = given.flatMap((items, at) => (items > (given[at - 1] ?? 0) ? [at] : []))
  const isLong = complete.some((at, index) => at - (complete[index - 1] ?? 0) > 1)
  if (isSilent && isLong) return 'It is always 0, also in front of the last byte of a frame.'
  if (result === undefined || result.error !== undefined || numbers.slice(1).includes(0)) return undefined
  const output = result.output as readonly unknown[]
  if (complete.at(-1) !== numbers.length - 1 || output.length !== given.at(-1)) return undefined
  const twice = await subject.run([...sample.items, ...sample.items].map(copyOf))
  return isDeepStrictEqual(twice.output, [...output, ...output])
    ? 'It is not 0 behind a complete frame.'
    : undefined
}

async function checkUnfinished(subject: Subject): Promise<Breach | undefined> {
  const { items: input } = subject.sample
  for (const index of subject.stages.keys()) {
    const said = await ask(subject, index)
    const thrown = said?.numbers.find(number => number instanceof Thrown)
    if (thrown !== undefined) return { detail: `It threw: ${thrown.cause}`, cause: thrown.cause, input }
    const detail = said && (wrongNumber(said) ?? (await wrongTime(subject, said)))
    if (detail !== undefined) return { detail, input }
  }
  return undefined
}

/** The law about `unfinished()`, for stages that have it. */
export const UNFINISHED_LAWS: readonly Law[] = [
  {
    name: 'unfinished',
    says: "'unfinished' returns the number of the frame that has begun, and 0 when there is none",
    check: checkUnfinished,
  },
]
