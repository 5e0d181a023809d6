/** The characters that a backslash stands for within double quotes. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }

const HEX = /^[0-9a-fA-F]{2}$/

/**
 * Splits an inline command of RESP into words, by the rules of Redis: they stand between spaces, or in quotes. Double quotes
 * know `\n`, `\r`, `\t`, `\b`, `\a` and `\xHH`, single ones `\'`. Undefined where a quote does not end, or where no space follows
 * one.
 *
 * @param line - The line as latin1, without its end.
 */
export function splitInlineCommand(line: string): readonly string[] | undefined {
  const words: string[] = []
  let at = 0
  for (;;) {
    while (isSpace(line, at)) at++
    if (at === line.length) return words
    let word = ''
    while (at < line.length && !isSpace(line, at)) {
      const quote = line[at]
      if (quote !== '"' && quote !== "'") {
        const from = at++
        while (at < line.length && !isSpace(line, at) && !isQuote(line, at)) at++
        word += line.slice(from, at)
        continue
      }
      const end = endOfQuote(line, at)
      if (end === -1) return undefined
      word +=
        quote === '"' ? unescaped(line.slice(at + 1, end)) : line.slice(at + 1, end).replaceAll("\\'", "'")
      at = end + 1
      if (at < line.length && !isSpace(line, at)) return undefined
    }
    words.push(word)
  }
}

/** Whether a NUL, a space, or a control character from tab to CR stands at a place; false at the end. */
function isSpace(line: string, at: number): boolean {
  const code = line.charCodeAt(at)
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || code === 0
}

function isQuote(line: string, at: number): boolean {
  return line[at] === '"' || line[at] === "'"
}

/** The place of the quote that ends those that begin at a place; -1 if none does. */
function endOfQuote(line: string, from: number): number {
  const quote = line[from]
  for (let at = from + 1; at < line.length; at++) {
    if (line[at] === quote) return at
    if (line[at] === '\\' && (quote === '"' || line[at + 1] === "'")) at++
  }
  return -1
}

function unescaped(text: string): string {
  let word = ''
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string
    const next = text[at + 1]
    if (letter !== '\\' || next === undefined) {
      word += letter
    } else if (next === 'x' && HEX.test(text.slice(at + 2, at + 4))) {
      word += String.fromCharCode(Number.parseInt(text.slice(at + 2, at + 4), 16))
      at += 3
    } else {
      word += ESCAPES[next] ?? next
      at++
    }
  }
  return word
}
