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

/** Options of `gzip()`. */
export type GzipOptions = OptionsOf<typeof OPTIONS>

/**
 * Compresses bytes into one gzip member (RFC 1952). Takes and emits bytes. `gunzip()` decompresses.
 *
 * Everything that results from one read from the peer is written out at once (`Z_SYNC_FLUSH`), so that the peer can
 * read each answer before the end. What comes while zlib works is compressed together, up to 16 KiB at a time. The
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
  options: OPTIONS,
  examples: ['lines | uppercase | to-lines | gzip --level 9'],
  make: ({ level }) => {
    // zlib passes its options to the Transform that it is, so it takes those of a stream, which its type does not have.
    const settings: ZlibOptions & DuplexOptions = {
      level,
      flush: constants.Z_SYNC_FLUSH,
      highWaterMark: 16_384,
      // A write to zlib and a flush take 30 µs, so chunks that have come while zlib worked are one write.
      writev(chunks, callback) {
        this._write(Buffer.concat(chunks.map(({ chunk }) => chunk as Buffer)), 'buffer' as 'latin1', callback)
      },
    }
    return fromStream('gzip', () => createGzip(settings), { asks: false })
  },
})
