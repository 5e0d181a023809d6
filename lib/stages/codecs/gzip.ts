import type { DuplexOptions } from 'node:stream'
import { constants, createGzip, type ZlibOptions } from 'node:zlib'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { fromStream, type StreamStage } from '../../stage.js'

const OPTIONS = {
  level: integer({
    maximum: 9,
    default: 6,
    help: 'how hard it tries, from 0 (stores only) to 9 (slow and small)',
  }),
}

/** The size of the chunks that zlib gives, and the high-water mark of its output. */
const CHUNK_BYTES = 16_384

/**
 * The chunks that may wait while zlib works, in bytes. Each may have one byte, and then takes some 160 for its Buffer and its
 * place.
 */
const WAITING_BYTES = 2_048
const MAX_WAITING_MEMORY = 161 * WAITING_BYTES

/** The memory of zlib itself (zconf.h): 2^17 bytes each for its window and for its tables, and its state. */
const DEFLATE_BYTES = 270_336

/** Options of `gzip()`. */
export type GzipOptions = OptionsOf<typeof OPTIONS>

/**
 * Compresses bytes into one gzip member (RFC 1952). Takes and emits bytes. `gunzip()` decompresses.
 *
 * Everything that results from one read from the peer is written out at once (`Z_SYNC_FLUSH`), so that the peer can
 * read each answer before the end. What comes while zlib works is compressed together, up to 2 KiB and a chunk at a time. The
 * compressed bytes depend on how the input was cut; what they decompress to does not.
 *
 * It has a stream of its own, so it is not fused with its neighbours, and zlib takes about 270 KB for each
 * connection. A farewell, the last line that tells a client of its fault, is written behind the member, uncompressed.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(uppercase()).through(toLines()).through(gzip())
 */
export const gzip: StageFactory<(options?: GzipOptions) => StreamStage<Buffer, Buffer>> = defineStage({
  name: 'gzip',
  summary: 'compresses into one gzip member',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { keeps: DEFLATE_BYTES + 3 * CHUNK_BYTES + MAX_WAITING_MEMORY, chunk: CHUNK_BYTES },
  options: OPTIONS,
  examples: ['lines | uppercase | to-lines | gzip --level 9'],
  make: ({ level }) => {
    // zlib passes its options to the Transform that it is, so it takes those of a stream, which its type does not have.
    const settings: ZlibOptions & DuplexOptions = {
      level,
      flush: constants.Z_SYNC_FLUSH,
      chunkSize: CHUNK_BYTES,
      writableHighWaterMark: WAITING_BYTES,
      readableHighWaterMark: CHUNK_BYTES,
      // A write to zlib and a flush take 30 µs, so chunks that have come while zlib worked are one write.
      writev(chunks, callback) {
        this._write(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), 'buffer' as 'latin1', callback)
      },
    }
    return fromStream('gzip', () => createGzip(settings), { asks: false })
  },
})
