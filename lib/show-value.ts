/** Says what a value is, for the end of a message. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return value.length === 0 ? 'no bytes' : `${value.length} bytes`
  return String(value)
}
