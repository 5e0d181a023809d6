/**
 * Endless input and the expected answer: a ring of numbered lines, which is sent over and over. A line that is lost,
 * doubled or misplaced is noticed.
 */
export interface Tape {
  /** Length of a line in bytes, with its line feed. */
  readonly size: number
  /** Number of lines. */
  readonly count: number
  /** The lines that a client sends. */
  readonly sent: Buffer
  /** The lines that it must get back. */
  readonly reply: Buffer
}

/**
 * Makes a tape.
 *
 * @param count - Number of lines. Should be a prime, so that no usual chunk size is a multiple of the ring's length.
 * @param upper - Whether the server answers in upper case.
 */
export function makeTape(size: number, count: number, upper: boolean): Tape {
  let text = ''
  for (let line = 0; line < count; line++) text += `${lineOf(line, size)}\n`
  return {
    size,
    count,
    sent: Buffer.from(text, 'latin1'),
    reply: Buffer.from(upper ? text.toUpperCase() : text, 'latin1'),
  }
}

const LETTERS = 'the quick brown fox jumps over the lazy dog, '

function lineOf(number: number, size: number): string {
  const text = `line ${number.toString().padStart(5, '0')} ${LETTERS.slice(number % LETTERS.length)}`
  return text.padEnd(size - 1, LETTERS).slice(0, size - 1)
}
