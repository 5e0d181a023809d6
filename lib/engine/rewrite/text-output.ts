import type { LineEncoding } from '../../block-role.js'

/** As much as one read gives, and a little more. */
const USUAL = 66_560
/** More is not kept for later. */
const LARGEST = 2 * USUAL

/** Up to this length a text by itself becomes bytes of its own, which Node makes in its pool. */
const SHORT = 1_024
/** So many times its own length an output may hold. */
const MOST = 3
/** The most bytes of a character. */
const MORE = 4
const LINE_FEED = 0x0a

/** The bytes that the last output was made in, when nobody has them any more. */
let spare: Buffer | undefined

/**
 * Makes bytes of text. What a socket takes at once leaves room that is used again, by any connection: it is still in the
 * processor's cache, and fresh memory would have to be fetched, counted and collected.
 */
export class TextOutput {
  readonly #encoding: LineEncoding
  /** Whoever takes the output says when it is done with it. */
  lends = false
  /** The first text, as long as there is no other and it is short. */
  #text = ''
  #bytes: Buffer | undefined
  #length = 0
  #lent: Buffer | undefined

  constructor(encoding: LineEncoding) {
    this.#encoding = encoding
  }

  add(text: string): void {
    if (this.#bytes === undefined && this.#text === '' && text.length < SHORT) {
      this.#text = text
      return
    }
    this.#append(text)
  }

  /** Adds a line that is not short, and the line feed behind it. */
  addLine(line: string): void {
    this.#append(line)
    this.#room(1)[this.#length++] = LINE_FEED
  }

  #append(text: string): void {
    if (this.#text !== '') {
      const first = this.#text
      this.#text = ''
      this.#append(first)
    }
    // Most text is ASCII, which is copied; the room for more shows whether there is more to write.
    const size = text.length + (this.#encoding === 'utf8' ? MORE : 0)
    const written = this.#room(size).write(text, this.#length, size, this.#encoding)
    this.#length += written === text.length ? written : this.#write(text)
  }

  #write(text: string): number {
    const size = Buffer.byteLength(text)
    return this.#room(size).write(text, this.#length, size)
  }

  /** All that was added since the last time. */
  take(): Buffer | undefined {
    const [text, bytes] = [this.#text, this.#bytes]
    this.#text = ''
    if (bytes === undefined) return text === '' ? undefined : Buffer.from(text, this.#encoding)
    const output = bytes.subarray(0, this.#length)
    this.#bytes = undefined
    this.#length = 0
    // If it is not taken at once, a small output holds all the room.
    if (this.lends && MOST * output.length >= bytes.length) {
      this.#lent = bytes
      return output
    }
    giveBack(bytes)
    return Buffer.from(output)
  }

  /** Whoever took the output has it no more, or keeps it. */
  settle(isDone: boolean): void {
    if (isDone && this.#lent !== undefined) giveBack(this.#lent)
    this.#lent = undefined
  }

  /** Somewhere with room for so many bytes more. */
  #room(size: number): Buffer {
    const needed = this.#length + size
    let bytes = this.#bytes
    if (bytes === undefined) {
      bytes = spare ?? Buffer.allocUnsafeSlow(USUAL)
      spare = undefined
    }
    if (bytes.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * bytes.length))
      bytes.copy(larger, 0, 0, this.#length)
      bytes = larger
    }
    this.#bytes = bytes
    return bytes
  }
}

function giveBack(bytes: Buffer): void {
  if (bytes.length <= LARGEST) spare = bytes
}
