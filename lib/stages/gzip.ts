import { constants, createGzip, type ZlibOptions } from 'node:zlib'
import { checkInteger, checkNames } from '../check-option.js'
import { fromStream, type StreamStage } from '../stage.js'

/** Options of `gzip()`. */
export interface GzipOptions {
  /** How hard it tries, from 0 (stores only) to 9 (slow and small). @default 6 */
  readonly level?: number
}

/**
 * Compresses bytes into one gzip member (RFC 1952). What a read from the peer caused is written out at once
 * (`Z_SYNC_FLUSH`), so that a peer can read each answer before the end; many small chunks compress badly. Which bytes
 * come depends on how the input was cut; what they decompress to does not. Costs about 270 KB for each connection.
 *
 * A farewell is written behind the member, uncompressed.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(uppercase()).through(unlines()).through(gzip())
 */
export function gzip(options: GzipOptions = {}): StreamStage<Buffer, Buffer> {
  const { level = 6 } = options
  checkNames('gzip()', options, ['level'])
  checkInteger('gzip()', 'level', level, 0, 9)
  // zlib hands the marks to its Transform, though the type does not say so.
  const settings: ZlibOptions & { highWaterMark: number } = {
    level,
    flush: constants.Z_SYNC_FLUSH,
    highWaterMark: 16_384,
  }
  return fromStream('gzip', () => createGzip(settings))
}
