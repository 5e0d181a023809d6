/** A number of things, with at most four characters of digits: `7`, `1,234`, `12.3k`, `4.5M`. */
export function count(value: number): string {
  if (value < 10_000) return `${Math.round(value)}`.replace(/\B(?=\d{3}$)/, ',')
  const exponent = Math.min(Math.floor(Math.log10(value) / 3), 4)
  return short(value / 1_000 ** exponent) + (['', 'k', 'M', 'G', 'T'][exponent] as string)
}

/** A number of bytes: `512 B`, `1.5 KiB`. */
export function bytes(value: number): string {
  const exponent = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), 4)
  return `${exponent === 0 ? Math.round(value) : short(value / 1_024 ** exponent)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][exponent]}`
}

/** A time in milliseconds: `4 µs`, `1.5 ms`, `12 s`, `3 m 5 s`, `2 h 10 m`. */
export function time(milliseconds: number): string {
  if (milliseconds < 1) return `${Math.round(milliseconds * 1_000)} µs`
  if (milliseconds < 1_000) return `${short(milliseconds)} ms`
  const seconds = Math.floor(milliseconds / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} m ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} m`
}

function short(value: number): string {
  return value < 100 ? `${Math.round(value * 10) / 10}` : `${Math.round(value)}`
}

const HEIGHTS = '▁▂▃▄▅▆▇█'

/** A curve of one character for each value, the highest value at full height. */
export function sparkline(values: readonly number[]): string {
  const highest = Math.max(...values, 1)
  return values.map(value => HEIGHTS[Math.round((value / highest) * (HEIGHTS.length - 1))] ?? '▁').join('')
}
