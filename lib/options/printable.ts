const ESCAPE_LETTERS = new Map([
  ['\n', 'n'],
  ['\r', 'r'],
  ['\t', 't'],
  ['\0', '0'],
  ['\\', '\\'],
])

/** The escape sequence of a character: `\n` and the like, or `\xHH` for each of its bytes. */
export function escapeOf(character: string, encoding: 'utf8' | 'latin1'): string {
  const letter = ESCAPE_LETTERS.get(character)
  return letter === undefined
    ? Buffer.from(character, encoding).toString('hex').replace(/../g, '\\x$&')
    : `\\${letter}`
}

/**
 * Makes received bytes safe to print: one line of the characters 0x20 to 0x7e, with escapes for all others. A control
 * character could move the cursor of a terminal, or worse, and a line feed would begin a second line in a log.
 * `unescapeBytes` gives the same bytes again.
 */
export function printable(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as Uint8Array)
    .toString('latin1')
    .replace(/[^ -[\]-~]/g, character => escapeOf(character, 'latin1'))
}
