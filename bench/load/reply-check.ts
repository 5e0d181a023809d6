import type { Tape } from './tape.js'

/** Thrown when a server gives a wrong answer. */
export class WrongReply extends Error {
  override readonly name = 'WrongReply'
}

/** Compares the answers of one connection with what must come: the greeting, and then the tape. */
export class ReplyCheck {
  readonly #greeting: Buffer
  readonly #reply: Buffer
  #greeted = 0
  #at: number
  /** Number of bytes that came after the greeting. */
  received = 0

  constructor(greeting: Buffer, tape: Tape, firstLine: number) {
    this.#greeting = greeting
    this.#reply = tape.reply
    this.#at = firstLine * tape.size
  }

  get greeted(): boolean {
    return this.#greeted === this.#greeting.length
  }

  /** Compares the first `length` bytes of a read. Throws WrongReply at the first wrong one. */
  take(bytes: Buffer, length: number): void {
    let from = 0
    if (this.#greeted < this.#greeting.length) {
      from = Math.min(length, this.#greeting.length - this.#greeted)
      this.#compare(bytes, 0, from, this.#greeting, this.#greeted)
      this.#greeted += from
    }
    while (from < length) {
      const size = Math.min(length - from, this.#reply.length - this.#at)
      this.#compare(bytes, from, from + size, this.#reply, this.#at)
      from += size
      this.received += size
      this.#at += size
      if (this.#at === this.#reply.length) this.#at = 0
    }
  }

  #compare(bytes: Buffer, from: number, to: number, expected: Buffer, at: number): void {
    if (bytes.compare(expected, at, at + to - from, from, to) === 0) return
    let wrong = 0
    while (bytes[from + wrong] === expected[at + wrong]) wrong++
    const place =
      expected === this.#greeting ? 'the greeting' : `byte ${this.received + wrong} of the replies`
    throw new WrongReply(
      `wrong answer at ${place}:\n` +
        `  came:     ${excerpt(bytes.subarray(from, to), wrong)}\n` +
        `  expected: ${excerpt(expected.subarray(at), wrong)}`,
    )
  }
}

function excerpt(bytes: Buffer, at: number): string {
  return JSON.stringify(bytes.subarray(Math.max(0, at - 12), at + 36).toString('latin1'))
}
