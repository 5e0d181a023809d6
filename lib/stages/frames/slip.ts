import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { FrameTooLongError, InvalidFrameError, type PeerError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { choice } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'
import { maxLength, overflow, partial } from './frame-options.js'
import { UnfinishedFrame } from './unfinished-frame.js'

/** The special bytes of SLIP, with their names in RFC 1055. */
export const END = 0xc0
export const ESC = 0xdb
export const ESC_END = 0xdc
export const ESC_ESC = 0xdd
const END_BYTE = Buffer.from([END])
const ESC_BYTE = Buffer.from([ESC])

const OPTIONS = {
  maxLength: maxLength('the longest frame, without its escapes, finished or not'),
  overflow,
  invalid: choice(['error', 'report', 'skip'], {
    default: 'error',
    help: "what happens to a frame with ESC in front of a byte that makes no escape, as with overflow; RFC 1055's own decoder keeps that byte, so that two different inputs give the same frame",
  }),
  partial: partial('in front of an END'),
}

/** Options of `slip()`. */
export type SlipOptions = OptionsOf<typeof OPTIONS>

/**
 * Reads frames that are sent in SLIP (RFC 1055). Takes bytes and emits frames, unescaped. `toSlip()` is the encoder.
 *
 * Each frame ends with END (C0 hex). Within a frame END is sent as ESC ESC_END (DB DC), and ESC as ESC ESC_ESC (DB DD).
 * Empty frames are ignored, as the RFC suggests, so that senders may put an END in front of a frame too. A frame may be
 * a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for an invalid escape with `invalid: 'error'`,
 * and with `partial: 'error'`.
 * @example
 * pipeline().through(slip({ maxLength: 1006 })).through(toSlip())
 */
export const slip: StageFactory<(options?: SlipOptions) => TransformerStage<Buffer, Frame>> = defineStage({
  name: 'slip',
  summary: 'reads frames in SLIP, RFC 1055',
  accepts: 'bytes',
  emits: 'frame',
  memory: ({ maxLength }) => ({ itemsPerByte: 1 / 2, frame: maxLength }),
  options: OPTIONS,
  examples: ['slip --max-length 1006 | to-slip'],
  make: rules =>
    stage<Buffer, Frame>({
      name: 'slip',
      accepts: 'bytes',
      emits: 'frame',
      lazy: true,
      asks: false,
      open: () => new SlipTransformer(rules),
    }),
})

class SlipTransformer implements Transformer<Buffer, Frame> {
  readonly #rules: SettingsOf<typeof OPTIONS>
  /** Content of the frame under way, unescaped. */
  #unfinished: UnfinishedFrame | undefined
  /** `escaped`: the last byte was an ESC. `discarding`: the frame was refused, and is skipped up to its END. */
  #state: 'plain' | 'escaped' | 'discarding' = 'plain'
  /** Number of frames that have ended, so that each unfinished frame has a number of its own. */
  #finishedFrames = 0

  constructor(rules: SettingsOf<typeof OPTIONS>) {
    this.#rules = rules
  }

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    let from = 0
    // The next ESC is looked up again only once it has been passed: a search for every frame would go through the rest
    // of the chunk each time, which is quadratic.
    let nextEscape = chunk.indexOf(ESC)
    while (from < chunk.length) {
      const found = chunk.indexOf(END, from)
      const end = found === -1 ? chunk.length : found
      if (nextEscape !== -1 && nextEscape < from) nextEscape = chunk.indexOf(ESC, from)
      const isPlain = nextEscape === -1 || nextEscape >= end
      if (found !== -1 && isPlain && this.#isFresh && end - from <= this.#rules.maxLength) {
        if (end > from) controller.enqueue(chunk.subarray(from, end))
      } else {
        this.#decode(chunk.subarray(from, end), controller)
        if (found !== -1) this.#finish(controller)
      }
      from = end + 1
    }
  }

  unfinished(): number {
    return this.#isFresh ? 0 : this.#finishedFrames + 1
  }

  flush(): void {
    if (this.#rules.partial === 'error' && !this.#isFresh) {
      throw new InvalidFrameError('slip', 'the input ended in front of its END')
    }
  }

  get #isFresh(): boolean {
    return this.#unfinished === undefined && this.#state === 'plain'
  }

  /** Unescapes bytes, which contain no END, and adds them to the frame under way. */
  #decode(bytes: Buffer, controller: Controller<Frame>): void {
    let at = 0
    while (at < bytes.length && this.#state !== 'discarding') {
      if (this.#state === 'escaped') {
        this.#unescape(bytes[at++], controller)
      } else {
        const found = bytes.indexOf(ESC, at)
        const end = found === -1 ? bytes.length : found
        if (end > at) this.#append(bytes.subarray(at, end), controller)
        if (found !== -1 && this.#state === 'plain') this.#state = 'escaped'
        at = end + 1
      }
    }
  }

  /** Takes the byte behind an ESC. */
  #unescape(byte: number | undefined, controller: Controller<Frame>): void {
    this.#state = 'plain'
    if (byte === ESC_END) this.#append(END_BYTE, controller)
    else if (byte === ESC_ESC) this.#append(ESC_BYTE, controller)
    else
      this.#refuse(
        () => new InvalidFrameError('slip', 'ESC stands in front of no ESC_END or ESC_ESC'),
        this.#rules.invalid,
        controller,
      )
  }

  #append(bytes: Buffer, controller: Controller<Frame>): void {
    const { maxLength, overflow } = this.#rules
    if ((this.#unfinished?.length ?? 0) + bytes.length > maxLength) {
      this.#refuse(() => new FrameTooLongError('slip', 'frame', maxLength), overflow, controller)
      return
    }
    this.#unfinished ??= new UnfinishedFrame()
    this.#unfinished.append(bytes, maxLength)
  }

  /** Throws or reports an error, as the policy says, and skips the rest of the frame. */
  #refuse(error: () => PeerError, policy: 'error' | 'report' | 'skip', controller: Controller<Frame>): void {
    if (policy === 'error') throw error()
    this.#unfinished = undefined
    this.#state = 'discarding'
    if (policy === 'report') controller.report(error)
  }

  #finish(controller: Controller<Frame>): void {
    if (this.#state === 'escaped') this.#unescape(END, controller)
    const frame = this.#unfinished?.bytes
    this.#unfinished = undefined
    this.#state = 'plain'
    this.#finishedFrames++
    if (frame !== undefined) controller.enqueue(frame)
  }
}
