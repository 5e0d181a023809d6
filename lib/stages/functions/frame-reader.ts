import { FrameTooLongError, InvalidFrameError, StageError } from '../../errors.js'
import { asBuffer } from '../../kind.js'
import { showValue } from '../../options/show-value.js'
import { UnfinishedFrame } from '../frames/unfinished-frame.js'

/** The result of a method of a `FrameReader`: `yield*` waits for it, and gives its value. */
export interface Reading<Value> {
  [Symbol.iterator](): Iterator<undefined, Value, undefined>
}

/** The order of the bytes of an integer: first the highest (network order) or the lowest. */
export type ByteOrder = 'big' | 'little'

/**
 * Reads the bytes of one frame, in the generator function of `decode()`. Each method is called with `yield*`, and reads on
 * behind the bytes that were read before.
 */
export interface FrameReader {
  /** Reads exactly `length` bytes. A length that is no whole number from 0 on is the peer's `invalid-frame`. */
  bytes: (length: number) => Reading<Buffer>
  /** Reads up to a delimiter, and past it; gives the bytes in front of it. Text is UTF-8. */
  until: (delimiter: string | Uint8Array) => Reading<Buffer>
  /** Reads up to a line feed, and past it; gives the text in front of it as UTF-8, without a CR at its end. */
  line: () => Reading<string>
  /** Gives the next `length` bytes, 1 by default, which the next call reads again. */
  peek: (length?: number) => Reading<Buffer>
  uint8: () => Reading<number>
  int8: () => Reading<number>
  /** Reads an integer of 2 bytes, the highest first by default. */
  uint16: (order?: ByteOrder) => Reading<number>
  int16: (order?: ByteOrder) => Reading<number>
  /** Reads an integer of 3 bytes. */
  uint24: (order?: ByteOrder) => Reading<number>
  /** Reads an integer of 4 bytes. */
  uint32: (order?: ByteOrder) => Reading<number>
  int32: (order?: ByteOrder) => Reading<number>
  /** Reads an integer of 8 bytes. */
  uint64: (order?: ByteOrder) => Reading<bigint>
  int64: (order?: ByteOrder) => Reading<bigint>
}

const LF = Buffer.from('\n')
const CR_BYTE = 0x0d
const EMPTY: Buffer = Buffer.alloc(0)

type Value = Buffer | string | number | bigint
type Read = (bytes: Buffer, from: number, to: number) => Value
type ByOrder = Readonly<Record<ByteOrder, Read>>

const view: Read = (bytes, from, to) => bytes.subarray(from, to)
const textLine: Read = (bytes, from, to) =>
  bytes.toString('utf8', from, to > from && bytes[to - 1] === CR_BYTE ? to - 1 : to)

const readUint8: Read = (bytes, at) => bytes[at] as number
const readInt8: Read = (bytes, at) => bytes.readInt8(at)

const UINT16: ByOrder = { big: (b, at) => b.readUInt16BE(at), little: (b, at) => b.readUInt16LE(at) }
const INT16: ByOrder = { big: (b, at) => b.readInt16BE(at), little: (b, at) => b.readInt16LE(at) }
const UINT24: ByOrder = { big: (b, at) => b.readUIntBE(at, 3), little: (b, at) => b.readUIntLE(at, 3) }
const UINT32: ByOrder = { big: (b, at) => b.readUInt32BE(at), little: (b, at) => b.readUInt32LE(at) }
const INT32: ByOrder = { big: (b, at) => b.readInt32BE(at), little: (b, at) => b.readInt32LE(at) }
const UINT64: ByOrder = { big: (b, at) => b.readBigUInt64BE(at), little: (b, at) => b.readBigUInt64LE(at) }
const INT64: ByOrder = { big: (b, at) => b.readBigInt64BE(at), little: (b, at) => b.readBigInt64LE(at) }

/** The delimiters that were given as text, as bytes. A protocol has few; a text that is made for each frame is not kept. */
const MAX_DELIMITERS = 64
const delimiters = new Map<string, Buffer>()

function delimiterOf(text: string): Buffer {
  let bytes = delimiters.get(text)
  if (bytes === undefined) {
    bytes = Buffer.from(text)
    if (delimiters.size < MAX_DELIMITERS) delimiters.set(text, bytes)
  }
  return bytes
}

type Result = { done: boolean; value: unknown }

/**
 * The reader of one connection: an iterator that is done with each value that it reads, and gives undefined while bytes are
 * missing. A frame that lies in one chunk is read from there; one that is cut is copied once, so that its bytes stay.
 */
