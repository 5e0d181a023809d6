import type { Subject } from '../subject.js'
import { checkEndless } from './endless.js'
import { checkHistory } from './history.js'
import type { Breach, Law } from './law.js'

/** Turns of the event loop for all long inputs of an example: a stage that takes more holds its peer back, and is let off. */
const MAX_TURNS = 1500

async function checkBounded(subject: Subject): Promise<Breach | undefined> {
  const { settings, plan, stages } = subject
  if (settings.held === Number.POSITIVE_INFINITY) return undefined
  // The other plan runs the same code, except for a stage that has a stream besides.
  if (plan === 'streams' && !stages.some(({ open, stream }) => open && stream)) return undefined
  const isSlow = subject.slowAfter(MAX_TURNS)
  return (await checkEndless(subject, isSlow)) ?? checkHistory(subject, isSlow)
}

/** The law about what a connection keeps of its input. */
export const BOUNDED_LAWS: readonly Law[] = [
  {
    name: 'bounded',
    says: 'what a connection keeps does not grow with its input',
    check: checkBounded,
  },
]
