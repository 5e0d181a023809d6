/** A second, slow reading of what `lines()` promises: the whole input at once, a byte at a time. */
export function referenceLines(
  input: Buffer,
  { delimiter = '\r?\n', encoding = 'utf8', maxLength = 65_536, overflow = 'error', partial = 'emit' } = {},
): { lines: string[]; tooLong: boolean } {
  const lines: string[] = []
  let content: number[] = []
  const emit = (complete: boolean): boolean => {
    if (complete && delimiter === '\r?\n' && content.at(-1) === 0x0d) content.pop()
    if (content.length > maxLength) {
      if (overflow === 'error') return false
      if (overflow === 'skip') return true
      content = cut(content, maxLength, encoding)
    }
    lines.push(Buffer.from(content).toString(encoding as BufferEncoding))
    return true
  }
  for (const byte of input) {
    if (byte !== 0x0a) {
      content.push(byte)
      continue
    }
    if (!emit(true)) return { lines, tooLong: true }
    content = []
  }
  const tooLong = content.length > 0 && (partial === 'emit' || overflow === 'error') && rest()
  return { lines, tooLong }

  function rest(): boolean {
    if (partial === 'emit') return !emit(false)
    // An unfinished line fails as soon as no delimiter can save it: a CR at its end still may.
    const mayBeDelimiter = delimiter === '\r?\n' && content.at(-1) === 0x0d ? 1 : 0
    return content.length - mayBeDelimiter > maxLength
  }
}

/** Shortens text byte by byte until no UTF-8 character is cut at its end. */
function cut(content: readonly number[], maxLength: number, encoding: string): number[] {
  const whole = content.slice(0, maxLength)
  if (encoding !== 'utf8') return whole
  const size = (byte: number) => (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1)
  const lead = whole.findLastIndex(byte => byte < 0x80 || byte >= 0xc0)
  const cutsCharacter =
    lead >= whole.length - 3 && lead !== -1 && lead + size(whole[lead] as number) > whole.length
  return cutsCharacter ? whole.slice(0, lead) : whole
}
