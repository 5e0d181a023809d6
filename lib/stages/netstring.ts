import { checkChoice, checkInteger, checkNames } from '../check-option.js'
import { InvalidFrameError } from '../errors.js'
import type { Frame } from '../kind.js'
import { stage, type TransformerStage } from '../stage.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'
import { LARGEST_FRAME } from './unfinished-frame.js'

/** Options of `netstring()`. */
export interface NetstringOptions {
  /** The longest frame, in bytes. @default 65536 */
  readonly maxLength?: number
  /**
   * What happens to a longer frame, once its length is there: `error` ends the connection behind the frames before it,
   * `report` tells `onError`, discards its bytes as they come and goes on, `skip` does that without a word.
   * @default 'error'
   */
  readonly overflow?: 'error' | 'report' | 'skip'
  /** What happens when the input ends inside a netstring; `error` ends the connection. @default 'error' */
  readonly partial?: 'error' | 'drop'
}

const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const COMMA = 0x2c
/** As in the reference implementation. More would also be over every `maxLength`. */
const MOST_DIGITS = 9

/**
 * Cuts bytes into frames that were sent as netstrings, `5:hello,`: the length in decimal, a colon, the bytes, a comma
 * (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt). The length has 1 to 9 digits and no leading zero. Anything
 * else, also a missing comma, ends the connection, since the next netstring cannot be found. A frame may be a view of a
 * chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for bytes that are no netstring, and with
 * `partial: 'error'`.
 * @example
 * pipeline().through(netstring({ maxLength: 4096 })).through(toNetstring())
 */
export function netstring(options: NetstringOptions = {}): TransformerStage<Buffer, Frame> {
  const { maxLength = 65_536, overflow = 'error', partial = 'error' } = options
  checkNames('netstring()', options, ['maxLength', 'overflow', 'partial'])
  checkInteger('netstring()', 'maxLength', maxLength, 1, LARGEST_FRAME)
  checkChoice('netstring()', 'overflow', overflow, ['error', 'report', 'skip'])
  checkChoice('netstring()', 'partial', partial, ['error', 'drop'])
  const rules: SizedRules = { stage: 'netstring', head: 2, last: COMMA, maxLength, overflow, partial }
  return stage<Buffer, Frame>({
    name: 'netstring',
    accepts: 'bytes',
    emits: 'frame',
    open: () => new NetstringFrames(rules),
  })
}

class NetstringFrames extends SizedFrames<SizedRules> {
  protected measure(bytes: Buffer, from: number, end: number): void {
    let length = 0
    for (let at = from; at < end; at++) {
      const byte = bytes[at] as number
      const digits = at - from
      if (byte === COLON && digits > 0) {
        this.stripped = digits + 1
        this.total = this.stripped + length + 1
        return
      }
      if (byte < ZERO || byte > NINE) this.#refuse('its length is not a number')
      if (digits === MOST_DIGITS) this.#refuse(`its length has more than ${MOST_DIGITS} digits`)
      if (digits > 0 && length === 0) this.#refuse('its length has a leading zero')
      length = 10 * length + (byte - ZERO)
    }
  }

  #refuse(what: string): never {
    throw new InvalidFrameError(this.rules.stage, what)
  }
}
