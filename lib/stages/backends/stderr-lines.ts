import type { Clock } from '../../clock.js'

const WINDOW_MS = 1_000
/** Lines of one program that are told in a second. */
const MAX_LINES = 10
/** Bytes of a line that are told. */
const MAX_LINE_BYTES = 1_024
const LINE_FEED = 10

/** Control and format characters, which could move the cursor of a terminal or reverse the direction of text, and line separators. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Cuts what a program writes to stderr into lines that are safe to log, and tells the first ones of each second: a program can
 * write millions. Bytes behind those are only counted.
 */
export class StderrLines {
  readonly #clock: Clock
  readonly #tell: (what: string) => void
  /** When the window has begun, and the lines that were told in it. */
  #since = -Infinity
  #told = 0
  /** Bytes that were left out since a line was told. */
  #leftOut = 0
  /** The beginning of a line whose end has not come. */
  #pending: Buffer[] = []
  #pendingBytes = 0
  /** The rest of the line is left out. */
  #skipsLine = false

  /** @param tell - Gets what the program has written, in words. */
  constructor(clock: Clock, tell: (what: string) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  take(chunk: Buffer): void {
    const now = this.#clock.now()
    if (now - this.#since >= WINDOW_MS) {
      this.#since = now
      this.#told = 0
      this.#tellLeftOut()
    }
    for (let start = 0; start < chunk.length; ) {
      if (this.#told === MAX_LINES) {
        this.#skip(chunk.subarray(start))
        return
      }
      const found = chunk.indexOf(LINE_FEED, start)
      const end = found === -1 ? chunk.length : found
      this.#add(chunk.subarray(start, end))
      if (found !== -1) this.#endLine()
      start = end + 1
    }
  }

  /** Tells the rest, when the program has ended or nobody reads it any more. */
  end(): void {
    if (this.#pendingBytes > 0) this.#endLine()
    this.#tellLeftOut()
  }

  /** Leaves out the rest of a chunk, and that of the line in which it ends. */
  #skip(rest: Buffer): void {
    this.#leftOut += rest.length
    this.#skipsLine = rest.at(-1) !== LINE_FEED
  }

  #add(part: Buffer): void {
    if (this.#skipsLine) {
      this.#leftOut += part.length
      return
    }
    const room = MAX_LINE_BYTES - this.#pendingBytes
    const kept = part.subarray(0, room)
    if (kept.length > 0) this.#pending.push(Buffer.from(kept))
    this.#pendingBytes += kept.length
    if (part.length <= room) return
    this.#endLine()
    this.#skipsLine = true
    this.#leftOut += part.length - room
  }

  #endLine(): void {
    const skipped = this.#skipsLine
    const line = Buffer.concat(this.#pending).toString().trimEnd()
    this.#pending = []
    this.#pendingBytes = 0
    this.#skipsLine = false
    if (skipped || line === '') return
    this.#told++
    this.#tell(`says: ${line.replace(UNSAFE, escaped)}`)
  }

  #tellLeftOut(): void {
    const bytes = this.#leftOut
    this.#leftOut = 0
    if (bytes > 0) this.#tell(`has written ${bytes} ${bytes === 1 ? 'byte' : 'bytes'} more to stderr.`)
  }
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`
}
