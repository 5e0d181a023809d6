import type { StageCounts } from '../stage-counts.js'
import type { Look, LookAt } from './look.js'
import type { ListedStage } from './source.js'
import { StageAccount } from './stage-account.js'

/** The input and output of a stage, and its times. */
export interface StageSample {
  inItems: number
  inBytes: number
  outItems: number
  outBytes: number
  readonly busy: number
  readonly starved: number
  readonly blocked: number
  readonly idle: number
  readonly blamed: number
}

/** The books of one list of stages: what closed connections have counted, and the accounts of the look. */
export class StageBook {
  readonly listed: readonly ListedStage[]
  readonly errors: number[]
  /** Set while somebody looks. */
  look: LookAt | undefined
  readonly #closed: { inItems: number; inBytes: number; outItems: number; outBytes: number }[]

  constructor(listed: readonly ListedStage[]) {
    this.listed = listed
    this.errors = listed.map(() => 0)
    this.#closed = listed.map(() => ({ inItems: 0, inBytes: 0, outItems: 0, outBytes: 0 }))
  }

  /** Opens new accounts for a look, unless that is the one it has; undefined ends it. */
  follow(look: Look | undefined): void {
    if (look === this.look?.look) return
    this.look = look && { look, accounts: this.listed.map(() => new StageAccount()) }
  }

  /** Enters the counts of a connection that is over. */
  close(counts: readonly StageCounts[]): void {
    this.#add(this.#closed, counts)
  }

  /** Counts an error of a stage by its name. */
  fail(stage: string): void {
    const index = this.listed.findIndex(
      ({ stages }) => stages.includes(stage) || stages.join(' | ') === stage,
    )
    if (index !== -1) this.errors[index] = (this.errors[index] as number) + 1
  }

  /** The sums over all connections, with those that are open. */
  sample(open: Iterable<readonly StageCounts[]>): readonly StageSample[] {
    const sums = this.#closed.map(each => ({ ...each }))
    for (const counts of open) this.#add(sums, counts)
    return sums.map((sum, index) => {
      const { busy = 0, starved = 0, blocked = 0, idle = 0, blamed = 0 } = this.look?.accounts[index] ?? {}
      return { ...sum, busy, starved, blocked, idle, blamed }
    })
  }

  /** Adds counts, of which there is one for each stage of the list, also where several run as one. */
  #add(
    sums: { inItems: number; inBytes: number; outItems: number; outBytes: number }[],
    counts: readonly StageCounts[],
  ): void {
    let at = 0
    for (const [index, { stages }] of this.listed.entries()) {
      const first = counts[at]
      at += stages.length
      const last = counts[at - 1]
      // A connection that could not be opened has counted nothing.
      if (first === undefined || last === undefined) return
      const sum = sums[index] as (typeof sums)[number]
      sum.inItems += first.in.items
      sum.inBytes += first.in.bytes
      sum.outItems += last.out.items
      sum.outBytes += last.out.bytes
    }
  }
}
