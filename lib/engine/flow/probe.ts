import type { Clock } from '../../clock.js'
import type { Passed } from '../../stage-counts.js'
import type { Look, LookAt, Wait } from '../../status/look.js'
import type { StageAccount } from '../../status/stage-account.js'
import { round } from '../../status/stage-account.js'
import type { Slowest } from './flow.js'
import type { Link, Receiver } from './link.js'

/** Calls of a stage that are timed in one turn; they stand for the others of that turn. */
const MAX_TIMED_CALLS = 16

/** The view that a probe has of the segment that it is at. */
export interface Probed {
  readonly head: Link | undefined
  /** The first link that takes items. */
  first: Receiver | undefined
  readonly sinkIsFull: boolean
  readonly rest: unknown
  readonly held: readonly Passed[]
}

/** Stands in front of a link in a turn that is timed. */
class TimedLink implements Receiver {
  calls = 0
  #timed = 0
  #time = 0
  /** Time of its `readComplete`. */
  completing = 0
  readonly link: Link
  readonly itemsBefore: number
  readonly #clock: Clock

  constructor(link: Link, clock: Clock) {
    this.itemsBefore = link.items
    this.link = link
    this.#clock = clock
  }

  receive(item: unknown): void {
    this.calls++
    if (this.#timed === MAX_TIMED_CALLS) {
      this.link.receive(item)
      return
    }
    this.#timed++
    const before = this.#clock.now()
    this.link.receive(item)
    this.#time += this.#clock.now() - before
  }

  complete(): void {
    const before = this.#clock.now()
    this.link.complete()
    this.completing += this.#clock.now() - before
  }

  /** Time of all calls, with that of the stages behind it. */
  get receiving(): number {
    return this.#timed === 0 ? 0 : (this.#time * this.calls) / this.#timed
  }
}

/**
 * Finds out what the stages of a connection do, while somebody looks. What a stage waits for is compared at the end of each turn,
 * and the clock is read only where it has changed. Of a turn that is timed, each stage gets its own part.
 */
export class Probe {
  readonly #segment: Probed
  readonly #clock: Clock
  readonly #look: Look
  readonly #accounts: readonly StageAccount[]
  readonly #links: readonly Link[]
  /** The links that work between turns, as the sum of 2 to the power of their index; -1 while the sink is full. */
  #working = 0
  /** The moment of the last change, and up to which time was charged. */
  #changedAt: number
  #chargedAt: number
  /** Time in turns, by the sample, that is part of the time since `#chargedAt`. */
  #inTurns = 0
  /** The time for which this connection has waited for each stage, and for its client. */
  readonly #blamed: number[]
  #unread = 0
  /** Set while the next turn is to be timed. */
  #timed: readonly TimedLink[] | undefined
  #armedAt = 0

  constructor(segment: Probed, clock: Clock, { look, accounts }: LookAt, offset: number) {
    this.#segment = segment
    this.#clock = clock
    this.#look = look
    const links: Link[] = []
    for (let link = segment.head; link !== undefined; link = link.after) links.push(link)
    this.#links = links
    this.#accounts = accounts.slice(offset, offset + links.length)
    this.#blamed = links.map(() => 0)
    this.#chargedAt = clock.now()
    this.#changedAt = this.#chargedAt
    this.#working = this.#findWork()
    if (look.stride === 1) this.#arm()
  }

