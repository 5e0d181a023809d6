import { isUtf8 } from 'node:buffer'
import { FrameTooLongError, InvalidFrameError, type PeerError } from '../../errors.js'
import type { LineRules } from './line-rules.js'

const LF = 0x0a
const CR = 0x0d
const LF_ONLY = Buffer.from('\n')
const CR_LF = Buffer.from('\r\n')

/** What hears of a line that is left out; a controller, or a stream's way to tell. */
export interface Reporter {
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
  #pending: Buffer | undefined
  #pendingLength = 0
  /** How many lines were unfinished at the end of a chunk. */
  #unfinishedCount = 0
  /** The unfinished line is over the limit: `#pending` holds its beginning and, behind that, the last byte that came. */
  #overLimit = false

  constructor(rules: LineRules) {
    this.rules = rules
  }

  /** Takes a chunk and hands each block to `emit`. Throws a PeerError behind what is complete before it. */
  push(chunk: Buffer, emit: (block: Buffer) => void, reporter?: Reporter): void {
    const end = this.#lastEnd(chunk)
    if (end > 0) {
      let from = 0
      if (this.#pending !== undefined) {
        from = this.#firstEnd(chunk)
        this.#append(chunk.subarray(0, from - 1), emit, reporter)
        this.#finishPending(emit, reporter)
      }
      this.#emitComplete(chunk, from, end, emit, reporter)
    }
    if (end < chunk.length) this.#append(chunk.subarray(end), emit, reporter)
  }

  /** The number of the unfinished line; 0 where there is none. */
  unfinished(): number {
    return this.#pending === undefined ? 0 : this.#unfinishedCount
  }

