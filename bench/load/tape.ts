/** Lines without end: a ring of numbered lines, so that a lost, doubled or misplaced one shows. */
export interface Tape {
  /** Bytes in a line, the line feed included. */
  readonly size: number
  readonly count: number
  /** What a client sends. */
  readonly sent: Buffer
  /** What it must get back. */
  readonly reply: Buffer
}

/** `count` should be a prime: no usual chunk size then is a whole turn of the ring. */
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
