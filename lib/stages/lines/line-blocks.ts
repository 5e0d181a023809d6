import { isUtf8 } from 'node:buffer'
import { FrameTooLongError, InvalidFrameError, type PeerError } from '../../errors.js'
import type { LineRules } from './line-rules.js'

const LF = 0x0a
const CR = 0x0d
const LF_ONLY = Buffer.from('\n')
const CR_LF = Buffer.from('\r\n')

/** What hears of a line that is left out; a controller, or a stream's way to tell. */
export interface Reports {
  readonly report: (error: PeerError) => void
}

/**
 * Cuts bytes into blocks of complete lines that are within the limit. Both plans of `lines()` split what comes out of
 * here, so that the limit, the overflow and the last line are decided once, before anything is decoded. Only with
 * `overflow: 'split'` a block may be a piece of a line, without a delimiter.
 *
 * Costs linear time however the input is cut: the bytes of an unfinished line are copied into a buffer that grows by
 * doubling, and never holds more than `maxLength` + 2 of them.
 */
export class LineBlocks {
  protected readonly rules: LineRules
  /** The unfinished line; undefined while there is none, so that an idle connection holds nothing. */
  #carry: Buffer | undefined
  #carried = 0
  /** How many lines were unfinished at the end of a chunk. */
  #begun = 0
  /** The unfinished line is over the limit: `#carry` holds its beginning and, behind that, the last byte that came. */
  #over = false

  constructor(rules: LineRules) {
    this.rules = rules
  }

  /** Takes a chunk and hands each block to `emit`. Throws a PeerError behind what is complete before it. */
  push(chunk: Buffer, emit: (block: Buffer) => void, to?: Reports): void {
    const end = this.#lastEnd(chunk)
    if (end > 0) {
      let from = 0
      if (this.#carry !== undefined) {
        from = this.#firstEnd(chunk)
        this.#append(chunk.subarray(0, from - 1), emit, to)
        this.#finishCarry(emit, to)
      }
      this.#emitComplete(chunk, from, end, emit, to)
    }
    if (end < chunk.length) this.#append(chunk.subarray(end), emit, to)
  }

  /** The number of the unfinished line; 0 where there is none. */
  unfinished(): number {
    return this.#carry === undefined ? 0 : this.#begun
  }

  /** Takes the end of the input and returns the unfinished last line, if there is one to emit. */
  end(to?: Reports): Buffer | undefined {
    const { limit, partial, tailCr } = this.rules
    if (this.#carry === undefined || partial === 'drop') return undefined
    if (partial === 'error') throw new InvalidFrameError('lines', 'the last line has no delimiter')
    const line = this.#carry.subarray(0, this.#carried)
    if (this.#over) return this.#cut(line)
    if (line.length > limit) {
      this.#refuse(to)
      return this.#cut(line)
    }
    if (tailCr === 'content' || line.at(-1) !== CR) return line
    return line.length === 1 && tailCr !== 'goes' ? undefined : line.subarray(0, -1)
  }

  /** Whether the last byte that came is a CR of an unfinished line. */
  protected get endsInCr(): boolean {
    return this.#carry?.[this.#over ? this.#carried : this.#carried - 1] === CR
  }

  /** Where the first delimiter ends; there is one, if only in part. */
  #firstEnd(chunk: Buffer): number {
    if (this.rules.delimiter !== '\r\n') return chunk.indexOf(LF) + 1
    return chunk[0] === LF && this.endsInCr ? 1 : chunk.indexOf(CR_LF) + 2
  }

  /** Where the last delimiter ends; 0 where there is none. */
  #lastEnd(chunk: Buffer): number {
    const { length } = chunk
    if (this.rules.delimiter !== '\r\n') return chunk[length - 1] === LF ? length : chunk.lastIndexOf(LF) + 1
    const at = chunk.lastIndexOf(CR_LF)
    return at !== -1 ? at + 2 : chunk[0] === LF && this.endsInCr ? 1 : 0
  }

