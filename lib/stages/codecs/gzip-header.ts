import { crc32 } from 'node:zlib'
import { InvalidFrameError } from '../../errors.js'

/** Flags of a header (RFC 1952 §2.3.1). */
const FHCRC = 0x02
const FEXTRA = 0x04
const FNAME = 0x08
const FCOMMENT = 0x10
const RESERVED = 0xe0

/** The parts of a header, in their order. */
const FIXED = 0
const EXTRA_LENGTH = 1
const EXTRA = 2
const NAME = 3
const COMMENT = 4
const CHECKSUM = 5
const DONE = 6

/** The flag that announces each part. */
const FLAGS = [0, FEXTRA, FEXTRA, FNAME, FCOMMENT, FHCRC]
/** The number of bytes of each part that has a fixed one. */
const LENGTHS = [10, 2, 0, 0, 0, 2]

/** First bytes of a header. */
const MAGIC = [0x1f, 0x8b, 0x08]

/**
 * Reader of a member's header (RFC 1952 §2.3), which may come in any pieces: checks it, and skips the optional fields. It
 * reads a field at a time, and not byte by byte, since a client may send a name of any length up to the limit.
 */
export class GzipHeader {
  readonly #stage: string
  readonly #maxLength: number
  readonly #fixed = Buffer.alloc(10)
  #part = FIXED
  /** Bytes of the part that have come. */
  #partLength = 0
  /** Bytes of the header that have come. */
  #length = 0
  #flags = 0
  /** The little-endian number of the part, if it is one. */
  #number = 0
  #extraLength = 0
  #checksum = 0

  /** @param stage - Name of the stage, for errors. @param maxLength - Limit of a header, in bytes. */
  constructor(stage: string, maxLength: number) {
    this.#stage = stage
    this.#maxLength = maxLength
  }

  /** Whether a byte of a header has come. */
  get hasBegun(): boolean {
    return this.#length > 0
  }

  /** Begins with the next header. */
  reset(): void {
    this.#part = FIXED
    this.#partLength = 0
    this.#length = 0
  }

  /** Reads on at a place of a chunk, and returns the place behind what it has read; -1 while it needs another chunk. */
  read(chunk: Buffer, from: number): number {
    let at = from
    while (this.#part < DONE) {
      if (at === chunk.length) return -1
      const end = this.#endOfPart(chunk, at)
      this.#length += end - at
      if (this.#length > this.#maxLength) {
        throw this.#invalid(`its header is longer than ${this.#maxLength} bytes ('maxHeader')`)
      }
      this.#take(chunk, at, end)
      at = end
    }
    return at
  }

  /** The place behind the part under way, or the end of the chunk if the part goes on. */
  #endOfPart(chunk: Buffer, at: number): number {
    if (this.#part === NAME || this.#part === COMMENT) {
      const zero = chunk.indexOf(0, at)
      return zero === -1 ? chunk.length : zero + 1
    }
    return Math.min(at + this.#wanted - this.#partLength, chunk.length)
  }

  get #wanted(): number {
    return this.#part === EXTRA ? this.#extraLength : (LENGTHS[this.#part] as number)
  }

  /** Takes bytes of the part under way, and goes on to the next part behind its last. */
  #take(chunk: Buffer, at: number, end: number): void {
    if (this.#part === FIXED) this.#takeFixed(chunk, at, end)
    else if (this.#part === EXTRA_LENGTH || this.#part === CHECKSUM) this.#takeNumber(chunk, at, end)
    if (this.#flags & FHCRC && this.#part !== FIXED && this.#part !== CHECKSUM) {
      this.#checksum = crc32(chunk.subarray(at, end), this.#checksum)
    }
    this.#partLength += end - at
    const isText = this.#part === NAME || this.#part === COMMENT
    if (isText ? chunk[end - 1] === 0 : this.#partLength === this.#wanted) this.#finishPart()
  }

  #takeFixed(chunk: Buffer, from: number, end: number): void {
    for (let at = from, index = this.#partLength; at < end; at++, index++) {
      const byte = chunk[at] as number
      this.#fixed[index] = byte
      if (index < MAGIC.length && byte !== MAGIC[index]) {
        throw this.#invalid(index < 2 ? 'it is no gzip' : 'its compression method is not deflate')
      }
      if (index === 3 && byte & RESERVED) throw this.#invalid('its header has flags that are reserved')
    }
  }

  #takeNumber(chunk: Buffer, from: number, end: number): void {
    for (let at = from, index = this.#partLength; at < end; at++, index++) {
      this.#number += (chunk[at] as number) << (8 * index)
    }
  }

  #finishPart(): void {
    if (this.#part === FIXED) {
      this.#flags = this.#fixed[3] as number
      if (this.#flags & FHCRC) this.#checksum = crc32(this.#fixed)
    } else if (this.#part === EXTRA_LENGTH) {
      this.#extraLength = this.#number
    } else if (this.#part === CHECKSUM && this.#number !== (this.#checksum & 0xffff)) {
      throw this.#invalid("its header's checksum is wrong")
    }
    this.#partLength = 0
    this.#number = 0
    do this.#part++
    while (this.#part < DONE && !(this.#flags & (FLAGS[this.#part] as number)))
  }

  #invalid(what: string): InvalidFrameError {
    return new InvalidFrameError(this.#stage, what)
  }
}
