import { Transform, type TransformCallback } from 'node:stream'
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib'
import { InvalidFrameError } from '../../errors.js'

/** Name of the stage, for errors. */
const NAME = 'gunzip'

/** Flags of a member's header (RFC 1952 §2.3.1). */
const FHCRC = 0x02
const FEXTRA = 0x04
const FNAME = 0x08
const FCOMMENT = 0x10

/** The most output that zlib makes in one step. */
const OUTPUT_CHUNK_BYTES = 16_384

/** Output up to which `maxRatio` is not checked: a short text of one repeated character is no bomb. */
const RATIO_CHECK_MIN_BYTES = 65_536

/**
 * Decompressor of one connection. It reads the headers and trailers of gzip members itself and leaves only the deflate
 * data between them to zlib, since Node's Gunzip depends on how the input is cut: when a wrong header or trailer is in
 * the same chunk, it loses the output before it, and in one chunk, but not in two, it takes zeros followed by anything
 * behind a member for the end of the input.
 *
 * A fault ends the connection through `fail`, behind the output before it.
 */
export class GunzipStream extends Transform {
  readonly #limits: { readonly maxOutput: number; readonly maxRatio: number }
  readonly #fail: (error: unknown) => void
  /** Parser of the header or trailer under way, which takes it byte by byte. */
  #parser: Generator<undefined, void, number> | undefined
  /** Decompressor of the deflate data under way. */
  #inflate: InflateRaw | undefined
  /** Whether the deflate data of the member have ended, so that its trailer comes next. */
  #deflateEnded = false
  /** CRC-32 of the member's output so far. */
  #checksum = 0
  /** Output of the member so far. */
  #memberBytes = 0
  /** Input of the connection so far, without what `#inflate` has read. */
  #inputBytes = 0
  /** Output of the connection so far. */
  #outputBytes = 0
  #failed = false
  /** The callback of `_transform`: asks for the next chunk. */
  #resume!: () => void

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
    // zlib has stopped if this stream was full; now that it is read, zlib goes on.
    this.#inflate?._read(size)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#close()
    super._destroy(error, callback)
  }

  /** Reads a chunk: headers and trailers byte by byte, deflate data by handing the rest of the chunk to zlib. */
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

  /** Reads one byte of a header or a trailer. */
  #read(byte: number): void {
    this.#parser ??= started(readHeader())
    if (!this.#parser.next(byte).done) return
    this.#parser = undefined
    if (this.#deflateEnded) this.#deflateEnded = false
    else this.#open()
  }

  /** Opens zlib for the deflate data behind a header. */
  #open(): void {
    this.#checksum = 0
    this.#memberBytes = 0
    const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES })
    // Its output does not go through its own readable side, whose buffer an error would discard.
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

  /** Gives zlib a chunk, and goes on behind the deflate data if they end in it. */
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

  /** Hands on what zlib made, within the limits. Returns false when zlib is to wait. */
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
      // Checked only after whole steps: in between, how much of the input zlib has read depends on how that was cut.
      this.#checkRatio(this.#inputBytes + inflate.bytesWritten)
    }
    return open
  }

  /** Refuses output over `maxRatio` times the input so far. */
  #checkRatio(input: number): void {
    const { maxRatio } = this.#limits
    if (this.#outputBytes <= RATIO_CHECK_MIN_BYTES || this.#outputBytes <= maxRatio * input) return
    this.#refuse(new InvalidFrameError(NAME, `it holds more than ${maxRatio} times its length ('maxRatio')`))
  }

  /** Ends the connection with an error, behind the output so far. */
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

/** Runs a parser up to where it waits for its first byte, and returns it. */
function started<Reader extends Generator<undefined, void, number>>(reader: Reader): Reader {
  reader.next()
  return reader
}

/** Parser of a member's header (RFC 1952 §2.3): checks it, and skips the optional fields that its flags announce. */
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

/** Parser of a member's trailer (RFC 1952 §2.3.1), which checks it. */
function* readTrailer(checksum: number, length: number): Generator<undefined, void, number> {
  const trailer = Buffer.alloc(8)
  for (let index = 0; index < 8; index++) trailer[index] = yield
  if (trailer.readUInt32LE(0) !== checksum) throw new InvalidFrameError(NAME, 'its checksum is wrong')
  if (trailer.readUInt32LE(4) !== length % 0x1_0000_0000) {
    throw new InvalidFrameError(NAME, 'its length is wrong')
  }
}
