/** A value at a time, in seconds. */
export interface Sample {
  readonly time: number
  readonly value: number
}

/** The slope of the line nearest to the samples (least squares), per second, and its standard error. */
export function slope(samples: readonly Sample[]): { readonly perSecond: number; readonly error: number } {
  const count = samples.length
  if (count < 3) return { perSecond: 0, error: 0 }
  const mean = (pick: (sample: Sample) => number) =>
    samples.reduce((sum, each) => sum + pick(each), 0) / count
  const [time, value] = [mean(sample => sample.time), mean(sample => sample.value)]
  const spread = samples.reduce((sum, sample) => sum + (sample.time - time) ** 2, 0)
  const together = samples.reduce((sum, sample) => sum + (sample.time - time) * (sample.value - value), 0)
  const perSecond = together / spread
  const rest = samples.reduce(
    (sum, sample) => sum + (sample.value - value - perSecond * (sample.time - time)) ** 2,
    0,
  )
  return { perSecond, error: Math.sqrt(rest / (count - 2) / spread) }
}
