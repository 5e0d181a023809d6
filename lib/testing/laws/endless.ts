import { copyOf } from '../copy.js'
import { type EndlessInput, endlessInputs } from '../endless-input.js'
import type { Subject } from '../subject.js'
import { quiet, turn } from '../turns.js'
import type { Breach } from './law.js'

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
const LIMIT_BYTES_OF_STREAMS = 1_081_344
/** The bytes of memory for one item that is kept: a place in a list takes 8. */
const ITEM_BYTES = 4
/** Memory that is more than chance by far, and that is soon more than any stage should hold. */
const MUCH_BYTES = 1_048_576
/** Inputs of an example that are tried again with a look at the memory. */
const MAX_UNSEEN = 2
/** Inputs of an example that are tried at full length, of those that a stage has kept at first. */
const MAX_TRIED = 4
/** Bytes or items of an endless input that a message shows. */
const SHOWN = 8
/** The size of what came out, with all its parts. */
function weightOf(item: unknown, depth = 0): number {
  if (typeof item === 'string' || item instanceof Uint8Array) return Math.max(item.length, 1)
  if (typeof item !== 'object' || item === null || depth === 5) return 1
  const parts = item instanceof Map || item instanceof Set ? [...item] : Object.values(item)
  return parts.reduce<number>((sum, part) => sum + weightOf(part, depth + 1), 1)
}

/** An input, to be fed to connections of a subject, unless its stages are very slow. */
interface Endless extends EndlessInput {
  readonly subject: Subject
  readonly isSlow: () => boolean
}

/** The outcome of an endless input. */
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
 * @param hold - Called with the trial when it has that size and was not answered, before it is completed.
 */
async function feedEndless(
  { subject, isSlow, head, more, tail }: Endless,
  parts: readonly number[],
  hold: (owner: object) => void | Promise<void> = () => {},
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
    if (trial.over || given > early || isSlow()) break
  }
  if (!subject.isSynchronous) await quiet(() => given)
  const isAnswered = trial.over || given > early || isSlow()
  const before = given
  if (!isAnswered) {
    await hold(trial)
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

/** Tries inputs that may never complete a frame. */
export async function checkEndless(subject: Subject, isSlow: () => boolean): Promise<Breach | undefined> {
  const { held, memory } = subject.settings
  const isBytes = subject.accepts === 'bytes'
  const [first, most] = isBytes ? [FIRST_BYTES, MAX_CHUNK_BYTES] : [FIRST_ITEMS, MAX_TURN_ITEMS]
  const some = partsOf(first, most, isBytes ? PROBE_BYTES : PROBE_ITEMS)
  const more = partsOf(first, most, isBytes ? 4 * PROBE_BYTES : 8 * PROBE_ITEMS)
  const limit = subject.stages.every(({ open }) => open) ? LIMIT_BYTES : LIMIT_BYTES_OF_STREAMS
  const all = partsOf(first, most, isBytes ? Math.max(limit, 4 * held) : 4 * held)
  let unseen = 0
  let tried = 0
  for (const each of endlessInputs(subject)) {
    if (isSlow() || tried === MAX_TRIED) break
    const input: Endless = { ...each, subject, isSlow }
    const { isAnswered, fed, late } = await feedEndless(input, some)
    if (isAnswered) continue
    let isMuch = false
    if (late < fed / 2) {
      // It was dropped, or is kept where only the memory shows it.
      if (unseen === MAX_UNSEEN || !memory.isVisible) continue
      unseen++
      const bytes = await memoryOf(input, some, more)
      if (bytes === 0) continue
      isMuch = !isBytes && bytes > MUCH_BYTES
    }
    tried++
    const breach = await holdsAll(input, isMuch ? more : all)
    if (breach !== undefined) return breach
  }
  return undefined
}

/** The memory that an endless input takes; 0 where it is no more than chance. */
async function memoryOf(input: Endless, some: readonly number[], more: readonly number[]): Promise<number> {
  const { accepts, settings } = input.subject
  const { memory } = settings
  const least = leastHeld(input.subject, sum(more) - sum(some))
  if (accepts !== 'bytes') {
    // A quick look finds most stages that keep no item. The memory of bytes takes a longer one.
    const { bytes: shrunk } = await memory.growthDuring(async look => {
      // The longer one first: what is dropped meanwhile, such as code, must not hide growth.
      for (const parts of [more, some]) await feedEndless(input, parts, look)
    })
    if (-shrunk < least) return 0
  }
  const bytes = await memory.heldBy(async hold => void (await feedEndless(input, more, hold)))
  return bytes < least ? 0 : bytes
}

function sum(parts: readonly number[]): number {
  return parts.reduce((all, part) => all + part, 0)
}

/** The bytes of memory that so many bytes or items take at least, when they are kept. */
function leastHeld({ accepts }: Subject, fed: number): number {
  return accepts === 'bytes' ? fed / 2 : fed * ITEM_BYTES
}

async function holdsAll(input: Endless, parts: readonly number[]): Promise<Breach | undefined> {
  const { subject, head, more } = input
  const { memory } = subject.settings
  let fate: Fate = { isAnswered: true, fed: 0, late: 0 }
  const held = await memory.heldBy(async hold => {
    fate = await feedEndless(input, parts, hold)
  })
  const { isAnswered, fed, late } = fate
  // An expander gives more than it holds; but where the memory cannot be seen, what comes out late has to do.
  const isKept = memory.isVisible ? held >= leastHeld(subject, fed) : late >= fed / 2
  if (isAnswered || !isKept) return undefined
  const what = subject.accepts === 'bytes' ? 'bytes' : 'items'
  return {
    detail:
      `It took ${fed} ${what} of an input that goes on without end, kept them, and neither gave anything nor failed. ` +
      "A peer can fill the memory: give the stage a limit (or say 'held: Infinity' if it gathers all by design).",
    input: [...head, ...more(SHOWN)],
  }
}
