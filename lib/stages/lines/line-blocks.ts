import { isUtf8 } from 'node:buffer'
import { type Fault, FrameTooLongError, InvalidFrameError } from '../../errors.js'
import type { LineRules } from './line-rules.js'

const LF = 0x0a
const CR = 0x0d
const LF_ONLY = Buffer.from('\n')
const CR_LF = Buffer.from('\r\n')

/** Receiver of errors that do not end the connection: a stage's controller, or what the engine hands to a stream. */
export interface Reporter {
  readonly report: (fault: Fault) => void
}

/**
 * Cuts the bytes of one connection into blocks of complete lines that are within the limit. On both plans `lines()`
 * only has to split and decode these blocks: limit, overflow and the last line are dealt with here, on bytes. Only with
 * `overflow: 'split'` may a block be a piece of a line, without a delimiter.
 *
 * Takes linear time however the input is cut: the bytes of an unfinished line are copied into a buffer that grows by
 * doubling, and never holds more than `maxLength` + 2 of them.
 */
export class LineBlocks {
  protected readonly rules: LineRules
  /** Bytes of the unfinished line; undefined while there is none, so that an idle connection holds no buffer. */
  #pending: Buffer | undefined
  /** Number of bytes of the unfinished line that are in `#pending`. */
  #pendingLength = 0
  /** Count of lines that were unfinished at the end of a chunk, so that each has a number of its own. */
  #unfinishedCount = 0
  /**
   * Whether the unfinished line is over the limit: `#pending` then holds its beginning, and behind it the latest byte.
   */
  #overLimit = false

  constructor(rules: LineRules) {
    this.rules = rules
  }

  /**
   * Takes a chunk and hands each block to `emit`. Throws a PeerError after the lines in front of the fault are emitted.
   */
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

  /** The number of the unfinished line, as for a transformer's `unfinished`; 0 where there is none. */
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

  /** Whether the latest byte is a CR of an unfinished line. */
  protected get endsInCr(): boolean {
    return this.#pending?.[this.#overLimit ? this.#pendingLength : this.#pendingLength - 1] === CR
  }

  /** End of the first delimiter of the chunk, which has one; the CR of a CR LF may have come in an earlier chunk. */
  #firstEnd(chunk: Buffer): number {
    if (this.rules.delimiter !== '\r\n') return chunk.indexOf(LF) + 1
    return chunk[0] === LF && this.endsInCr ? 1 : chunk.indexOf(CR_LF) + 2
  }

  /** End of the last delimiter of the chunk; 0 where there is none. */
  #lastEnd(chunk: Buffer): number {
    const { length } = chunk
    if (this.rules.delimiter !== '\r\n') return chunk[length - 1] === LF ? length : chunk.lastIndexOf(LF) + 1
    const at = chunk.lastIndexOf(CR_LF)
    return at !== -1 ? at + 2 : chunk[0] === LF && this.endsInCr ? 1 : 0
  }

  /** Adds bytes without a delimiter to the unfinished line, up to the limit. */
  #append(bytes: Buffer, emit: (block: Buffer) => void, reporter: Reporter | undefined): void {
    const { limit, excludesCr, overflow, earlyRefusal } = this.rules
    const remainder = overflow === 'split' ? this.#split(bytes, emit) : bytes
    if (remainder.length === 0) return
    // The last byte may be the CR of a delimiter, which the limit does not count.
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

  /** Emits the unfinished line, once everything in front of its LF has been appended. */
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
   * Emits the complete lines from `from` to `end`, as one block unless some are over the limit. From one delimiter it
   * goes directly to the last one within the limit, which takes about one search for each `maxLength` bytes, and not
   * one for each line.
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

  /** Emits what `overflow` leaves of the line from `at` to `lf`, and returns where the next block begins. */
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

  /** The end of the last LF, or CR LF, that begins at `place` or before; 0 where there is none. */
  #endWithin(chunk: Buffer, place: number): number {
    if (this.rules.delimiter !== '\r\n') return chunk.lastIndexOf(LF, place) + 1
    const at = chunk.lastIndexOf(CR_LF, place)
    return at === -1 ? 0 : at + 2
  }

  /** Position of the LF of the first delimiter from `at` on. There is one. */
  #nextLf(chunk: Buffer, at: number): number {
    return this.rules.delimiter !== '\r\n' ? chunk.indexOf(LF, at) : chunk.indexOf(CR_LF, at) + 1
  }

  /** Number of bytes from `from` to `end` that the limit counts. */
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

  /** Emits a line over the limit as `overflow` leaves it, if it does; `hasCr` says whether its delimiter has a CR. */
  #emitTruncated(line: Buffer, hasCr: boolean, emit: (block: Buffer) => void): void {
    const content = this.#truncated(line)
    if (content === undefined) return
    const { delimiter, keep } = this.rules
    // With '\r?\n' a truncated line may end in a CR that is content. The CR of this CR LF is stripped in its place.
    emit(Buffer.concat([content, delimiter === '\n' || (keep && !hasCr) ? LF_ONLY : CR_LF]))
  }

  /** The part of a line over the limit that `overflow` leaves; undefined where it leaves none. */
  #truncated(line: Buffer): Buffer | undefined {
    const { limit, overflow, encoding } = this.rules
    if (overflow !== 'truncate') return undefined
    return line.subarray(0, encoding === 'utf8' ? wholeCharacters(line, limit) : limit)
  }

  /** Throws or reports that a line is too long, as `overflow` says. */
  #refuse(reporter: Reporter | undefined): void {
    const { overflow, maxLength } = this.rules
    if (overflow !== 'error' && overflow !== 'report') return
    const error = () => new FrameTooLongError('lines', 'line', maxLength)
    if (overflow === 'error') throw error()
    reporter?.report(error)
  }
}

/** The largest length, up to `length`, at which no UTF-8 character is cut. */
function wholeCharacters(text: Buffer, length: number): number {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = text[length - back] as number
    if (byte < 0x80) return length
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? length - back : length
  }
  return length
}

/** Line blocks for `bare: 'error'`: a CR or an LF without the other ends the connection, behind the lines before it. */
export class StrictBlocks extends LineBlocks {
  override push(chunk: Buffer, emit: (block: Buffer) => void, reporter?: Reporter): void {
    const before = this.endsInCr ? '\r' : ''
    // The LF of a CR at the end of the chunk may still come.
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

/** Makes the line blocks of one connection, for either plan. */
export function lineBlocks(rules: LineRules): LineBlocks {
  return rules.bare === 'error' ? new StrictBlocks(rules) : new LineBlocks(rules)
}

/**
 * Line blocks as the encoder would write their lines: each line ends with LF alone, and bytes that are not UTF-8 have
 * become U+FFFD. With these the fused plan needs neither to decode nor to encode.
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

  /** A block without the CRs of its delimiters. */
  #plain(block: Buffer): Buffer {
    const { delimiter } = this.rules
    const valid = this.#valid(block)
    // The search for a byte takes a tenth of the time of one for a text.
    if (delimiter === '\n' || !valid.includes(CR) || !valid.includes('\r\n')) return valid
    return Buffer.from(valid.toString('latin1').replaceAll('\r\n', '\n'), 'latin1')
  }

  /** Text with U+FFFD for bytes that are not UTF-8; with encoding latin1 as it came. */
  #valid(text: Buffer): Buffer {
    return this.rules.encoding === 'latin1' || isUtf8(text) ? text : Buffer.from(text.toString())
  }
}
