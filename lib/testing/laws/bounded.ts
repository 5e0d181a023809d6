import { copyOf } from '../copy.js'
import { type EndlessInput, endlessInputs } from '../endless-input.js'
import { bytesHeldBy, canCollect, heapInUse, settledBytesInUse, youngHeapInUse } from '../memory.js'
import type { Subject } from '../subject.js'
import { quiet, turn } from '../turns.js'
import type { Breach, Law } from './law.js'
import { smallestPieces } from './output.js'

/** Bytes, and items, of an input that is tried: a stage with a limit of 128 KiB shows it there. */
const PROBE_BYTES = 135_168
const PROBE_ITEMS = 8192
/** Bytes, and items, that come first: what comes out with them may be an answer to what came before. */
const FIRST_BYTES = 256
const FIRST_ITEMS = 8
/** The largest chunk, in bytes, and the largest number of items in a turn. */
const MAX_CHUNK_BYTES = 1_048_576
const MAX_TURN_ITEMS = 4096
/** Bytes that no stage with a limit of 16 MiB takes silently. One with a greater limit says so with `held`. */
const LIMIT_BYTES = 18_874_368
/** The same for stages that are streams, of 1 MiB: they get pieces of 512 bytes, and may search all they have with each. */
const LIMIT_BYTES_OF_STREAMS = 8 * PROBE_BYTES
/** The bytes of memory for one item that is kept: a place in a list takes 8. */
const ITEM_BYTES = 4
/** A long input: the pieces behind which the memory is measured, and the bytes for each that are more than chance. */
const LONG = { from: 2048, to: 65_536, bytes: ITEM_BYTES }
/** The same for bytes: with them comes more garbage; a chunk that is kept takes some 100 bytes. */
const LONG_OF_BYTES = { from: 2048, to: 16_384, bytes: 24 }
/** The same for stages that are streams, which take longer: a string or a Buffer that is kept is seen. */
const LONG_OF_STREAMS = { from: 256, to: 2048, bytes: 24 }
/** Growth that is more than chance by far, and that is soon more than any stage should hold. */
const MUCH_GROWTH = 1_048_576
/** Quick looks at the growth with a long input. */
const MAX_LOOKS = 3
/** Pieces of a long input that come in one turn of the event loop. */
const TURN_PIECES = 128
/** Inputs of an example that are tried again with a look at the memory. */
const MAX_UNSEEN = 2
/** Inputs of an example that are tried at full length, of those that a stage has kept at first. */
const MAX_TRIED = 4
/** Bytes or items of an endless input that a message shows. */
const SHOWN = 8
/** Turns of the event loop for all long inputs of an example: a stage that takes more holds its peer back, and is let off. */
const MAX_TURNS = 1500

/** The size of what came out, with all its parts. */
function weightOf(item: unknown, depth = 0): number {
  if (typeof item === 'string' || item instanceof Uint8Array) return Math.max(item.length, 1)
  if (typeof item !== 'object' || item === null || depth === 5) return 1
  const parts = item instanceof Map || item instanceof Set ? [...item] : Object.values(item)
  return parts.reduce<number>((sum, part) => sum + weightOf(part, depth + 1), 1)
}

/** For each subject, the number of its turns at which it has been given time enough. */
const lastTurns = new WeakMap<Subject, number>()

function isSlow(subject: Subject): boolean {
  return subject.waitedTurns > (lastTurns.get(subject) as number)
}

/** What became of an endless input. */
interface Fate {
  /** Whether something came out or was reported, or the connection ended. */
  readonly isAnswered: boolean
  /** The bytes, or items, that were fed. */
  readonly fed: number
  /** The size of what came out when the input was completed and had ended. */
  readonly late: number
}

/**
 * Feeds an endless input in parts, until it is answered or has a size.
 *
 * @param hold - Called when it has that size and was not answered, before it is completed.
 */
async function feedEndless(
  subject: Subject,
  { head, more, tail }: EndlessInput,
  parts: readonly number[],
  hold: () => void | Promise<void> = () => {},
): Promise<Fate> {
  let given = 0
  const { trial } = await subject.open({
    keeps: false,
    given: item => {
      given += weightOf(item)
    },
    report: () => void given++,
  })
  await trial.feed(head.map(copyOf))
  let early = Number.POSITIVE_INFINITY
  let fed = 0
  for (const [index, part] of parts.entries()) {
    const items = more(part)
    fed += part
    await trial.feed(items)
    if (!trial.over) await turn()
    if (index === 0) early = given
    if (trial.over || given > early || isSlow(subject)) break
  }
  if (!subject.isSynchronous) await quiet(() => given)
  const isAnswered = trial.over || given > early || isSlow(subject)
  const before = given
  if (!isAnswered) {
    await hold()
    await trial.feed(tail.map(copyOf))
    await trial.end()
  }
  trial.close()
  return { isAnswered, fed, late: given - before }
}

