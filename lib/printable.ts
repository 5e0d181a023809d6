/** A text on one line without control characters, which would move what a terminal shows, or worse. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
}
