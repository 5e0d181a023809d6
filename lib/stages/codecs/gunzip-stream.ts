import { Transform, type TransformCallback } from 'node:stream'
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib'
import { InvalidFrameError } from '../../errors.js'

const NAME = 'gunzip'

/** Flags of a header. */
const FHCRC = 0x02
const FEXTRA = 0x04
const FNAME = 0x08
const FCOMMENT = 0x10

/** What zlib makes in one step at most. */
const OUTPUT_CHUNK_BYTES = 16_384

/** From this much output on the ratio is judged: a short text of one character is no bomb. */
const RATIO_CHECK_MIN_BYTES = 65_536

/**
 * Reads gzip's own headers and trailers, and leaves to zlib what is between them. Node's Gunzip loses what it made
 * before a wrong trailer or header when that is in the same chunk, and takes zeros and then anything behind a member
 * for its end in one chunk, but not in two.
 */
export class GunzipStream extends Transform {
  readonly #limits: { readonly maxOutput: number; readonly maxRatio: number }
  readonly #fail: (error: unknown) => void
  /** Reads a header or a trailer byte by byte; between them there is `#inflate`. */
  #parser: Generator<undefined, void, number> | undefined
  #inflate: InflateRaw | undefined
  /** The deflate data are at their end. */
  #deflateEnded = false
  #checksum = 0
  #memberBytes = 0
  /** What the connection has had, but for what `#inflate` has read. */
  #inputBytes = 0
  #outputBytes = 0
  #failed = false
  /** Asks for the next chunk. */
  #resume: () => void = () => {}

  constructor(limits: { maxOutput: number; maxRatio: number }, fail: (error: unknown) => void) {
    super({ highWaterMark: OUTPUT_CHUNK_BYTES })
    this.#limits = limits
    this.#fail = fail
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#resume = callback
    this.#step(chunk)
  }

  override _flush(callback: TransformCallback): void {
    if (!this.#failed && (this.#inflate !== undefined || this.#parser !== undefined)) {
      this.#refuse(new InvalidFrameError(NAME, 'the input ends within a member'))
    }
    callback()
  }

  override _read(size: number): void {
    super._read(size)
    // zlib stops when this stream is full, and goes on when it is read.
    this.#inflate?._read(size)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#close()
    super._destroy(error, callback)
  }

  #step(chunk: Buffer): void {
    try {
      for (let at = 0; at < chunk.length && !this.#failed; at++) {
        if (this.#inflate !== undefined) {
          this.#decompress(this.#inflate, at === 0 ? chunk : chunk.subarray(at))
          return
        }
        this.#inputBytes++
        this.#read(chunk[at] as number)
      }
    } catch (error) {
      this.#refuse(error)
    }
    this.#resume()
  }

  #read(byte: number): void {
    this.#parser ??= started(readHeader())
    if (!this.#parser.next(byte).done) return
    this.#parser = undefined
    if (this.#deflateEnded) this.#deflateEnded = false
    else this.#open()
  }

  #open(): void {
    this.#checksum = 0
    this.#memberBytes = 0
    const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES })
    // Its own stream is not used: an error there would lose what waits in its buffer.
    inflate.push = (made: Buffer | null) => {
      if (made === null) this.#deflateEnded = true
      return made === null || this.#handOn(made, inflate)
    }
    inflate.on('error', ({ message }) => {
      this.#refuse(new InvalidFrameError(NAME, `its deflate data are broken, ${message}`))
      this.#resume()
    })
    this.#inflate = inflate
  }

  #decompress(inflate: InflateRaw, chunk: Buffer): void {
    const before = inflate.bytesWritten
    inflate._transform(chunk, 'latin1', () => {
      if (!this.#deflateEnded || this.#failed) {
        this.#resume()
        return
      }
      const read = inflate.bytesWritten - before
      this.#inputBytes += inflate.bytesWritten
      this.#close()
      this.#checkRatio(this.#inputBytes)
      this.#parser = started(readTrailer(this.#checksum, this.#memberBytes))
      this.#step(chunk.subarray(read))
    })
  }

  /** Hands on what zlib made, within the limits. False: it is to wait. */
  #handOn(made: Buffer, inflate: InflateRaw): boolean {
    const { maxOutput } = this.#limits
    const kept = made.subarray(0, maxOutput - this.#outputBytes)
    this.#checksum = crc32(made, this.#checksum)
    this.#memberBytes += made.length
    this.#outputBytes += kept.length
    const open = kept.length === 0 || this.push(kept)
    if (kept.length < made.length) {
      this.#refuse(new InvalidFrameError(NAME, `it holds more than ${maxOutput} bytes ('maxOutput')`))
    } else if (this.#memberBytes % OUTPUT_CHUNK_BYTES === 0) {
      // Between steps zlib may have read less of the input, or more, as that was cut.
      this.#checkRatio(this.#inputBytes + inflate.bytesWritten)
    }
    return open
  }

  #checkRatio(input: number): void {
    const { maxRatio } = this.#limits
    if (this.#outputBytes <= RATIO_CHECK_MIN_BYTES || this.#outputBytes <= maxRatio * input) return
    this.#refuse(new InvalidFrameError(NAME, `it holds more than ${maxRatio} times its length ('maxRatio')`))
  }

  #refuse(error: unknown): void {
    this.#failed = true
    this.#close()
    this.#fail(error)
  }

  #close(): void {
    this.#inflate?.destroy()
    this.#inflate = undefined
  }
}

/** Runs a reader up to where it waits for its first byte. */
function started<Reader extends Generator<undefined, void, number>>(reader: Reader): Reader {
  reader.next()
  return reader
}

/** Reads a member's header (RFC 1952 §2.3): its flags say what it has, and nobody needs what that is. */
function* readHeader(): Generator<undefined, void, number> {
  const byte = Buffer.alloc(1)
  let checksum = 0
  function* next(): Generator<undefined, number, number> {
    byte[0] = yield
    checksum = crc32(byte, checksum)
    return byte[0]
  }
  for (const [index, expected] of [0x1f, 0x8b, 0x08].entries()) {
    if ((yield* next()) === expected) continue
    throw new InvalidFrameError(NAME, index < 2 ? 'it is no gzip' : 'its compression method is not deflate')
  }
  const flags = yield* next()
  if (flags & 0xe0) throw new InvalidFrameError(NAME, 'its header has flags that are reserved')
  for (let count = 0; count < 6; count++) yield* next()
  if (flags & FEXTRA) {
    const length = (yield* next()) + 256 * (yield* next())
    for (let count = 0; count < length; count++) yield* next()
  }
  if (flags & FNAME) while ((yield* next()) !== 0);
  if (flags & FCOMMENT) while ((yield* next()) !== 0);
  if (flags & FHCRC) {
    const expected = checksum & 0xffff
    const found = (yield* next()) + 256 * (yield* next())
    if (found !== expected) throw new InvalidFrameError(NAME, "its header's checksum is wrong")
  }
}

/** Reads a member's trailer (RFC 1952 §2.3.1). */
function* readTrailer(checksum: number, length: number): Generator<undefined, void, number> {
  const trailer = Buffer.alloc(8)
  for (let index = 0; index < 8; index++) trailer[index] = yield
  if (trailer.readUInt32LE(0) !== checksum) throw new InvalidFrameError(NAME, 'its checksum is wrong')
  if (trailer.readUInt32LE(4) !== length % 0x1_0000_0000) {
    throw new InvalidFrameError(NAME, 'its length is wrong')
  }
}
