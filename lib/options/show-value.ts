/** Characters of a string that are shown; the rest of a longer one becomes `…`. */
const MAX_SHOWN_CHARACTERS = 80

/** A value in a few words, for the end of a message. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > MAX_SHOWN_CHARACTERS
      ? `${JSON.stringify(value.slice(0, MAX_SHOWN_CHARACTERS))}…`
      : JSON.stringify(value)
  }
  if (value instanceof Uint8Array) {
    if (value.length === 0) return 'no bytes'
    return value.length === 1 ? 'one byte' : `${value.length} bytes`
  }
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'function') return 'a function'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
