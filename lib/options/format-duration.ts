const UNITS = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** Writes milliseconds as people say them: `30 s`, `5 min`, `1500 ms`. */
export function formatDuration(milliseconds: number): string {
  const [unit, size] = UNITS.find(([, size]) => milliseconds > 0 && milliseconds % size === 0) ?? ['ms', 1]
  return `${milliseconds / size} ${unit}`
}
