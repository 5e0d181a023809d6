import { isUtf8 } from 'node:buffer'
import { FrameTooLongError } from '../errors.js'

const LF = 0x0a
const CR = 0x0d
const LF_ONLY = Buffer.from('\n')
const CR_LF = Buffer.from('\r\n')

/** What ends a line: LF alone (CR is content), or LF with at most one CR before it. */
export type LineDelimiter = '\n' | '\r?\n'

/** What happens to a line over the limit: fail the connection, hand on its first bytes, or leave it out. */
export type LineOverflow = 'error' | 'truncate' | 'skip'

export interface LineRules {
  readonly delimiter: LineDelimiter
  readonly encoding: 'utf8' | 'latin1'
  readonly maxLength: number
  readonly overflow: LineOverflow
  readonly partial: 'emit' | 'drop'
}

/**
 * Cuts bytes into blocks of complete lines that are within the limit. Both plans of `lines()` split what comes out of
 * here, so that the limit, the overflow and the last line are decided once, before anything is decoded.
 *
 * Costs linear time however the input is cut: the bytes of an unfinished line are copied into a buffer that grows by
 * doubling, and never holds more than `maxLength` + 2 of them.
 */
export class LineBlocks {
  protected readonly rules: LineRules
  /** The unfinished line; undefined while there is none, so that an idle connection holds nothing. */
  #carry: Buffer | undefined
  #carried = 0
  /** The unfinished line is over the limit, and `#carry` holds only its beginning. */
  #over = false

  constructor(rules: LineRules) {
    this.rules = rules
  }

  /** Takes a chunk and hands each block to `emit`. Throws FrameTooLongError behind what is complete before it. */
  push(chunk: Buffer, emit: (block: Buffer) => void): void {
    const end = chunk[chunk.length - 1] === LF ? chunk.length : chunk.lastIndexOf(LF) + 1
    if (end > 0) {
      let from = 0
      if (this.#carry !== undefined) {
        from = chunk.indexOf(LF) + 1
        this.#append(chunk.subarray(0, from - 1))
        this.#finishCarry(emit)
      }
      this.#emitComplete(chunk, from, end, emit)
    }
    if (end < chunk.length) this.#append(chunk.subarray(end))
  }

  /** Takes the end of the input and returns the unfinished last line, if there is one to emit. */
  end(): Buffer | undefined {
    if (this.#carry === undefined || this.rules.partial === 'drop') return undefined
    const line = this.#carry.subarray(0, this.#carried)
    return this.#over || line.length > this.rules.maxLength ? this.#cut(line) : line
  }

  #append(bytes: Buffer): void {
    const { maxLength, delimiter } = this.rules
    // A CR at the end may belong to the delimiter, which the limit does not count.
    const limit = delimiter === '\n' ? maxLength : maxLength + 1
    const kept = bytes.subarray(0, limit - this.#carried)
    const needed = this.#carried + kept.length + 1
    let carry = this.#carry
    if (carry === undefined || carry.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * this.#carried, limit + 1)))
      carry?.copy(larger, 0, 0, this.#carried)
      this.#carry = carry = larger
    }
    kept.copy(carry, this.#carried)
    this.#carried += kept.length
    if (kept.length < bytes.length || this.#contentLength(carry, 0, this.#carried) > maxLength) {
      if (this.rules.overflow === 'error') throw this.#tooLong()
      this.#over = true
    }
  }

  #finishCarry(emit: (block: Buffer) => void): void {
    const carry = this.#carry as Buffer
    const length = this.#carried
    const over = this.#over
    this.#carry = undefined
    this.#carried = 0
    this.#over = false
    if (over) {
      this.#emitCut(carry.subarray(0, length), emit)
    } else {
      carry[length] = LF
      emit(carry.subarray(0, length + 1))
    }
  }

  /**
   * Emits complete lines. From a delimiter it hops to the last one within the limit, so that checking the limit
   * costs about one search for each `maxLength` bytes, and not one for each line.
   */
  #emitComplete(chunk: Buffer, from: number, end: number, emit: (block: Buffer) => void): void {
    const { maxLength } = this.rules
    let start = from
    let at = from
    while (end - at > maxLength + 1) {
      const next = chunk.lastIndexOf(LF, at + maxLength) + 1
      if (next > at) {
        at = next
        continue
      }
      const over = chunk.indexOf(LF, at)
      if (this.#contentLength(chunk, at, over) > maxLength) {
        if (start < at) emit(chunk.subarray(start, at))
        this.#emitCut(chunk.subarray(at, over), emit)
        start = over + 1
      }
      at = over + 1
    }
    if (start < end) emit(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  /** The length of a line's content: without the CR that belongs to the delimiter. */
  #contentLength(bytes: Buffer, from: number, end: number): number {
    return end - from - (this.rules.delimiter === '\r?\n' && end > from && bytes[end - 1] === CR ? 1 : 0)
  }

  #emitCut(line: Buffer, emit: (block: Buffer) => void): void {
    const content = this.#cut(line)
    // With '\r?\n' a cut line may end in a CR that is content, so it gets a CR of its own to be stripped.
    if (content !== undefined) emit(Buffer.concat([content, this.rules.delimiter === '\n' ? LF_ONLY : CR_LF]))
  }

  /** What `overflow` leaves of a line over the limit. */
  #cut(line: Buffer): Buffer | undefined {
    const { maxLength, overflow, encoding } = this.rules
    if (overflow === 'error') throw this.#tooLong()
    if (overflow === 'skip') return undefined
    return line.subarray(0, encoding === 'utf8' ? wholeCharacters(line, maxLength) : maxLength)
  }

  #tooLong(): FrameTooLongError {
    return new FrameTooLongError('lines', 'line', this.rules.maxLength)
  }
}

/** The largest length up to `length` that does not cut a UTF-8 character. */
function wholeCharacters(text: Buffer, length: number): number {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = text[length - back] as number
    if (byte < 0x80) return length
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? length - back : length
  }
  return length
}

/**
 * Line blocks as the encoder would write the lines again: a CR that belongs to a delimiter is gone, and bytes that
 * are not UTF-8 are U+FFFD already.
 */
export class PlainBlocks extends LineBlocks {
  override push(chunk: Buffer, emit: (block: Buffer) => void): void {
    const { delimiter, encoding } = this.rules
    if (delimiter === '\n' && encoding === 'latin1') super.push(chunk, emit)
    else super.push(chunk, block => emit(this.#plain(block)))
  }

  override end(): Buffer | undefined {
    const rest = super.end()
    return rest && this.#valid(rest)
  }

  #plain(block: Buffer): Buffer {
    const { delimiter } = this.rules
    const valid = this.#valid(block)
    if (delimiter === '\n' || !valid.includes('\r\n')) return valid
    return Buffer.from(valid.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  }

  #valid(text: Buffer): Buffer {
    return this.rules.encoding === 'latin1' || isUtf8(text) ? text : Buffer.from(text.toString())
  }
}
