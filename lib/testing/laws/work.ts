import { copyOf } from '../copy.js'
import { endlessInputs } from '../endless-input.js'
import type { Subject } from '../subject.js'
import { workOf } from '../watch/work.js'
import type { Breach, Law } from './law.js'
import { smallestPieces } from './output.js'

/** Pieces whose work is counted together. */
const COUNTED = 512
/** The numbers of pieces behind which they come. */
const FIRST = 512
const SECOND = 3584
const THIRD = 7680
/**
 * The bytes and elements of work that one piece may cost more than an earlier one, for each piece between the two. To copy or
 * search all that is held costs one or more.
 */
const WORK_PER_PIECE = 0.25
/** Endless inputs that are tried, of those that a stage takes silently. */
const MAX_SILENT = 3
/** Pieces that a message shows. */
const SHOWN = 8

/** An input piece by piece: single bytes or items. */
interface Pieces {
  readonly head: readonly unknown[]
  readonly at: (index: number) => unknown
}

/** The work for a piece at two places of an input, if the connection comes so far. */
interface Growth {
  readonly isSilent: boolean
  readonly works: readonly number[]
}

async function growthOf(subject: Subject, { head, at }: Pieces, mustBeSilent: boolean): Promise<Growth> {
  let given = 0
  const { trial } = await subject.open({ keeps: false, given: () => void given++ })
  await trial.feed(head.map(copyOf))
  let fed = 0
  const step = () => void trial.write(at(fed++))
  const feed = (place: number) => {
    while (fed < place && !trial.over) step()
  }
  /** The work for a piece behind so many; undefined when the connection is over by then. */
  const workBehind = (place: number): number | undefined => {
    feed(place)
    const work = trial.over ? undefined : workOf(COUNTED, step, subject.settings.memory.inUse)
    return trial.over || work === undefined ? undefined : work / COUNTED
  }
  // What has come out by then may answer the head.
  feed(FIRST / 2)
  const before = given
  feed(FIRST)
  const isSilent = given === before
  const isTried = isSilent || !mustBeSilent
  const first = isTried ? workBehind(FIRST) : undefined
  const second = isTried ? workBehind(SECOND) : undefined
  const grows = second !== undefined && second - (first as number) > WORK_PER_PIECE * (SECOND - FIRST)
  // What is bounded, such as a window of the last thousand lines, has stopped to grow further on.
  const third = grows ? workBehind(THIRD) : undefined
  const isBounded = third !== undefined && third - (second as number) < WORK_PER_PIECE * (THIRD - SECOND)
  trial.close()
  return { isSilent, works: grows && !isBounded ? [first as number, second] : [] }
}

async function checkWork(subject: Subject): Promise<Breach | undefined> {
  const { sample } = subject
  // In a stream other code would be counted too.
  if (!subject.isSynchronous || sample.items.every(item => (item as Buffer).length === 0)) return undefined
  const all = smallestPieces(subject)
  const example: Pieces = { head: [], at: index => copyOf(all[index % all.length]) }
  const endless = endlessInputs(subject).map(({ head, more }): Pieces => ({ head, at: () => more(1)[0] }))
  let silent = 0
  for (const pieces of [example, ...endless]) {
    if (silent === MAX_SILENT) break
    const { isSilent, works } = await growthOf(subject, pieces, pieces !== example)
    if (isSilent && pieces !== example) silent++
    const [first, second] = works.map(Math.round)
    if (first === undefined) continue
    return {
      detail:
        `Behind ${FIRST} pieces (single bytes, or items) it copied or searched ${first} bytes for each one more, and behind ` +
        `${SECOND} pieces ${second}: a peer that sends little at a time makes it work without end. Look at new input only.`,
      input: [...pieces.head, ...Array.from({ length: SHOWN }, (_, index) => pieces.at(index))],
    }
  }
  return undefined
}

/** The law about the work for small pieces. It is counted, not timed. */
export const WORK_LAWS: readonly Law[] = [
  {
    name: 'work',
    says: 'the work for a piece of input does not grow with what came before it',
    check: checkWork,
  },
]