/** The sizes of the parts of an input, which are together `sum`: they double up to `most`, and the last one is the rest. */
function partsOf(first: number, most: number, sum: number): number[] {
  const parts: number[] = []
  let all = 0
  while (all < sum) {
    const part = Math.min(Math.max(all, first), most, sum - all)
    parts.push(part)
    all += part
  }
  return parts
}

async function checkEndless(subject: Subject): Promise<Breach | undefined> {
  const { held } = subject.settings
  const isBytes = subject.accepts === 'bytes'
  const [first, most] = isBytes ? [FIRST_BYTES, MAX_CHUNK_BYTES] : [FIRST_ITEMS, MAX_TURN_ITEMS]
  const some = partsOf(first, most, isBytes ? PROBE_BYTES : PROBE_ITEMS)
  const more = partsOf(first, most, 8 * (isBytes ? PROBE_BYTES : PROBE_ITEMS))
  const limit = subject.stages.every(({ open }) => open) ? LIMIT_BYTES : LIMIT_BYTES_OF_STREAMS
  const all = partsOf(first, most, isBytes ? Math.max(limit, 4 * held) : 4 * held)
  let unseen = 0
  let tried = 0
  for (const input of endlessInputs(subject)) {
    if (isSlow(subject) || tried === MAX_TRIED) break
    const { isAnswered, fed, late } = await feedEndless(subject, input, some)
    if (isAnswered) continue
    let isMuch = false
    if (late < fed / 2) {
      // It was dropped, or is kept where only the memory shows it.
      unseen++
      if (unseen > MAX_UNSEEN) continue
      const growth = await growthWith(subject, input, some, more)
      if (growth === 0) continue
      isMuch = !isBytes && growth > MUCH_GROWTH
    }
    tried++
    const breach = await holdsAll(subject, input, isMuch ? more : all)
    if (breach !== undefined) return breach
  }
  return undefined
}

/** The growth of the memory with an endless input; 0 where it is no more than chance, or a buffer of one size. */
async function growthWith(
  subject: Subject,
  input: EndlessInput,
  some: readonly number[],
  more: readonly number[],
): Promise<number> {
  const fed = sum(more) - sum(some)
  const grown = (measure: () => number | Promise<number>) => growthFrom(subject, input, some, more, measure)
  // A quick look finds most stages that keep no item. The memory of bytes takes a longer one.
  if (subject.accepts !== 'bytes' && (await grown(youngHeapInUse)) < leastHeld(subject, fed)) return 0
  const growth = await grown(settledBytesInUse)
  return growth < leastHeld(subject, fed) ? 0 : growth
}

/** How much more is in use behind more of an endless input than behind some. */
async function growthFrom(
  subject: Subject,
  input: EndlessInput,
  some: readonly number[],
  more: readonly number[],
  measure: () => number | Promise<number>,
): Promise<number> {
  const inUse: number[] = []
  for (const parts of [some, more]) {
    await feedEndless(subject, input, parts, async () => void inUse.push(await measure()))
  }
  const [before = 0, after = 0] = inUse
  return after - before
}

function sum(parts: readonly number[]): number {
  return parts.reduce((all, part) => all + part, 0)
}

/** The bytes of memory that so many bytes or items take at least, when they are kept. */
function leastHeld({ accepts }: Subject, fed: number): number {
  return accepts === 'bytes' ? fed / 2 : fed * ITEM_BYTES
}

async function holdsAll(
  subject: Subject,
  input: EndlessInput,
  parts: readonly number[],
): Promise<Breach | undefined> {
  let fate: Fate = { isAnswered: true, fed: 0, late: 0 }
  const held = await bytesHeldBy(async hold => {
    fate = await feedEndless(subject, input, parts, hold)
  })
  const { isAnswered, fed, late } = fate
  // An expander gives more than it holds; but where the memory cannot be seen, what comes out late has to do.
  const isKept = canCollect() ? held >= leastHeld(subject, fed) : late >= fed / 2
  if (isAnswered || !isKept) return undefined
  const what = subject.accepts === 'bytes' ? 'bytes' : 'items'
  return {
    detail:
      `It took ${fed} ${what} of an input that goes on without end, kept them, and neither gave anything nor failed. ` +
      "A peer can fill the memory: give the stage a limit (or say 'held: Infinity' if it gathers all by design).",
    input: [...input.head, ...input.more(SHOWN)],
  }
}

