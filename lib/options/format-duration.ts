const UNITS = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** The text for a number of milliseconds, in the largest unit that divides it: `30 s`, `5 min`, `1500 ms`. */
export function formatDuration(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => milliseconds > 0 && milliseconds % size === 0) ?? ['ms', 1]
  return `${milliseconds / size} ${unit}`
}
