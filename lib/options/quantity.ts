/** The unit of a number. A text may stand for such a number: a size (`4KiB`), a rate (`64KiB/s`) or a duration (`30s`). */
export type Unit = 'bytes' | 'bytes/s' | 'ms'

const BYTE_SCALES = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 }

/** The suffixes that a number may have, with the factor of each. */
const SCALES: Readonly<Record<Unit, Readonly<Record<string, number>>>> = {
  bytes: BYTE_SCALES,
  'bytes/s': Object.fromEntries(Object.entries(BYTE_SCALES).map(([name, scale]) => [`${name}/s`, scale])),
  ms: { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 },
}

/**
 * Parses a whole number, or a number with a suffix: 4096 for `4KiB`, 1500 for `1.5s`. A time has a suffix unless it is 0,
 * since people mean seconds by some numbers and milliseconds by others. The result is exact: undefined for a text that is
 * no whole number of bytes or milliseconds, or one too large for a safe integer.
 */
export function parseQuantity(text: string, unit?: Unit): number | undefined {
  const { sign, whole, fraction = '', name } = QUANTITY_PATTERN.exec(text)?.groups ?? {}
  if (whole === undefined || (name === undefined && fraction !== '')) return undefined
  if (name === undefined && lacksUnit(text, unit)) return undefined
  const scale = name === undefined ? 1 : unitScale(name, unit)
  if (scale === undefined) return undefined
  // BigInt, since in floating point 1.1 times 1000 is 1100.0000000000002.
  const product = BigInt(whole + fraction) * BigInt(scale)
  const divisor = 10n ** BigInt(fraction.length)
  const value = Number(product / divisor)
  if (product % divisor !== 0n || !Number.isSafeInteger(value)) return undefined
  return sign === '-' && value > 0 ? -value : value
}

/** Limits the digits, since the conversion of a very long number to a BigInt takes long. */
const QUANTITY_PATTERN =
  /^(?<sign>-?)(?<whole>\d{1,20})(?:\.(?<fraction>\d{1,20}))? ?(?<name>[A-Za-z]+(?:\/s)?)?$/

/** The value of a number option: a text that stands for a number becomes that number, and all else stays as it is. */
export function numberIn(value: unknown, unit?: Unit): unknown {
  return typeof value === 'string' ? (parseQuantity(value, unit) ?? value) : value
}

/** Whether a text is a time without a unit; 0 needs none. */
function lacksUnit(text: string, unit: Unit | undefined): boolean {
  return unit === 'ms' && Number(text) !== 0 && /^-?\d+(\.\d+)?$/.test(text)
}

/** The rule that a time without a unit breaks, with that time in both units; undefined for any other value. */
export function unitRule(value: unknown, unit: Unit | undefined): string | undefined {
  return typeof value === 'string' && lacksUnit(value, unit)
    ? `a time with a unit, such as ${value}s or ${value}ms`
    : undefined
}

function unitScale(name: string, unit: Unit | undefined): number | undefined {
  if (unit === undefined) return undefined
  const scales = SCALES[unit]
  // A rate without `/s` is also one per second.
  const full = unit === 'bytes/s' && !name.endsWith('/s') ? `${name}/s` : name
  return Object.hasOwn(scales, full) ? scales[full] : undefined
}

/** The text for a number, in the largest unit that needs no fraction: `64KiB`, `30s`; without a unit the number alone. */
export function formatQuantity(value: number, unit?: Unit): string {
  if (unit === undefined || value === 0) return String(value)
  const scales = Object.entries(SCALES[unit]).reverse()
  const [name, scale] = scales.find(([, scale]) => value % scale === 0) as [string, number]
  return scale === 1 && unit !== 'ms' ? String(value) : `${value / scale}${name}`
}

/** The way to write a number of each unit, for messages. */
export const QUANTITY_EXAMPLES: Readonly<Record<Unit, string>> = {
  bytes: 'a size such as 4096, 4KiB or 1MiB',
  'bytes/s': 'a rate such as 4096, 64KiB/s or 1MiB/s',
  ms: 'a time such as 500ms, 30s, 5m or 1h',
}
