import type { Subject } from '../subject.js'
import { now, quiet, until } from '../turns.js'
import { HiddenResources } from '../watch/resources.js'
import type { Breach, Law } from './law.js'
import { ENDINGS, type Ended, MANY_INPUTS, MUCH_INPUT, ofEveryEnd, runToEnd } from './life.js'

function leak({ timers, listening, listeners }: Ended, ending: string): string | undefined {
  if (timers > 0) return `timers of connection.clock were not cleared: ${timers}.`
  if (listeners > 0) return `listeners on connection.signal were not removed: ${listeners}.`
  return ending === MUCH_INPUT && listening >= MANY_INPUTS
    ? `listeners on connection.signal had grown to ${listening} before.`
    : undefined
}

/**
 * Rounds of connections, one for each ending. A resource is leaked when each round has left at least one more. Where that
 * is so after the first rounds many more come, since other code may open some meanwhile, and what connections share, such as
 * a pool, grows at first.
 */
const FIRST_ROUNDS = 2
const ALL_ROUNDS = 16

function countIn(resources: ReadonlyMap<string, number>, type: string): number {
  return [...resources].filter(([known]) => known === type).reduce((sum, [, count]) => sum + count, 0)
}

async function checkResources(subject: Subject): Promise<Breach | undefined> {
  const hidden = new HiddenResources()
  const { resources, timeout } = subject.settings
  const active = resources.active()
  const descriptors = resources.descriptors()
  const left = (least: number): Breach | undefined => {
    const opened = [...resources.descriptors()].filter(([name]) => !descriptors.has(name))
    if (opened.length >= least) {
      const files = new Set(opened.flatMap(([, file]) => file ?? []))
      return leftOver(['an open descriptor', ...files].join(', '))
    }
    const made = hidden.left()
    const last = made.findLast(({ type }) => made.filter(each => each.type === type).length >= least)
    if (last !== undefined) return leftOver(last.type, last.place)
    const grown = [...resources.active()].find(([type, count]) => count - countIn(active, type) >= least)
    return grown && leftOver(grown[0])
  }
  const runRounds = async (rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (const ending of Object.values(ENDINGS)) await runToEnd(subject, ending)
    }
    await quiet(() => 0)
  }
  await hidden.run(() => runRounds(FIRST_ROUNDS))
  const isSuspect = left(FIRST_ROUNDS) !== undefined
  if (isSuspect) {
    await hidden.run(() => runRounds(ALL_ROUNDS - FIRST_ROUNDS))
    // Some take a while to close.
    await until(() => left(ALL_ROUNDS) === undefined, now() + timeout)
  }
  hidden.stop()
  return isSuspect ? left(ALL_ROUNDS) : undefined
}

function leftOver(what: string, cause?: Error): Breach {
  return { detail: `After each connection one more was left: ${what}.`, cause }
}

/** The laws about what is left when connections are over. */
export const LEAK_LAWS: readonly Law[] = [
  { name: 'leaks', says: 'no timer and no listener is left', check: ofEveryEnd(leak) },
  { name: 'leaks', says: 'no handle is left', check: checkResources },
]