  /** Called at the end of each turn, and where the sink takes output again. */
  turnEnded(): void {
    if (this.#timed !== undefined) this.#enterTurn(this.#timed)
    const working = this.#findWork()
    // A stage at work, or a full sink, keeps items waiting.
    if (working !== 0) this.#noteHeld()
    if (working !== this.#working) {
      this.charge()
      this.#working = working
      this.#changedAt = this.#chargedAt
    }
    if (this.#timed === undefined && this.#look.takesNext()) this.#arm()
  }

  /** Lets the links from `first` on complete, in a turn that is timed; false where it is not. */
  complete(first: Link | undefined): boolean {
    const timed = this.#timed
    if (timed === undefined) return false
    let isBehind = false
    for (const each of timed) {
      isBehind ||= each.link === first
      if (isBehind) each.complete()
    }
    return true
  }

  /** Charges the time since the last call to the accounts. */
  charge(): void {
    const now = this.#clock.now()
    const elapsed = now - this.#chargedAt
    this.#chargedAt = now
    const resting = Math.max(0, elapsed - this.#inTurns)
    // A timed turn may stand for more than has passed; the rest belongs to what comes.
    this.#inTurns = Math.max(0, this.#inTurns - elapsed)
    if (resting > 0) this.#rest(resting)
  }

  get wait(): Wait {
    const since = this.#changedAt
    if (this.#working === -1) return { for: 'client', since }
    return { for: this.#working === 0 ? 'input' : Math.floor(Math.log2(this.#working)), since }
  }

  get slowest(): Slowest | undefined {
    this.charge()
    const all = this.#blamed.reduce((sum, time) => sum + time, this.#unread)
    if (all === 0) return undefined
    const most = Math.max(...this.#blamed, this.#unread)
    return {
      for: most === this.#unread ? 'client' : this.#blamed.indexOf(most),
      share: round(most / all),
    }
  }

  /** Charges what is left, and lets go of the segment. */
  end(): void {
    this.charge()
    this.#disarm()
  }

  #findWork(): number {
    if (this.#segment.sinkIsFull) return -1
    let working = 0
    let bit = 1
    for (const link of this.#links) {
      if (link.isWorking) working += bit
      bit *= 2
    }
    return working
  }

  /** Remembers what waits now where that is more than ever; it is measured only then. */
  #noteHeld(): void {
    let held: readonly Passed[] | undefined
    for (const [index, account] of this.#accounts.entries()) {
      const rest = index === 0 && this.#segment.rest !== undefined ? 1 : 0
      if ((this.#links[index] as Link).queueLength + rest <= account.heldAtMost.items) continue
      held ??= this.#segment.held
      account.heldAtMost = held[index] as Passed
    }
  }

  #rest(time: number): void {
    const look = this.#look
    const working = this.#working
    const last = working <= 0 ? -1 : Math.floor(Math.log2(working))
    if (working === -1) {
      look.unread += time
      this.#unread += time
    } else if (working === 0) {
      look.idle += time
    } else {
      ;(this.#accounts[last] as StageAccount).blamed += time
      this.#blamed[last] = (this.#blamed[last] as number) + time
    }
    for (const [index, account] of this.#accounts.entries()) {
      if (working === -1) account.blocked += time
      else if (isIn(working, index)) account.busy += time
      else if (index < last) account.blocked += time
      else {
        account.starved += time
        if (working === 0) account.idle += time
      }
    }
  }

  #arm(): void {
    const segment = this.#segment
    this.#armedAt = this.#clock.now()
    const timed = this.#links.map(link => new TimedLink(link, this.#clock))
    let next: Receiver | undefined
    for (const each of [...timed].reverse()) {
      each.link.next = next
      if (each.link.transformer.transform !== undefined) next = each
    }
    segment.first = next
    this.#timed = timed
  }

  #disarm(): void {
    if (this.#timed === undefined) return
    this.#timed = undefined
    let next: Link | undefined
    for (const link of [...this.#links].reverse()) {
      link.next = next
      if (link.transformer.transform !== undefined) next = link
    }
    this.#segment.first = next
  }

  /** Enters a turn that was timed, which stands for as many as the stride says. */
  #enterTurn(timed: readonly TimedLink[]): void {
    this.#disarm()
    const { stride } = this.#look
    const takesItems = ({ link }: TimedLink) => link.transformer.transform !== undefined
    const estimated = timed.map((each, index) => {
      const behind = timed.slice(index + 1).find(takesItems)
      return Math.max(0, each.receiving + each.completing - (behind?.receiving ?? 0))
    })
    const sum = estimated.reduce((sum, time) => sum + time, 0)
    // Clocks cost more than short calls, of which a few stand for all. Where everything comes of what the first stage got, its
    // call has the true sum.
    const first = timed.find(takesItems)
    const isOfFirst = first !== undefined && first.calls > 0 && this.#working <= 0
    const completing = timed.reduce((time, each) => time + each.completing, 0)
    const all = isOfFirst ? Math.min(sum, first.receiving + completing) : sum
    const own = estimated.map(time => (sum === 0 ? 0 : (time * all) / sum))
    this.#look.running += all * stride
    this.#inTurns += all * stride
    const waited = this.#clock.now() - this.#armedAt - all
    let before = 0
    for (const [index, account] of this.#accounts.entries()) {
      const time = own[index] as number
      const { calls, link, itemsBefore } = timed[index] as TimedLink
      account.busy += time * stride
      account.blamed += time * stride
      this.#blamed[index] = (this.#blamed[index] as number) + time * stride
      account.starved += before * stride
      account.blocked += (all - before - time) * stride
      before += time
      const items = link.items - itemsBefore
      // Of a stage that works between turns, the time from item to item counts.
      if (isIn(this.#working, index)) {
        if (items > 0) account.record((waited + time) / items)
      } else if (calls > 0 && !link.isWorking) {
        account.record(time / calls)
      }
    }
  }
}

/** Whether a sum of powers of 2 has that of an index. */
function isIn(working: number, index: number): boolean {
  return working > 0 && Math.floor(working / 2 ** index) % 2 === 1
}
