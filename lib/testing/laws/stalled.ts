import { copyOf } from '../copy.js'
import { isSameResult, type Opened, type Result, type Subject } from '../subject.js'
import type { Trial } from '../trial.js'
import { now, quiet, turn } from '../turns.js'
import type { Breach, Law } from './law.js'

/** The largest number of bytes that one read from a socket gives. After as many comes a turn of the event loop. */
const READ_BYTES = 65_536
/** The least size of a chunk of bytes. */
const CHUNK_BYTES = 4096
/** Items that are fed when the reader goes on. */
const ITEMS_AFTER_STALL = 4

/** The size of an item towards the option `held`. */
function heldSize(item: unknown): number {
  return typeof item === 'string' || item instanceof Uint8Array ? Math.max(item.length, 1) : 1
}

/** The example's input, repeated without end; bytes in chunks of at least CHUNK_BYTES. */
function* supply({ accepts, sample }: Subject): Generator<unknown, never> {
  const [input] = sample.items
  const items =
    accepts === 'bytes'
      ? [Buffer.concat(Array(Math.ceil(CHUNK_BYTES / (input as Buffer).length)).fill(input))]
      : sample.items
  for (;;) yield* items.map(copyOf)
}

/** The items, each of which is added to a list when it is taken. */
function noted(items: Iterable<unknown>, list: unknown[]): Iterator<unknown> {
  const iterator = items[Symbol.iterator]()
  return {
    next() {
      const next = iterator.next()
      list.push(next.value)
      return next
    },
  }
}

/** Waits until nothing comes out any more, and no stream of a stage works on what it was given, or nobody waits any more. */
type Calm = (measure: () => number, isWanted?: () => boolean) => Promise<void>

function calm({ trial, clock }: Opened, { settings }: Subject): Calm {
  // A stage that waits for the clock stays as it is.
  const isBusy = () => trial.isBusy && clock.pending === 0
  return (measure, isWanted) => quiet(measure, { isBusy, isWanted, deadline: now() + settings.timeout })
}

/** Feeds items as fast as the stage takes them, while nobody reads its output. Returns their size. */
async function feedStalled(
  trial: Trial,
  items: Iterator<unknown>,
  limit: number,
  came: () => number,
  rest: Calm,
): Promise<number> {
  let taken = 0
  let turnAt = READ_BYTES
  while (!trial.over && came() === 0 && taken < limit) {
    const item = items.next().value
    taken += heldSize(item)
    if (!trial.write(item)) {
      let isWaiting = true
      const changed = trial.changed().then(() => {
        isWaiting = false
      })
      await Promise.race([changed, rest(came, () => isWaiting)])
      if (isWaiting) break
    }
    if (taken >= turnAt) {
      turnAt += READ_BYTES
      await turn()
      // What is on its way comes out before more is fed, or a stage that only is slow would seem to hold it.
      if (trial.isBusy) await rest(came)
    }
  }
  return taken
}

async function checkStalled(subject: Subject): Promise<Breach | undefined> {
  const { held } = subject.settings
  const { items: input } = subject.sample
  if (held === Number.POSITIVE_INFINITY || input.every(item => (item as Buffer).length === 0))
    return undefined
  let isReading = false
  let late = 0
  const opened = await subject.open({
    reading: () => isReading,
    given: item => {
      late += heldSize(item)
    },
  })
  const { trial } = opened
  const rest = calm(opened, subject)
  const fed: unknown[] = []
  const items = noted(supply(subject), fed)
  const most = held * subject.stages.length
  const limit = 2 * most
  const taken = await feedStalled(trial, items, limit, () => late, rest)
  const read = late
  await rest(() => late)
  isReading = true
  trial.resume()
  if (taken < limit) {
    await rest(() => late)
    const more = Array.from({ length: ITEMS_AFTER_STALL }, () => items.next().value)
    await trial.feed(more)
  }
  await trial.end()
  trial.close()
  if (taken >= limit && late - read > most && (await keeps(subject, limit, late - read))) {
    return {
      detail:
        `While nobody read, it took ${taken} bytes (or items) and held ${late - read} of them; ` +
        `it may hold ${most} (option 'held'${subject.stages.length > 1 ? ' for each stage' : ''}).`,
    }
  }
  return lost(await subject.run(fed.map(copyOf)), subject.resultOf(trial))
}

/** Bytes from which on the memory shows what is held. */
const VISIBLE_BYTES = 65_536

/** How much more input than the limit shows what the memory holds. */
const MUCH_INPUT = 8

/** Whether the memory holds what comes out late: a compressor gives much more than it has kept. */
async function keeps(subject: Subject, limit: number, late: number): Promise<boolean> {
  if (late < VISIBLE_BYTES || !subject.settings.memory.isVisible) return true
  // What is held grows with the input, but the tables of a compressor stay as they are. By chance the memory may seem to grow
  // once, but hardly twice.
  for (let time = 0; time < 2; time++) {
    const growth = (await heldAt(subject, MUCH_INPUT * limit)) - (await heldAt(subject, limit))
    if (growth < (late * (MUCH_INPUT - 1)) / 2) return false
  }
  return true
}

function heldAt(subject: Subject, amount: number): Promise<number> {
  return subject.settings.memory.heldBy(async hold => {
    const opened = await subject.open({ reading: () => false, keeps: false })
    await feedStalled(opened.trial, supply(subject), amount, () => 0, calm(opened, subject))
    await hold(opened.trial)
    opened.trial.close()
  })
}

function lost(expected: Result, actual: Result): Breach | undefined {
  if (isSameResult(expected, actual)) return undefined
  return { detail: 'A reader that stalled and went on got something else.', expected, actual }
}

/** The law about a reader that stalls. */
export const STALLED_LAWS: readonly Law[] = [
  {
    name: 'stalled',
    says: 'a reader that stalls bounds what is held, and loses nothing',
    check: checkStalled,
  },
]
