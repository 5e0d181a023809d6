/** Number of buckets for each power of two: a percentile is off by at most 1/64. */
const STEPS = 64
const POWERS = 36

/** Histogram of durations with a fixed number of buckets, so that a long run takes no more memory than a short one. */
export class Histogram {
  readonly #counts = new Float64Array(STEPS * POWERS)
  #total = 0

  /** Adds a duration in milliseconds. */
  add(ms: number): void {
    const ns = ms * 1e6
    const power = ns < STEPS ? 0 : Math.floor(Math.log2(ns / STEPS)) + 1
    const step = power === 0 ? ns : ns / 2 ** (power - 1) - STEPS
    const bucket = power * STEPS + Math.floor(step)
    const index = Math.min(bucket, this.#counts.length - 1)
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.#total++
  }

  /** The duration in microseconds that `share` of all durations do not exceed; undefined when there are none. */
  percentile(share: number): number | undefined {
    if (this.#total === 0) return undefined
    let left = Math.ceil(share * this.#total)
    let bucket = 0
    while (bucket < this.#counts.length - 1) {
      left -= this.#counts[bucket] as number
      if (left <= 0) break
      bucket++
    }
    const power = Math.floor(bucket / STEPS)
    const step = (bucket % STEPS) + 0.5
    return (power === 0 ? step : (STEPS + step) * 2 ** (power - 1)) / 1e3
  }
}
