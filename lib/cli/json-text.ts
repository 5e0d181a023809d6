/** The text that a flag `--json` prints for a value. */
export function jsonText(value: unknown): string {
  return `${asciiJson(JSON.stringify(value, undefined, 2))}\n`
}

/** Escapes everything outside ASCII: JSON keeps characters that control a terminal (U+009B) or hide others (U+202E). */
export function asciiJson(json: string): string {
  return json.replace(/[^\n -~]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
