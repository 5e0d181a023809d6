import { Transform, type TransformCallback } from 'node:stream'
import { constants, crc32, createInflateRaw, type InflateRaw } from 'node:zlib'
import { InvalidFrameError } from '../../errors.js'
import { GzipHeader } from './gzip-header.js'

/** Name of the stage, for errors. */
const NAME = 'gunzip'

/** The most output that zlib makes in one step. */
export const STEP_BYTES = 16_384

/** Output up to which `maxRatio` is not checked: a short text of one repeated character is no bomb. */
const RATIO_CHECK_MIN_BYTES = 65_536

const TRAILER_BYTES = 8

/** Limits of a connection, as the options of the stage have them. */
export interface GunzipLimits {
  readonly maxOutput: number
  readonly maxRatio: number
  readonly maxHeader: number
  readonly maxMembers: number
}

/** The inside of Node's stream for zlib, which all versions have. */
interface NativeInflate extends InflateRaw {
  readonly _handle: {
    /** Decompresses one step, in this thread. */
    readonly writeSync: (
      flush: number,
      input: Buffer,
      inputAt: number,
      inputLength: number,
      output: Buffer,
      outputAt: number,
      outputLength: number,
    ) => void
    /** Called by `writeSync` when the data are broken. */
    onerror: (message: string) => void
  }
  /** The rest behind `writeSync`: room in the output, and bytes of the input. */
  readonly _writeState: Readonly<Uint32Array>
}

/** Output of a step, until it is copied: one for all connections. */
let scratch: Buffer | undefined

/**
 * Decompressor of one connection. It reads the headers and trailers of gzip members itself and leaves only the deflate
 * data between them to zlib, since Node's Gunzip depends on how the input is cut: when a wrong header or trailer is in
 * the same chunk, it loses the output before it, and in one chunk, but not in two, it takes zeros followed by anything
 * behind a member for the end of the input.
 *
 * zlib runs in this thread, in steps, by Node's native handle: one that is opened for each member, and a step that goes
 * through the thread pool, take up to a hundred times as long as a small member itself.
 *
 * A fault ends the connection through `fail`, behind the output before it.
 */
export class GunzipStream extends Transform {
  readonly #limits: GunzipLimits
  readonly #fail: (error: unknown) => void
  readonly #header: GzipHeader
  readonly #trailer = Buffer.alloc(TRAILER_BYTES)
  #trailerLength = 0
  /** The part of a member that the next byte belongs to. Behind the last member there may be zeros, the padding of a block device. */
  #part: 'header' | 'deflate' | 'trailer' | 'padding' = 'header'
  /** zlib, from the first member on. */
  #inflate: NativeInflate | undefined
  /** The message of zlib about broken deflate data. */
  #broken: string | undefined
  /** Whether zlib may have more output of the input that it has read. */
  #hasMore = false
  /** Members that have begun. */
  #members = 0
  /** CRC-32 of the member's output so far. */
  #checksum = 0
  /** Output of the member so far. */
  #memberBytes = 0
  /** Input of the connection so far. */
  #inputBytes = 0
  /** Output of the connection so far. */
  #outputBytes = 0
  /** Output that was not handed on yet: that of short members goes on together. */
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #failed = false
  /** Whether this stream is full: what is left of the chunk waits until it is read. */
  #isFull = false
  #rest: Buffer | undefined
  /** The callback of `_transform`: asks for the next chunk. */
  #resume!: () => void

  constructor(limits: GunzipLimits, fail: (error: unknown) => void) {
    // One chunk may wait on each side: a mark of bytes would be reached by thousands of chunks of one byte.
    super({ writableHighWaterMark: 1, readableHighWaterMark: 1 })
    this.#limits = limits
    this.#fail = fail
    this.#header = new GzipHeader(NAME, limits.maxHeader)
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#resume = callback
    this.#readChunk(chunk)
  }

  override _flush(callback: TransformCallback): void {
    const isWhole = this.#part === 'padding' || (this.#part === 'header' && !this.#header.hasBegun)
    if (!this.#failed && !isWhole) {
      this.#refuse(new InvalidFrameError(NAME, 'the input ends within a member'))
    }
    callback()
  }

  override _read(size: number): void {
    super._read(size)
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    this.#readChunk(rest)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#close()
    super._destroy(error, callback)
  }

