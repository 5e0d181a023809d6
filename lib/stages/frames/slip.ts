import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { FrameTooLongError, InvalidFrameError, type PeerError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'
import { maxLength, overflow, partial } from './frame-options.js'
import { UnfinishedFrame } from './unfinished-frame.js'

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
    help: "the same for a frame with ESC in front of a byte that makes no escape; RFC 1055's own decoder keeps that byte, so that two inputs are one frame",
  }),
  partial: partial('in front of an END'),
}

/** Options of `slip()`. */
export type SlipOptions = OptionsOf<typeof OPTIONS>

/**
 * Cuts bytes into frames that were sent with SLIP (RFC 1055): each ends with END (C0 hex); in a frame, END is sent as
 * ESC ESC_END (DB DC) and ESC as ESC ESC_ESC (DB DD). Empty frames are ignored, as the RFC suggests, so that an END in
 * front of a frame is allowed. A frame may be a view of a chunk: copy one that you keep.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for a bad escape with `invalid: 'error'`, and
 * with `partial: 'error'`.
 * @example
 * pipeline().through(slip({ maxLength: 1006 })).through(toSlip())
 */
export const slip: StageFactory<(options?: SlipOptions) => TransformerStage<Buffer, Frame>> = defineStage({
  name: 'slip',
  summary: 'reads frames in SLIP, RFC 1055',
  accepts: 'bytes',
  emits: 'frame',
  holds: 'maxLength',
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
  readonly #rules: Required<SlipOptions>
  #unfinished: UnfinishedFrame | undefined
  /** `escaped`: behind an ESC. `bad`: what is left of the frame is left out. */
  #state: 'plain' | 'escaped' | 'bad' = 'plain'
  #finished = 0

  constructor(rules: Required<SlipOptions>) {
    this.#rules = rules
  }

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    let from = 0
    // Looked for only once behind each: otherwise each frame would search the whole chunk for an ESC again.
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
    return this.#isFresh ? 0 : this.#finished + 1
  }

  flush(): void {
    if (this.#rules.partial === 'error' && !this.#isFresh) {
      throw new InvalidFrameError('slip', 'the input ended in front of its END')
    }
  }

  get #isFresh(): boolean {
    return this.#unfinished === undefined && this.#state === 'plain'
  }

  /** Adds bytes without an END to the frame under way. */
  #decode(bytes: Buffer, controller: Controller<Frame>): void {
    let at = 0
    while (at < bytes.length && this.#state !== 'bad') {
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

  #unescape(byte: number | undefined, controller: Controller<Frame>): void {
    this.#state = 'plain'
    if (byte === ESC_END) this.#append(END_BYTE, controller)
    else if (byte === ESC_ESC) this.#append(ESC_BYTE, controller)
    else
      this.#refuse(
        new InvalidFrameError('slip', 'ESC stands in front of no ESC_END or ESC_ESC'),
        this.#rules.invalid,
        controller,
      )
  }

  #append(bytes: Buffer, controller: Controller<Frame>): void {
    const { maxLength, overflow } = this.#rules
    if ((this.#unfinished?.length ?? 0) + bytes.length > maxLength) {
      this.#refuse(new FrameTooLongError('slip', 'frame', maxLength), overflow, controller)
      return
    }
    this.#unfinished ??= new UnfinishedFrame()
    this.#unfinished.append(bytes, maxLength)
  }

  #refuse(error: PeerError, policy: 'error' | 'report' | 'skip', controller: Controller<Frame>): void {
    if (policy === 'error') throw error
    this.#unfinished = undefined
    this.#state = 'bad'
    if (policy === 'report') controller.report(error)
  }

  #finish(controller: Controller<Frame>): void {
    if (this.#state === 'escaped') this.#unescape(END, controller)
    const frame = this.#unfinished?.bytes
    this.#unfinished = undefined
    this.#state = 'plain'
    this.#finished++
    if (frame !== undefined) controller.enqueue(frame)
  }
}
