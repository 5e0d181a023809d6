import type { LineEncoding } from '../../block-role.js'

/** The size of a fresh buffer: what one read of a socket gives, and a little more. */
const BUFFER_BYTES = 66_560
/** A buffer that has grown beyond this is not kept for later. */
const MAX_SPARE_BYTES = 2 * BUFFER_BYTES

/** Up to this length texts are joined before they become bytes, since a call for each costs more; alone they come from Node's pool. */
const MAX_JOINED_CHARACTERS = 1_024
/** A buffer is lent to the sink only if it is at most this many times as long as the output in it. */
const MAX_BUFFER_RATIO = 3
/** The most bytes of a character in UTF-8. */
const MAX_UTF8_BYTES = 4
const LINE_FEED = 0x0a

/** A buffer that nobody holds any more, for the next output of any connection. */
let spare: Buffer | undefined

/**
 * Encodes text to bytes, in buffers that are used again once the sink has sent them. A buffer that was just used is still
 * in the processor's cache; a fresh one has to be fetched, counted and collected.
 */
export class TextOutput {
  readonly #encoding: LineEncoding
  /** Whether the sink tells, with `reclaim`, when it has sent an output. Without it each output is a copy. */
  lends = false
  /** The last texts, as long as they are short together; they are not in `#bytes` yet. */
  #text = ''
  #bytes: Buffer | undefined
  #length = 0
  /** The buffer of the last output, which the sink may still hold. */
  #lent: Buffer | undefined

  constructor(encoding: LineEncoding) {
    this.#encoding = encoding
  }

  add(text: string): void {
    if (this.#text.length + text.length < MAX_JOINED_CHARACTERS) this.#text += text
    else this.#append(text)
  }

  /** Adds a long line, and a line feed behind it. */
  addLine(line: string): void {
    this.#append(line)
    this.#room(1)[this.#length++] = LINE_FEED
  }

  #append(text: string): void {
    this.#encodeJoined()
    this.#encode(text)
  }

  /** Turns the texts that were joined into bytes. */
  #encodeJoined(): void {
    const text = this.#text
    if (text === '') return
    this.#text = ''
    this.#encode(text)
  }

  #encode(text: string): void {
    // Most text is ASCII, with as many bytes as characters. The room for one character more makes `write` return more than
    // `text.length` for any other text, which is then written again, with enough room.
    const size = text.length + (this.#encoding === 'utf8' ? MAX_UTF8_BYTES : 0)
    const written = this.#room(size).write(text, this.#length, size, this.#encoding)
    this.#length += written === text.length ? written : this.#write(text)
  }

  #write(text: string): number {
    const size = Buffer.byteLength(text)
    return this.#room(size).write(text, this.#length, size)
  }

  /** Returns everything that was added since the last call. */
  take(): Buffer | undefined {
    const text = this.#text
    if (this.#bytes === undefined) {
      this.#text = ''
      return text === '' ? undefined : Buffer.from(text, this.#encoding)
    }
    this.#encodeJoined()
    const bytes = this.#bytes
    const output = bytes.subarray(0, this.#length)
    this.#bytes = undefined
    this.#length = 0
    // A small output is copied: a client that is slow to read it would keep all of the buffer.
    if (this.lends && MAX_BUFFER_RATIO * output.length >= bytes.length) {
      this.#lent = bytes
      return output
    }
    keepSpare(bytes)
    return Buffer.from(output)
  }

  /** Called after an output was taken: takes its buffer back if the sink has sent it, and else leaves it to the sink. */
  reclaim(isFlushed: boolean): void {
    if (isFlushed && this.#lent !== undefined) keepSpare(this.#lent)
    this.#lent = undefined
  }

  /** Returns the buffer, with room for `size` more bytes. */
  #room(size: number): Buffer {
    const needed = this.#length + size
    let bytes = this.#bytes
    if (bytes === undefined) {
      bytes = spare ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
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

function keepSpare(bytes: Buffer): void {
  if (bytes.length <= MAX_SPARE_BYTES) spare = bytes
}
