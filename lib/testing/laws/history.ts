import { copyOf } from '../copy.js'
import type { Subject } from '../subject.js'
import { turn } from '../turns.js'
import type { Breach } from './law.js'
import { smallestPieces } from './output.js'

/** A long input, with a turn of the event loop, which costs some memory too, only behind every `from` pieces. */
interface Long {
  /** The numbers of pieces behind which the memory is measured. */
  readonly from: number
  readonly to: number
  /** The bytes for each piece that are more than chance. A place in a list takes 8. */
  readonly bytes: number
}

const LONG: Long = { from: 2048, to: 65_536, bytes: 4 }
/** The same for bytes: with them comes more garbage; a chunk that is kept takes some 100 bytes. */
const LONG_OF_BYTES: Long = { from: 2048, to: 16_384, bytes: 24 }
/** The same for stages that are streams, which take longer: a string or a Buffer that is kept is seen. */
const LONG_OF_STREAMS: Long = { from: 1024, to: 8192, bytes: 24 }
/** Memory that is soon more than any stage should hold. */
const MUCH_BYTES = 1_048_576
/** Quick looks at the growth with a long input. */
const MAX_LOOKS = 3
/** Turns of the event loop for a stage that seems to keep what came: surer looks take longer inputs. */
const MAX_TURNS = 15_000

/**
 * Feeds pieces of the example, again and again, unless the stage is very slow.
 *
 * @param look - Called with the number of pieces so far, with each turn, while the connection is open.
 */
async function feedLong(
  subject: Subject,
  isSlow: () => boolean,
  { from }: Long,
  pieces: number,
  look: (fed: number, trial: object) => unknown,
): Promise<void> {
  const { trial } = await subject.open({ keeps: false })
  const all = smallestPieces(subject)
  for (let fed = 1; fed <= pieces && !trial.over && !isSlow(); fed++) {
    if (!trial.write(copyOf(all[(fed - 1) % all.length]))) await trial.ready()
    if (fed % from > 0) continue
    await turn()
    await look(fed, trial)
  }
  trial.close()
}

/** Whether the memory seems to grow with a long input, by quick looks. */
async function seemsToGrow(subject: Subject, isSlow: () => boolean, long: Long): Promise<boolean> {
  const { from, to, bytes: least } = long
  for (let time = 1; ; time++) {
    const { bytes, isSure } = await subject.settings.memory.growthDuring(look =>
      feedLong(subject, isSlow, long, to, fed => void ((fed === from || fed === to) && look())),
    )
    if (bytes >= least * (to - from)) return true
    if ((bytes >= 0 && isSure) || time === MAX_LOOKS) return false
  }
}

/** Feeds the example again and again, and looks at what the connection keeps of it. */
export async function checkHistory(subject: Subject, isSlow: () => boolean): Promise<Breach | undefined> {
  const { sample, settings, accepts, isSynchronous } = subject
  const { memory, held: limit } = settings
  if (!memory.isVisible || sample.items.every(item => (item as Buffer).length === 0)) return undefined
  const long = isSynchronous ? (accepts === 'bytes' ? LONG_OF_BYTES : LONG) : LONG_OF_STREAMS
  const { from, to, bytes } = long
  if (!(await seemsToGrow(subject, isSlow, long))) return undefined
  const isTooSlow = subject.slowAfter(MAX_TURNS)
  /** The bytes that a connection holds behind so many pieces; 0 if it does not come so far. */
  const heldBehind = (pieces: number) =>
    memory.heldBy(hold =>
      feedLong(subject, isTooSlow, long, pieces, (fed, trial) => fed === pieces && hold(trial)),
    )
  // What the connection does not hold is held by others, such as a mock of the test.
  const held = await heldBehind(to)
  if (held < bytes * (to - from)) return undefined
  // What is bounded has stopped to grow behind so many.
  const pieces = from * Math.ceil(limit / (held > MUCH_BYTES || !isSynchronous ? 4 : 1) / from)
  const some = await heldBehind(pieces)
  const more = (await heldBehind(2 * pieces)) - some
  if (some === 0 || more < bytes * pieces) return undefined
  return {
    detail:
      `With the example again and again, in its smallest pieces, the memory of a connection grew by ${more} bytes ` +
      `from piece ${pieces} to piece ${2 * pieces}. Keep only what the next item needs.`,
    input: sample.items,
  }
}
