import { checkInteger, checkNames } from '../check-option.js'
import { fromStream, type StreamStage } from '../stage.js'
import { GunzipStream } from './gunzip-stream.js'

/** Options of `gunzip()`. Both limits count from the beginning of the connection. */
export interface GunzipOptions {
  /** The most that comes out, in bytes. @default 67108864 (64 MiB) */
  readonly maxOutput?: number
  /**
   * How many times longer than the input the output may be, from 65,536 bytes of output on. Deflate reaches 1,032;
   * text seldom more than 20. @default 100
   */
  readonly maxRatio?: number
}

/**
 * Decompresses gzip (RFC 1952): any number of members one after another, nothing else between or behind them. An input
 * of no bytes is no member, and gives nothing. zlib is opened with the first member and closed with the connection.
 *
 * Once deflate data turn out to be broken, what zlib had made of them in its last step (up to 16 KiB) is lost, so that
 * in this case how much comes out before the error depends on how the input was cut.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for what is no gzip, a wrong checksum or length,
 * an unfinished member at the end, and output over a limit, of which what is within `maxOutput` still comes.
 * @example
 * pipeline().through(gunzip({ maxOutput: 1_048_576 })).through(lines()).through(unlines())
 */
export function gunzip(options: GunzipOptions = {}): StreamStage<Buffer, Buffer> {
  const { maxOutput = 67_108_864, maxRatio = 100 } = options
  checkNames('gunzip()', options, ['maxOutput', 'maxRatio'])
  checkInteger('gunzip()', 'maxOutput', maxOutput, 1, Number.MAX_SAFE_INTEGER)
  checkInteger('gunzip()', 'maxRatio', maxRatio, 1, 1_000_000)
  const limits = { maxOutput, maxRatio }
  return fromStream('gunzip', (_connection, fail) => new GunzipStream(limits, fail))
}