  /** Reads a chunk, until it is read or this stream is full. */
  #readChunk(chunk: Buffer): void {
    let at = 0
    this.#isFull = false
    try {
      while ((at < chunk.length || this.#hasMore) && !this.#isFull && !this.#failed)
        at = this.#readPart(chunk, at)
      this.#pushGathered()
    } catch (error) {
      this.#refuse(error)
    }
    if (!this.#failed && (at < chunk.length || this.#hasMore)) this.#rest = chunk.subarray(at)
    else this.#resume()
  }

  /** Reads the part under way as far as the chunk has it, and returns where to go on. */
  #readPart(chunk: Buffer, at: number): number {
    if (this.#part === 'deflate') return this.#step(this.#inflate as NativeInflate, chunk, at)
    const end =
      this.#part === 'trailer'
        ? this.#readTrailer(chunk, at)
        : this.#part === 'header' && !this.#isPadding(chunk[at])
          ? this.#readHeader(chunk, at)
          : readPadding(chunk, at)
    this.#inputBytes += end - at
    return end
  }

  /** Whether a byte in place of a header begins the padding. */
  #isPadding(byte: number | undefined): boolean {
    if (byte !== 0 || this.#members === 0 || this.#header.hasBegun) return false
    this.#part = 'padding'
    return true
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (!this.#header.hasBegun && ++this.#members > this.#limits.maxMembers) {
      throw new InvalidFrameError(NAME, `it has more than ${this.#limits.maxMembers} members ('maxMembers')`)
    }
    const end = this.#header.read(chunk, at)
    if (end === -1) return chunk.length
    this.#header.reset()
    this.#part = 'deflate'
    this.#checksum = 0
    this.#memberBytes = 0
    if (this.#inflate === undefined) this.#open()
    else this.#inflate.reset()
    return end
  }

  #open(): void {
    const inflate = createInflateRaw() as NativeInflate
    inflate._handle.onerror = message => {
      this.#broken = message
    }
    this.#inflate = inflate
  }

  /** Lets zlib make a step, and hands on what it made. */
  #step(inflate: NativeInflate, chunk: Buffer, at: number): number {
    // Steps end at the same places of a member however the input is cut: there `maxRatio` is checked.
    const room = STEP_BYTES - (this.#memberBytes % STEP_BYTES)
    scratch ??= Buffer.allocUnsafeSlow(STEP_BYTES)
    inflate._handle.writeSync(constants.Z_NO_FLUSH, chunk, at, chunk.length - at, scratch, 0, room)
    if (this.#broken !== undefined) {
      throw new InvalidFrameError(NAME, `its deflate data are broken, ${this.#broken}`)
    }
    const [roomLeft, inputLeft] = inflate._writeState as unknown as [number, number]
    const end = chunk.length - inputLeft
    this.#inputBytes += end - at
    this.#hasMore = roomLeft === 0
    if (roomLeft < room) this.#handOn(Buffer.from(scratch.subarray(0, room - roomLeft)))
    if (inputLeft > 0 && roomLeft > 0) {
      // zlib wants no more, so these are the bytes behind the deflate data.
      this.#checkRatio()
      this.#part = 'trailer'
    }
    return end
  }

  /** Hands on what zlib made, within the limits. */
  #handOn(made: Buffer): void {
    const { maxOutput } = this.#limits
    const kept = made.subarray(0, maxOutput - this.#outputBytes)
    this.#checksum = crc32(made, this.#checksum)
    this.#memberBytes += made.length
    this.#outputBytes += kept.length
    this.#gather(kept)
    if (kept.length < made.length) {
      throw new InvalidFrameError(NAME, `it holds more than ${maxOutput} bytes ('maxOutput')`)
    }
    if (this.#memberBytes % STEP_BYTES === 0) this.#checkRatio()
  }

  /** Keeps output until the end of the chunk, or until there is as much as a step makes. */
  #gather(made: Buffer): void {
    if (this.#gatheredBytes + made.length > STEP_BYTES) this.#pushGathered()
    this.#gathered.push(made)
    this.#gatheredBytes += made.length
  }

  #pushGathered(): void {
    if (this.#gatheredBytes === 0) return
    const gathered = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#isFull = !this.push(gathered.length === 1 ? gathered[0] : Buffer.concat(gathered))
  }

  /** Refuses output over `maxRatio` times the input so far. */
  #checkRatio(): void {
    const { maxRatio } = this.#limits
    if (this.#outputBytes <= RATIO_CHECK_MIN_BYTES || this.#outputBytes <= maxRatio * this.#inputBytes) return
    throw new InvalidFrameError(NAME, `it holds more than ${maxRatio} times its length ('maxRatio')`)
  }

  /** Reads the trailer of a member (RFC 1952 §2.3.1), and checks it. */
  #readTrailer(chunk: Buffer, from: number): number {
    const end = Math.min(from + TRAILER_BYTES - this.#trailerLength, chunk.length)
    for (let at = from; at < end; at++) this.#trailer[this.#trailerLength++] = chunk[at] as number
    if (this.#trailerLength < TRAILER_BYTES) return end
    this.#trailerLength = 0
    if (this.#trailer.readUInt32LE(0) !== this.#checksum) {
      throw new InvalidFrameError(NAME, 'its checksum is wrong')
    }
    if (this.#trailer.readUInt32LE(4) !== this.#memberBytes % 0x1_0000_0000) {
      throw new InvalidFrameError(NAME, 'its length is wrong')
    }
    this.#part = 'header'
    return end
  }

  /** Ends the connection with an error, behind the output so far. */
  #refuse(error: unknown): void {
    this.#failed = true
    this.#hasMore = false
    this.#close()
    this.#pushGathered()
    this.#fail(error)
  }

  #close(): void {
    this.#inflate?.destroy()
    this.#inflate = undefined
  }
}

/** Reads the zeros that may follow the last member, and returns the end of the chunk. */
function readPadding(chunk: Buffer, from: number): number {
  for (let at = from; at < chunk.length; at++) {
    if (chunk[at] !== 0)
      throw new InvalidFrameError(NAME, 'something follows the zeros behind its last member')
  }
  return chunk.length
}
