import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import type { OptionsOf } from '../../options/option-values.js'
import { stage, type TransformerStage } from '../../stage.js'
import { maxLength, overflow, partial } from './frame-options.js'
import { SizedFrames, type SizedRules } from './sized-frames.js'

const OPTIONS = {
  maxLength: maxLength('the longest frame'),
  overflow,
  partial: partial('inside a netstring'),
}

/** Options of `netstring()`. */
export type NetstringOptions = OptionsOf<typeof OPTIONS>

const DIGIT_ZERO = 0x30
const DIGIT_NINE = 0x39
const COLON = 0x3a
const COMMA = 0x2c
/** Limit of the reference implementation. A length with more digits would be over every `maxLength` anyway. */
const MAX_LENGTH_DIGITS = 9

/**
 * Reads frames that are sent as netstrings, such as `5:hello,`: the length in decimal, a colon, the bytes, a comma
 * (D. J. Bernstein, https://cr.yp.to/proto/netstrings.txt). Takes bytes and emits frames. `toNetstring()` is the
 * encoder.
 *
 * The length has 1 to 9 digits and no leading zero. Anything else, a missing comma too, ends the connection, since
 * nothing then says where the next netstring begins. A frame may be a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for bytes that are no netstring, and with
 * `partial: 'error'`.
 * @example
 * pipeline().through(netstring({ maxLength: 4096 })).through(toNetstring())
 */
export const netstring: StageFactory<(options?: NetstringOptions) => TransformerStage<Buffer, Frame>> =
  defineStage({
    name: 'netstring',
    summary: 'reads frames that are sent as netstrings',
    accepts: 'bytes',
    emits: 'frame',
    memory: ({ maxLength }) => ({ itemsPerByte: 1 / 3, frame: maxLength + MAX_LENGTH_DIGITS + 2 }),
    options: OPTIONS,
    examples: ['netstring --max-length 4KiB | to-netstring'],
    make: settings => {
      const rules: SizedRules = { stage: 'netstring', minHeaderLength: 2, terminator: COMMA, ...settings }
      return stage<Buffer, Frame>({
        name: 'netstring',
        accepts: 'bytes',
        emits: 'frame',
        lazy: true,
        asks: false,
        open: () => new NetstringFrames(rules),
      })
    },
  })

class NetstringFrames extends SizedFrames<SizedRules> {
  protected readHeader(bytes: Buffer, from: number, end: number): void {
    let length = 0
    for (let at = from; at < end; at++) {
      const byte = bytes[at] as number
      const digits = at - from
      if (byte === COLON && digits > 0) {
        this.strippedLength = digits + 1
        this.messageLength = this.strippedLength + length + 1
        return
      }
      if (byte < DIGIT_ZERO || byte > DIGIT_NINE) this.#refuse('its length is not a number')
      if (digits === MAX_LENGTH_DIGITS) this.#refuse(`its length has more than ${MAX_LENGTH_DIGITS} digits`)
      if (digits > 0 && length === 0) this.#refuse('its length has a leading zero')
      length = 10 * length + (byte - DIGIT_ZERO)
    }
  }

  #refuse(what: string): never {
    throw new InvalidFrameError(this.rules.stage, what)
  }
}
