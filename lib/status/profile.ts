import type { Book } from './book.js'
import { activeSharesOf, culpritOf, sharesOf } from './culprit.js'
import type { LookAt } from './look.js'
import { round, type StageAccount } from './stage-account.js'
import type { StageSample } from './stage-book.js'
import type { Amount, Culprit, Shares, StageStatus } from './status.js'

/** One stage in a profile, or several that the planner runs as one. */
export interface ProfiledStage
  extends Pick<StageStatus, 'index' | 'name' | 'stages' | 'runs' | 'errors' | 'itemTime'> {
  readonly in: Amount
  readonly out: Amount
  /** Milliseconds in which the stage was busy and everything else waited for it; null where it was not timed. */
  readonly ownTime: number | null
  readonly shares: Shares | null
  readonly activeShares: Shares | null
  /** The most that has waited in front of it. */
  readonly heldAtMost: Amount
}

/** Where the time of a run went, from its beginning to now. */
export interface Profile {
  /** Milliseconds since the run began. */
  readonly duration: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly stages: readonly ProfiledStage[]
  readonly culprit: Culprit
}

/** Makes the profile of a book that observes always, and is not closed: a status has windows, and this is the whole run. */
export function makeProfile(book: Book): Profile {
  book.charge()
  const { listed, look, errors } = book.current
  const { stages, traffic, unread, idle, running, at } = book.sample()
  const duration = at - book.lookBegan
  return {
    duration: Math.round(duration),
    bytesIn: traffic.bytesIn,
    bytesOut: traffic.bytesOut,
    stages: listed.map(({ stages: names, runs, isObservable }, index): ProfiledStage => {
      const sums = stages[index] as StageSample
      const account = (look as LookAt).accounts[index] as StageAccount
      return {
        index,
        name: names.join(' | '),
        stages: names,
        runs,
        in: { items: sums.inItems, bytes: sums.inBytes },
        out: { items: sums.outItems, bytes: sums.outBytes },
        errors: errors[index] as number,
        ownTime: isObservable ? round(sums.blamed) : null,
        shares: isObservable ? sharesOf(sums) : null,
        activeShares: isObservable ? activeSharesOf(sums) : null,
        itemTime: account.itemTime,
        heldAtMost: account.heldAtMost,
      }
    }),
    culprit: culpritOf(listed, stages, { unread, idle, running, elapsed: duration }),
  }
}
