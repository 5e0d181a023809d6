import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { fromStream, type StreamStage } from '../../stage.js'
import { GunzipStream, STEP_BYTES } from './gunzip-stream.js'

const OPTIONS = {
  maxOutput: integer({
    unit: 'bytes',
    minimum: 1,
    default: 67_108_864,
    help: 'the most that comes out of a connection',
  }),
  maxRatio: integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 100,
    help: 'how many times longer than the input the output may be, from 65,536 bytes of output on; deflate reaches 1,032, and text seldom more than 20',
  }),
  maxHeader: integer({
    unit: 'bytes',
    minimum: 10,
    default: 65_536,
    help: 'the longest header of a member, with the name and the comment in it',
  }),
  maxMembers: integer({
    minimum: 1,
    default: 65_536,
    help: 'the most members of a connection; each takes time, also an empty one',
  }),
}

/** The memory of zlib itself (zconf.h): 2^15 bytes for its window, and its state. */
const INFLATE_BYTES = 40_960

/** Options of `gunzip()`. All limits but `maxHeader` count from the beginning of the connection. */
export type GunzipOptions = OptionsOf<typeof OPTIONS>

/**
 * Decompresses gzip (RFC 1952): members one after another, up to `maxMembers`. Takes and emits bytes. An empty input has
 * no member and gives no output. `gzip()` compresses.
 *
 * Zeros behind the last member are ignored, as gzip(1) does, since tapes and block devices pad with them. Anything else
 * between or behind members ends the connection, where gzip(1) would warn.
 *
 * It has a stream of its own, so it is not fused with its neighbours. zlib is opened with the first member and
 * closed with the connection; it runs in the thread of the connection, 16 KiB of output at a time.
 *
 * When the deflate data themselves turn out to be broken, the output of zlib's last step (up to 16 KiB) is lost: in
 * this one case the output before the error depends on how the input was cut.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for input that is not gzip, a wrong checksum or
 * length, an unfinished member at the end, and output over a limit. Output within `maxOutput` is emitted before it.
 * @example
 * pipeline().through(gunzip({ maxOutput: 1_048_576 })).through(lines()).through(toLines())
 */
export const gunzip: StageFactory<(options?: GunzipOptions) => StreamStage<Buffer, Buffer>> = defineStage({
  name: 'gunzip',
  summary: 'decompresses gzip, within limits',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { keeps: INFLATE_BYTES + 2 * STEP_BYTES, chunk: STEP_BYTES },
  options: OPTIONS,
  examples: ['gunzip --max-output 1MiB | lines | to-lines'],
  make: limits =>
    fromStream('gunzip', (_connection, fail) => new GunzipStream(limits, fail), { asks: false }),
})