/**
 * Feeds pieces of the example, again and again, unless the stage is very slow.
 *
 * @param look - Called with the number of pieces so far, with each turn, while the connection is open.
 */
async function feedLong(subject: Subject, pieces: number, look: (fed: number) => unknown): Promise<void> {
  const { trial } = await subject.open({ keeps: false })
  const all = smallestPieces(subject)
  for (let fed = 1; fed <= pieces && !trial.over && !isSlow(subject); fed++) {
    if (!trial.write(copyOf(all[(fed - 1) % all.length]))) await trial.ready()
    if (fed % TURN_PIECES > 0) continue
    await turn()
    await look(fed)
  }
  trial.close()
}

/** The bytes that the memory grows by from one number of pieces to another. */
async function growthOf(subject: Subject, from: number, to: number, measure: () => number): Promise<number> {
  let before = 0
  let growth = 0
  await feedLong(subject, to, fed => {
    if (fed === from) before = measure()
    if (fed === to) growth = measure() - before
  })
  return growth
}

/** The same by a quick look, which is taken again when V8 has collected old garbage meanwhile: that hides growth. */
async function youngGrowthOf(subject: Subject, from: number, to: number): Promise<number> {
  for (let time = 1; ; time++) {
    // Only a collection of all garbage clears it.
    const witness = new WeakRef({})
    const growth = await growthOf(subject, from, to, youngHeapInUse)
    if (time === MAX_LOOKS || witness.deref() !== undefined) return growth
  }
}

/** The bytes that a connection holds behind so many pieces of the example; 0 if it does not come so far. */
function heldBehind(subject: Subject, pieces: number): Promise<number> {
  return bytesHeldBy(hold => feedLong(subject, pieces, fed => fed === pieces && hold()))
}

async function checkHistory(subject: Subject): Promise<Breach | undefined> {
  const { sample, settings } = subject
  if (sample.items.every(item => (item as Buffer).length === 0)) return undefined
  const isBytes = subject.accepts === 'bytes'
  const { from, to, bytes } = subject.isSynchronous ? (isBytes ? LONG_OF_BYTES : LONG) : LONG_OF_STREAMS
  const least = bytes * (to - from)
  const growth = await youngGrowthOf(subject, from, to)
  const isMuch = growth > MUCH_GROWTH
  if (isMuch) {
    // What the connection does not hold is held by others, such as a mock of the test.
    if ((await heldBehind(subject, to / 4)) < growth / 8) return undefined
  } else {
    if (growth < least) return undefined
    // The surer look takes longer. Code that is compiled, or dropped, meanwhile may hide a little growth in one of two.
    const one = await growthOf(subject, from, to, heapInUse)
    if (Math.max(one, await growthOf(subject, from, to, heapInUse)) < least) return undefined
  }
  lastTurns.set(subject, subject.waitedTurns + 10 * MAX_TURNS)
  // What is bounded has stopped to grow behind so many.
  const pieces =
    TURN_PIECES * Math.ceil(settings.held / (isMuch || !subject.isSynchronous ? 4 : 1) / TURN_PIECES)
  const some = await heldBehind(subject, pieces)
  const more = (await heldBehind(subject, 2 * pieces)) - some
  if (some === 0 || more < bytes * pieces) return undefined
  return {
    detail:
      `With the example again and again, in its smallest pieces, the memory of a connection grew by ${more} bytes ` +
      `from piece ${pieces} to piece ${2 * pieces}. Keep only what the next item needs.`,
    input: sample.items,
  }
}

async function checkBounded(subject: Subject): Promise<Breach | undefined> {
  const { settings, plan, stages } = subject
  if (settings.held === Number.POSITIVE_INFINITY) return undefined
  // The other plan runs the same code, except for a stage that has a stream besides.
  if (plan === 'streams' && !stages.some(({ open, stream }) => open && stream)) return undefined
  lastTurns.set(subject, subject.waitedTurns + MAX_TURNS)
  return (await checkEndless(subject)) ?? checkHistory(subject)
}

/** The law about what a connection keeps of its input. */
export const BOUNDED_LAWS: readonly Law[] = [
  {
    name: 'bounded',
    says: 'what a connection keeps does not grow with its input',
    check: checkBounded,
  },
]