export class BufferedReader implements FrameReader, Iterator<undefined, unknown, undefined> {
  readonly #stage: string
  readonly #maxLength: number
  /** The bytes that are read: of the chunk, or of the frame that has begun in an earlier one. */
  #bytes = EMPTY
  /** Where the frame begins in them, and how far it is read. */
  #start = 0
  #at = 0
  /** The frame that has begun in an earlier chunk. */
  #unfinished: UnfinishedFrame | undefined
  /** The function that makes the next value; undefined between two reads. */
  #read: Read | undefined
  /** The number of bytes to read next; undefined where they go up to a delimiter. */
  #length: number | undefined
  #delimiter = EMPTY
  #isPeek = false
  /** Up to here no delimiter ends. */
  #searched = 0
  readonly #result: Result = { done: true, value: undefined }

  constructor(stage: string, maxLength: number) {
    this.#stage = stage
    this.#maxLength = maxLength
  }

  // FrameReader

  bytes(length: number): Reading<Buffer> {
    return this.#begin(view, length)
  }

  until(delimiter: string | Uint8Array): Reading<Buffer> {
    const bytes = typeof delimiter === 'string' ? delimiterOf(delimiter) : asBuffer('bytes', delimiter)
    if (bytes === undefined || bytes.length === 0) {
      throw new StageError(
        this.#stage,
        `calls until() with ${showValue(delimiter)}. It takes text or bytes that are not empty.`,
      )
    }
    return this.#beginUntil(view, bytes)
  }

  line(): Reading<string> {
    return this.#beginUntil(textLine, LF)
  }

  peek(length = 1): Reading<Buffer> {
    const reading = this.#begin<Buffer>(view, length)
    this.#isPeek = true
    return reading
  }

  uint8(): Reading<number> {
    return this.#begin(readUint8, 1)
  }

  int8(): Reading<number> {
    return this.#begin(readInt8, 1)
  }

  uint16(order: ByteOrder = 'big'): Reading<number> {
    return this.#begin(UINT16[order], 2)
  }

  int16(order: ByteOrder = 'big'): Reading<number> {
    return this.#begin(INT16[order], 2)
  }

  uint24(order: ByteOrder = 'big'): Reading<number> {
    return this.#begin(UINT24[order], 3)
  }

  uint32(order: ByteOrder = 'big'): Reading<number> {
    return this.#begin(UINT32[order], 4)
  }

  int32(order: ByteOrder = 'big'): Reading<number> {
    return this.#begin(INT32[order], 4)
  }

  uint64(order: ByteOrder = 'big'): Reading<bigint> {
    return this.#begin(UINT64[order], 8)
  }

  int64(order: ByteOrder = 'big'): Reading<bigint> {
    return this.#begin(INT64[order], 8)
  }

  // What `yield*` calls

  [Symbol.iterator](): this {
    return this
  }