  /** Takes the end of the input and returns the unfinished last line, if there is one to emit. */
  end(reporter?: Reporter): Buffer | undefined {
    const { limit, partial, finalCr } = this.rules
    if (this.#pending === undefined || partial === 'drop') return undefined
    if (partial === 'error') throw new InvalidFrameError('lines', 'the last line has no delimiter')
    const line = this.#pending.subarray(0, this.#pendingLength)
    if (this.#overLimit) return this.#truncated(line)
    if (line.length > limit) {
      this.#refuse(reporter)
      return this.#truncated(line)
    }
    if (finalCr === 'keep' || line.at(-1) !== CR) return line
    return line.length === 1 && finalCr !== 'strip' ? undefined : line.subarray(0, -1)
  }

  /** Whether the last byte that came is a CR of an unfinished line. */
  protected get endsInCr(): boolean {
    return this.#pending?.[this.#overLimit ? this.#pendingLength : this.#pendingLength - 1] === CR
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

  #append(bytes: Buffer, emit: (block: Buffer) => void, reporter: Reporter | undefined): void {
    const { limit, excludesCr, overflow, earlyRefusal } = this.rules
    const remainder = overflow === 'split' ? this.#split(bytes, emit) : bytes
    if (remainder.length === 0) return
    // A CR at the end may belong to the delimiter, which the limit does not count.
    const room = excludesCr ? limit + 1 : limit
    const added = remainder.subarray(0, room - this.#pendingLength)
    const needed = this.#pendingLength + added.length + 1
    let pending = this.#pending
    if (pending === undefined) this.#unfinishedCount++
    if (pending === undefined || pending.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(needed, Math.min(2 * this.#pendingLength, room + 1)))
      pending?.copy(larger, 0, 0, this.#pendingLength)
      this.#pending = pending = larger
    }
    added.copy(pending, this.#pendingLength)
    this.#pendingLength += added.length
    const isFull = added.length < remainder.length
    if (isFull || this.#contentLength(pending, 0, this.#pendingLength) > limit) {
      const isFirst = !this.#overLimit
      this.#overLimit = true
      pending[this.#pendingLength] = remainder[remainder.length - 1] as number
      if (earlyRefusal === 'at-limit' ? isFirst : earlyRefusal === 'past-delimiter' && isFull)
        this.#refuse(reporter)
    }
  }

  #finishPending(emit: (block: Buffer) => void, reporter: Reporter | undefined): void {
    const pending = this.#pending ?? Buffer.allocUnsafe(1)
    const length = this.#pendingLength
    const overLimit = this.#overLimit
    const hasCr = overLimit && this.endsInCr
    this.#pending = undefined
    this.#pendingLength = 0
    this.#overLimit = false
    if (overLimit) {
      if (this.rules.earlyRefusal !== 'at-limit') this.#refuse(reporter)
      this.#emitTruncated(pending.subarray(0, length), hasCr, emit)
    } else {
      pending[length] = LF
      emit(pending.subarray(0, length + 1))
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
    reporter: Reporter | undefined,
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
      const lf = this.#nextLf(chunk, at)
      if (this.#contentLength(chunk, at, lf) > limit) {
        if (start < at) emit(chunk.subarray(start, at))
        start = this.#emitOverLimit(chunk, at, lf, emit, reporter)
      }
      at = lf + 1
    }
    if (start < end) emit(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  /** Emits what `overflow` leaves of a line over the limit, and returns where what is not emitted begins. */
  #emitOverLimit(
    chunk: Buffer,
    at: number,
    lf: number,
    emit: (block: Buffer) => void,
    reporter: Reporter | undefined,
  ): number {
    if (this.rules.overflow === 'split') {
      // The delimiter counts here, so the last piece ends with it and is a line like any other.
      return lf - this.#split(chunk.subarray(at, lf), emit).length
    }
    this.#refuse(reporter)
    this.#emitTruncated(chunk.subarray(at, lf), chunk[lf - 1] === CR, emit)
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
    return end - from - (this.rules.excludesCr && end > from && bytes[end - 1] === CR ? 1 : 0)
  }

  /** Emits the bytes of an unfinished line in pieces of `maxLength`, and returns the rest of them. */
  #split(bytes: Buffer, emit: (block: Buffer) => void): Buffer {
    const { maxLength } = this.rules
    let from = 0
    if (this.#pending !== undefined) {
      from = maxLength - this.#pendingLength
      if (bytes.length < from) return bytes
      emit(Buffer.concat([this.#pending.subarray(0, this.#pendingLength), bytes.subarray(0, from)]))
      this.#pending = undefined
      this.#pendingLength = 0
    }
    for (; bytes.length - from >= maxLength; from += maxLength) emit(bytes.subarray(from, from + maxLength))
    return bytes.subarray(from)
  }

  #emitTruncated(line: Buffer, hasCr: boolean, emit: (block: Buffer) => void): void {
    const content = this.#truncated(line)
    if (content === undefined) return
    const { delimiter, keep } = this.rules
    // With '\r?\n' a cut line may end in a CR that is content, so it gets a CR of its own to be stripped.
    emit(Buffer.concat([content, delimiter === '\n' || (keep && !hasCr) ? LF_ONLY : CR_LF]))
  }

  /** What `overflow` leaves of a line over the limit. */
  #truncated(line: Buffer): Buffer | undefined {
    const { limit, overflow, encoding } = this.rules
    if (overflow !== 'truncate') return undefined
    return line.subarray(0, encoding === 'utf8' ? wholeCharacters(line, limit) : limit)
  }

  #refuse(reporter: Reporter | undefined): void {
    const { overflow, maxLength } = this.rules
    if (overflow === 'error') throw new FrameTooLongError('lines', 'line', maxLength)
    if (overflow === 'report') reporter?.report(new FrameTooLongError('lines', 'line', maxLength))
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
  override push(chunk: Buffer, emit: (block: Buffer) => void, reporter?: Reporter): void {
    const before = this.endsInCr ? '\r' : ''
    // A CR at the very end may still get its LF.
    const bare = (before + chunk.toString('latin1')).search(/\r(?!\n|$)|(?<!\r)\n/)
    if (bare === -1) {
      super.push(chunk, emit, reporter)
    } else {
      super.push(chunk.subarray(0, Math.max(0, bare - before.length)), emit, reporter)
      throw this.#bareError()
    }
  }

  override end(reporter?: Reporter): Buffer | undefined {
    if (this.endsInCr && this.rules.partial !== 'drop') throw this.#bareError()
    return super.end(reporter)
  }

  #bareError(): InvalidFrameError {
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
    const remainder = super.end()
    return remainder && this.#valid(remainder)
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
