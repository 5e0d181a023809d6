import type { Sample } from './book.js'
import type { ListedStage } from './source.js'
import { round } from './stage-account.js'
import type { Culprit, Shares } from './status.js'

export const UNKNOWN: Culprit = { kind: 'unknown', stage: null, text: 'nothing was observed yet' }
export const NOTHING_COMES: Culprit = { kind: 'input', stage: null, text: 'nothing comes' }
export const CLIENT: Culprit = { kind: 'client', stage: null, text: 'the client does not read' }
const CLIENTS: Culprit = { ...CLIENT, text: 'the clients do not read' }

/** The times of a stage between two samples. */
export interface StageTimes {
  readonly busy: number
  readonly starved: number
  readonly blocked: number
  readonly idle: number
  readonly blamed: number
}

/** The shares of three times; null where there was none. */
export function sharesOf({ busy, starved, blocked }: Omit<StageTimes, 'idle' | 'blamed'>): Shares | null {
  const all = busy + starved + blocked
  if (all <= 0) return null
  return { busy: round(busy / all), starved: round(starved / all), blocked: round(blocked / all) }
}

/** The same without the time in which nothing came. */
export function activeSharesOf({ busy, starved, blocked, idle }: StageTimes): Shares | null {
  return sharesOf({ busy, starved: Math.max(0, starved - idle), blocked })
}

/**
 * Finds what the connections have waited for most. Each moment of a connection has one cause, and nothing to do is one of them;
 * but however many connections are idle, they count no more than one that is so all the time in which this process could have
 * taken more. So one connection that hangs is seen among thousands that have nothing to say.
 */
export function culpritOf(
  listed: readonly ListedStage[],
  times: readonly StageTimes[],
  {
    unread,
    idle,
    running,
    elapsed,
  }: Pick<Sample, 'unread' | 'idle' | 'running'> & { readonly elapsed: number },
): Culprit {
  const blamed = times.map(each => each.blamed)
  const most = Math.max(0, ...blamed)
  const idleTime = Math.min(idle, Math.max(0, elapsed - running))
  if (most + unread + idle <= 0) return UNKNOWN
  if (idleTime > Math.max(most, unread)) return NOTHING_COMES
  if (unread >= most) return CLIENTS
  const stage = blamed.indexOf(most)
  // A stage is only blamed for time in which it was busy.
  const { busy } = activeSharesOf(times[stage] as StageTimes) as Shares
  return slowStage(
    listed,
    stage,
    `busy ${Math.round(100 * busy)} % of the time in which there is something to do`,
  )
}

/** The culprit that is a stage. */
export function slowStage(listed: readonly ListedStage[], stage: number, does: string): Culprit {
  const { stages } = listed[stage] as ListedStage
  return { kind: 'stage', stage, text: `stage '${stages.join(' | ')}' is ${does}` }
}