  next(): IteratorResult<undefined, unknown> {
    const result = this.#result
    const read = this.#read
    if (read === undefined) throw new StageError(this.#stage, 'reads the same value twice.')
    const end = this.#findEnd()
    result.done = end !== -1
    if (end === -1) {
      result.value = undefined
    } else {
      result.value = read(this.#bytes, this.#at, end)
      if (!this.#isPeek) this.#at = this.#length === undefined ? end + this.#delimiter.length : end
      this.#read = undefined
    }
    return result as IteratorResult<undefined, unknown>
  }

  // Called by the decoder

  /** Whether a value is asked for, and not read yet. */
  get isAsked(): boolean {
    return this.#read !== undefined
  }

  /** Whether bytes of the frame are kept for the next chunk. */
  get isUnfinished(): boolean {
    return this.#unfinished !== undefined
  }

  /** Whether there are bytes that no frame has read. */
  get hasMore(): boolean {
    return this.#at < this.#bytes.length
  }

  /** Takes a chunk where no frame has begun. */
  take(chunk: Buffer): void {
    this.#bytes = chunk
    this.#start = 0
    this.#at = 0
  }

  /**
   * Takes what the frame that has begun needs of a chunk, from a place on, and returns the place behind it. More than what is
   * asked for is not taken, since the rest is of the next frame; how much that is shows as it comes.
   */
  takeMore(chunk: Buffer, from: number): number {
    const unfinished = this.#unfinished as UnfinishedFrame
    const to = Math.min(chunk.length, this.#endOfNeed(chunk, from))
    unfinished.append(chunk.subarray(from, to), this.#maxLength)
    this.#bytes = unfinished.bytes
    return to
  }

  /** Ends a frame. The next one begins behind it. */
  endFrame(): void {
    this.#checkAsked()
    if (this.#at === this.#start) throw new StageError(this.#stage, 'returned without having read a byte.')
    if (this.#unfinished === undefined) {
      this.#start = this.#at
    } else {
      this.#unfinished = undefined
      this.take(this.#bytes.subarray(this.#at))
    }
  }

  /** Keeps the bytes of the frame that has begun, at the end of a chunk. */
  keep(): void {
    if (this.#unfinished !== undefined) return
    const unfinished = new UnfinishedFrame()
    unfinished.append(this.#bytes.subarray(this.#start), this.#maxLength)
    this.#unfinished = unfinished
    this.#at -= this.#start
    this.#searched -= this.#start
    this.#start = 0
    this.#bytes = unfinished.bytes
  }

  /** Drops a chunk that was read to its end. */
  release(): void {
    this.take(EMPTY)
  }

  #begin<Each extends Value>(read: Read | undefined, length: number): Reading<Each> {
    this.#checkAsked()
    if (read === undefined) {
      throw new StageError(this.#stage, "reads an integer in an order that is neither 'big' nor 'little'.")
    }
    if (typeof length !== 'number') {
      throw new StageError(this.#stage, `reads ${showValue(length)} bytes. Give a number.`)
    }
    if (!Number.isInteger(length) || length < 0) {
      throw new InvalidFrameError(this.#stage, `it has a length of ${length}`)
    }
    if (this.#at - this.#start + length > this.#maxLength) this.#exceed()
    this.#read = read
    this.#length = length
    this.#isPeek = false
    return this as unknown as Reading<Each>
  }

  #beginUntil<Each extends Value>(read: Read, delimiter: Buffer): Reading<Each> {
    this.#checkAsked()
    this.#read = read
    this.#length = undefined
    this.#delimiter = delimiter
    this.#isPeek = false
    this.#searched = this.#at
    return this as unknown as Reading<Each>
  }

  #checkAsked(): void {
    if (this.#read !== undefined) {
      throw new StageError(
        this.#stage,
        "calls a method of its reader without 'yield*', as in 'yield* read.line()'.",
      )
    }
  }

  /** Where the value that is asked for ends; -1 while bytes are missing. */
  #findEnd(): number {
    if (this.#length !== undefined) {
      const end = this.#at + this.#length
      return end <= this.#bytes.length ? end : -1
    }
    const delimiter = this.#delimiter
    const from = Math.max(this.#at, this.#searched - delimiter.length + 1)
    const end =
      delimiter.length === 1
        ? this.#bytes.indexOf(delimiter[0] as number, from)
        : this.#bytes.indexOf(delimiter, from)
    this.#searched = this.#bytes.length
    const length = (end === -1 ? this.#bytes.length + 1 : end + delimiter.length) - this.#start
    if (length > this.#maxLength) this.#exceed()
    return end
  }

  /** Where what is asked for ends in a chunk that goes on behind the bytes of the frame, or the chunk's end. */
  #endOfNeed(chunk: Buffer, from: number): number {
    if (this.#length !== undefined) return from + this.#at + this.#length - this.#bytes.length
    const delimiter = this.#delimiter
    const straddling = this.#endOfStraddling(chunk, from)
    if (straddling !== -1) return straddling
    const found = chunk.indexOf(delimiter, from)
    return found === -1 ? chunk.length : found + delimiter.length
  }

  /** Where a delimiter ends that begins in the bytes of the frame, and goes on in a chunk; -1 if none does. */
  #endOfStraddling(chunk: Buffer, from: number): number {
    const bytes = this.#bytes
    const delimiter = this.#delimiter
    for (let count = 1; count < delimiter.length; count++) {
      const begin = bytes.length - delimiter.length + count
      const isBegun = begin >= this.#at && startsAt(bytes, begin, delimiter, 0)
      if (isBegun && startsAt(chunk.subarray(0, from + count), from, delimiter, delimiter.length - count)) {
        return from + count
      }
    }
    return -1
  }

  #exceed(): never {
    throw new FrameTooLongError(this.#stage, 'frame', this.#maxLength)
  }
}

/** Whether the bytes from a place on, to their end, are those that a delimiter has from a place on. */
function startsAt(bytes: Buffer, at: number, delimiter: Buffer, from: number): boolean {
  return delimiter.compare(bytes, at, bytes.length, from, from + bytes.length - at) === 0
}
