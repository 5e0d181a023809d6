import type { Passed } from '../stage-counts.js'
import type { ItemTime } from './status.js'

/** Buckets of the histogram: each reaches to 2^(1/4) times the one before, from a microsecond up to ten minutes. */
const BUCKETS = 120
const STEPS = 4
const SMALLEST_MS = 0.001

/** The times of one stage in the clocks of all connections, in milliseconds of connection time. */
export class StageAccount {
  busy = 0
  starved = 0
  blocked = 0
  /** The part of `starved` in which no stage had anything to do. */
  idle = 0
  /** The time in which it was the last busy stage, for which the client waited. */
  blamed = 0
  /** The most items that have waited in front of it at the end of a turn, in one connection, and their bytes. */
  heldAtMost: Passed = { items: 0, bytes: 0 }
  readonly #buckets = new Uint32Array(BUCKETS)
  #samples = 0

  /** Enters the time that one item has taken. */
  record(milliseconds: number): void {
    const step = Math.ceil(Math.log2(milliseconds / SMALLEST_MS) * STEPS)
    const bucket = Math.min(Math.max(step, 0), BUCKETS - 1)
    this.#buckets[bucket] = (this.#buckets[bucket] as number) + 1
    this.#samples++
  }

  get itemTime(): ItemTime | null {
    if (this.#samples === 0) return null
    return { median: this.#quantile(0.5), p99: this.#quantile(0.99), samples: this.#samples }
  }

  #quantile(share: number): number {
    let left = this.#samples * share
    let bucket = 0
    while (bucket < BUCKETS - 1) {
      left -= this.#buckets[bucket] as number
      if (left <= 0) break
      bucket++
    }
    // The middle of the bucket.
    return round(SMALLEST_MS * 2 ** ((bucket - 0.5) / STEPS))
  }
}

/** A number with four significant digits, for people and for JSON. */
export function round(value: number): number {
  return Number(value.toPrecision(4))
}
