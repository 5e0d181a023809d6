const ESCAPE_LETTERS = new Map([
  ['\n', 'n'],
  ['\r', 'r'],
  ['\t', 't'],
  ['\0', '0'],
  ['\\', '\\'],
])

/** The escape of a character: `\n` and the like, or `\xHH` for each of its bytes. */
export function escapeOf(character: string, encoding: 'utf8' | 'latin1'): string {
  const letter = ESCAPE_LETTERS.get(character)
  return letter === undefined
    ? Buffer.from(character, encoding).toString('hex').replace(/../g, '\\x$&')
    : `\\${letter}`
}

/**
 * What others have sent, as one line of 0x20 to 0x7e: control characters would move what a terminal shows, or worse, and
 * a line feed would make a second line of a log. `unescapeBytes` gives the same bytes again.
 */
export function printable(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as Uint8Array)
    .toString('latin1')
    .replace(/[^ -[\]-~]/g, character => escapeOf(character, 'latin1'))
}