  #append(bytes: Buffer, emit: (block: Buffer) => void, to: Reports | undefined): void {
    const { limit, sparesCr, overflow, unfinished } = this.rules
    const rest = overflow === 'split' ? this.#split(bytes, emit) : bytes
    if (rest.length === 0) return
    // A CR at the end may belong to the delimiter, which the limit does not count.
    const room = sparesCr ? limit + 1 : limit
    const kept = rest.subarray(0, room - this.#carried)
    const needed = this.#carried + kept.length + 1
    let carry = this.#carry
    if (carry === undefined) this.#begun++
    if (carry === undefined || carry.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * this.#carried, room + 1)))
      carry?.copy(larger, 0, 0, this.#carried)
      this.#carry = carry = larger
    }
    kept.copy(carry, this.#carried)
    this.#carried += kept.length
    const isFull = kept.length < rest.length
    if (isFull || this.#contentLength(carry, 0, this.#carried) > limit) {
      const isFirst = !this.#over
      this.#over = true
      carry[this.#carried] = rest[rest.length - 1] as number
      if (unfinished === 'over' ? isFirst : unfinished === 'full' && isFull) this.#refuse(to)
    }
  }

  #finishCarry(emit: (block: Buffer) => void, to: Reports | undefined): void {
    const carry = this.#carry ?? Buffer.allocUnsafe(1)
    const length = this.#carried
    const over = this.#over
    const cr = over && this.endsInCr
    this.#carry = undefined
    this.#carried = 0
    this.#over = false
    if (over) {
      if (this.rules.unfinished !== 'over') this.#refuse(to)
      this.#emitCut(carry.subarray(0, length), cr, emit)
    } else {
      carry[length] = LF
      emit(carry.subarray(0, length + 1))
    }
  }

  /**
   * Emits complete lines. From a delimiter it hops to the last one within the limit, so that checking the limit
   * costs about one search for each `maxLength` bytes, and not one for each line.
   */
  #emitComplete(
    chunk: Buffer,
    from: number,
    end: number,
    emit: (block: Buffer) => void,
    to: Reports | undefined,
  ): void {
    const { limit } = this.rules
    let start = from
    let at = from
    while (end - at > limit + 1) {
      const next = this.#endWithin(chunk, at + limit)
      if (next > at) {
        at = next
        continue
      }
      const over = this.#nextLf(chunk, at)
      if (this.#contentLength(chunk, at, over) > limit) {
        if (start < at) emit(chunk.subarray(start, at))
        start = this.#emitOver(chunk, at, over, emit, to)
      }
      at = over + 1
    }
    if (start < end) emit(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  /** Emits what `overflow` leaves of a line over the limit, and returns where what is not emitted begins. */
  #emitOver(
    chunk: Buffer,
    at: number,
    lf: number,
    emit: (block: Buffer) => void,
    to: Reports | undefined,
  ): number {
    if (this.rules.overflow === 'split') {
      // The delimiter counts here, so the last piece ends with it and is a line like any other.
      return lf - this.#split(chunk.subarray(at, lf), emit).length
    }
    this.#refuse(to)
    this.#emitCut(chunk.subarray(at, lf), chunk[lf - 1] === CR, emit)
    return lf + 1
  }

  /** The end of the last delimiter of which the content ends at `place` or before. */
  #endWithin(chunk: Buffer, place: number): number {
    if (this.rules.delimiter !== '\r\n') return chunk.lastIndexOf(LF, place) + 1
    const at = chunk.lastIndexOf(CR_LF, place)
    return at === -1 ? 0 : at + 2
  }

  /** The LF of the first delimiter behind `at`; there is one. */
  #nextLf(chunk: Buffer, at: number): number {
    return this.rules.delimiter !== '\r\n' ? chunk.indexOf(LF, at) : chunk.indexOf(CR_LF, at) + 1
  }

  /** The length of what the limit counts of a line. */
  #contentLength(bytes: Buffer, from: number, end: number): number {
    return end - from - (this.rules.sparesCr && end > from && bytes[end - 1] === CR ? 1 : 0)
  }

  /** Emits the bytes of an unfinished line in pieces of `maxLength`, and returns the rest of them. */
  #split(bytes: Buffer, emit: (block: Buffer) => void): Buffer {
    const { maxLength } = this.rules
    let from = 0
    if (this.#carry !== undefined) {
      from = maxLength - this.#carried
      if (bytes.length < from) return bytes
      emit(Buffer.concat([this.#carry.subarray(0, this.#carried), bytes.subarray(0, from)]))
      this.#carry = undefined
      this.#carried = 0
    }
    for (; bytes.length - from >= maxLength; from += maxLength) emit(bytes.subarray(from, from + maxLength))
    return bytes.subarray(from)
  }

  #emitCut(line: Buffer, cr: boolean, emit: (block: Buffer) => void): void {
    const content = this.#cut(line)
    if (content === undefined) return
    const { delimiter, keep } = this.rules
    // With '\r?\n' a cut line may end in a CR that is content, so it gets a CR of its own to be stripped.
    emit(Buffer.concat([content, delimiter === '\n' || (keep && !cr) ? LF_ONLY : CR_LF]))
  }

  /** What `overflow` leaves of a line over the limit. */
  #cut(line: Buffer): Buffer | undefined {
    const { limit, overflow, encoding } = this.rules
    if (overflow !== 'truncate') return undefined
    return line.subarray(0, encoding === 'utf8' ? wholeCharacters(line, limit) : limit)
  }

  #refuse(to: Reports | undefined): void {
    const { overflow, maxLength } = this.rules
    if (overflow === 'error') throw new FrameTooLongError('lines', 'line', maxLength)
    if (overflow === 'report') to?.report(new FrameTooLongError('lines', 'line', maxLength))
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

/** Line blocks in which a CR or an LF without the other ends the connection, behind what is complete before it. */
export class StrictBlocks extends LineBlocks {
  override push(chunk: Buffer, emit: (block: Buffer) => void, to?: Reports): void {
    const before = this.endsInCr ? '\r' : ''
    // A CR at the very end may still get its LF.
    const bare = (before + chunk.toString('latin1')).search(/\r(?!\n|$)|(?<!\r)\n/)
    if (bare === -1) {
      super.push(chunk, emit, to)
    } else {
      super.push(chunk.subarray(0, Math.max(0, bare - before.length)), emit, to)
      throw this.#bare()
    }
  }

  override end(to?: Reports): Buffer | undefined {
    if (this.endsInCr && this.rules.partial !== 'drop') throw this.#bare()
    return super.end(to)
  }

  #bare(): InvalidFrameError {
    return new InvalidFrameError('lines', 'a line has a CR or an LF that is not part of CR LF')
  }
}

/** Opens the blocks of one connection, for either plan. */
export function lineBlocks(rules: LineRules): LineBlocks {
  return rules.bare === 'error' ? new StrictBlocks(rules) : new LineBlocks(rules)
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
