/**
 * Endless input and the expected answer: a ring of numbered lines, which is sent over and over. A line that is lost,
 * doubled or misplaced is noticed.
 */
export interface Tape {
  /** Length of a line in bytes, with what stands around it. */
  readonly size: number
  /** Number of lines. */
  readonly count: number
  /** The lines that a client sends. */
  readonly sent: Buffer
  /** The lines that it must get back. */
  readonly reply: Buffer
}

/** How a server takes lines, and gives them back. */
export interface Format {
  /** Whether lines come back in upper case. */
  readonly upper: boolean
  /** Whether a line has its length in front, in two bytes, and no line feed. */
  readonly prefixed: boolean
}

/**
 * Makes a tape.
 *
 * @param size - Length of a line in bytes, with its line feed or with the length in front.
 * @param count - Number of lines. Should be a prime, so that no usual chunk size is a multiple of the ring's length.
 */
export function makeTape(size: number, count: number, { upper, prefixed }: Format): Tape {
  const bytes = (text: string) => Buffer.from(text, 'latin1')
  if (prefixed) {
    const header = Buffer.from([(size - 2) >> 8, (size - 2) & 0xff])
    const frames = Array.from({ length: count }, (_, line) => [header, bytes(lineOf(line, size - 1))])
    const sent = Buffer.concat(frames.flat())
    return { size, count, sent, reply: sent }
  }
  let text = ''
  for (let line = 0; line < count; line++) text += `${lineOf(line, size)}\n`
  return { size, count, sent: bytes(text), reply: bytes(upper ? text.toUpperCase() : text) }
}

const LETTERS = 'the quick brown fox jumps over the lazy dog, '

function lineOf(number: number, size: number): string {
  const text = `line ${number.toString().padStart(5, '0')} ${LETTERS.slice(number % LETTERS.length)}`
  return text.padEnd(size - 1, LETTERS).slice(0, size - 1)
}
