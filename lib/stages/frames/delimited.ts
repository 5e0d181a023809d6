import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { FrameTooLongError, InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { checkInteger } from '../../options/check-option.js'
import { boolean, choice, listOfBytes } from '../../options/option.js'
import type { OptionsOf, SettingsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'
import { DelimiterSearch } from './delimiter-search.js'
import { maxLength } from './frame-options.js'
import { UnfinishedFrame } from './unfinished-frame.js'

const OPTIONS = {
  delimiters: listOfBytes({
    required: true,
    minimum: 1,
    help: 'what ends a frame, 4,096 bytes in all; of several the one that begins first counts, and of those that begin at the same byte the longest; the frame does not wait for its rest where a shorter one has come',
  }),
  keep: boolean({ default: false, help: 'leaves the delimiter at the end of the frame' }),
  maxLength: maxLength('the longest frame, without its delimiter, finished or not'),
  overflow: choice(['error', 'report', 'truncate', 'skip'], {
    default: 'error',
    help: 'what happens to a longer frame: it ends the connection behind the frames before it, goes to onError and is left out, is cut (and keeps its delimiter, with keep), or is left out',
  }),
  partial: choice(['emit', 'drop', 'error'], {
    default: 'emit',
    help: 'what happens to an unfinished last frame at the end of the input',
  }),
}

/** Options of `delimited()`. */
export type DelimitedOptions = OptionsOf<typeof OPTIONS>

interface DelimitedRules extends Omit<SettingsOf<typeof OPTIONS>, 'delimiters'> {
  readonly search: DelimiterSearch
  /** Length of the longest delimiter, in bytes. */
  readonly maxDelimiterLength: number
}

const EMPTY: Buffer = Buffer.alloc(0)

/** Limit of all delimiters together. Each has at least one byte, so it also limits how many there may be. */
const MAX_DELIMITER_BYTES = 4_096

/**
 * Cuts bytes into frames at a delimiter, or at any of several. Takes bytes and emits frames, without their delimiters
 * unless `keep` is set. `toDelimited()` is the encoder.
 *
 * The wire format is that of Netty's `DelimiterBasedFrameDecoder`: a delimiter follows each frame, and two delimiters
 * in a row have an empty frame between them. Of several delimiters the one that begins first ends the frame, and of
 * those that begin at the same byte the longest. Where a shorter one begins it, as NUL begins NUL LF, the frame is
 * emitted with the last byte of the shorter one, which is also what `keep` keeps, and the rest, if it comes, belongs to
 * no frame.
 *
 * The frames do not depend on how the input was cut into chunks. A frame may be a view of a chunk: copy one that you
 * keep. Time is linear in the length of any input; memory is bounded by `maxLength` and one chunk.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `partial: 'error'`.
 * @example
 * pipeline().through(delimited({ delimiters: ['\r\n', '\n'] })).through(toDelimited('\n'))
 */
export const delimited: StageFactory<(options: DelimitedOptions) => TransformerStage<Buffer, Frame>> =
  defineStage({
    name: 'delimited',
    summary: 'cuts bytes into frames at one delimiter or several',
    accepts: 'bytes',
    emits: 'frame',
    memory: ({ delimiters, maxLength }) => {
      const lengths = [delimiters].flat().map(delimiter => Buffer.byteLength(delimiter as string))
      return { itemsPerByte: 1 / Math.min(...lengths), frame: maxLength + Math.max(...lengths) }
    },
    options: OPTIONS,
    examples: ["delimited --delimiters '\\r\\n' --delimiters '\\n' | to-delimited '\\n'"],
    make: ({ delimiters, ...settings }) => {
      // A copy, so that the caller's later changes do not reach the stage.
      const list = [delimiters].flat().map(delimiter => Buffer.from(delimiter as string))
      checkTotal(list)
      const maxDelimiterLength = Math.max(...list.map(({ length }) => length))
      const rules: DelimitedRules = { search: new DelimiterSearch(list), maxDelimiterLength, ...settings }
      return stage<Buffer, Frame>({
        name: 'delimited',
        accepts: 'bytes',
        emits: 'frame',
        lazy: true,
        asks: false,
        open: () => new DelimitedTransformer(rules),
      })
    },
  })

function checkTotal(delimiters: readonly Buffer[]): void {
  const bytes = delimiters.reduce((sum, { length }) => sum + length, 0)
  for (const [what, count] of [
    ['how many', delimiters.length],
    ['bytes in all', bytes],
  ] as const) {
    checkInteger('delimited()', `delimiters (${what})`, count, 1, MAX_DELIMITER_BYTES)
  }
}

/**
 * Decoder of one connection. Its positions are offsets in a chunk; negative ones lie in the bytes pending before it.
 */
class DelimitedTransformer implements Transformer<Buffer, Frame> {
  readonly #rules: DelimitedRules
  /** State of the search. The bytes that it stands for may still become a delimiter and are not in `#unfinished`. */
  #state = 0
  /** Content of the frame under way. */
  #unfinished: UnfinishedFrame | undefined
  /** Whether the frame under way is longer than `maxLength`; `#unfinished` then holds only what is kept of it. */
  #overLimit = false
  /** Number of frames that have ended, so that each unfinished frame has a number of its own. */
  #finishedFrames = 0

  constructor(rules: DelimitedRules) {
    this.#rules = rules
  }

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    const { search } = this.#rules
    const pending = search.pending(this.#state)
    let from = -pending.length
    this.#state = search.scan(this.#state, chunk, (start, end, isRest) => {
      if (!isRest) this.#finish(pending, chunk, from, start, end, controller)
      from = end
    })
    this.#appendContent(pending, chunk, from, chunk.length - search.pending(this.#state).length, controller)
  }

  unfinished(): number {
    const isPending = this.#rules.search.pending(this.#state).length > 0
    const isFresh = !isPending && this.#unfinished === undefined && !this.#overLimit
    return isFresh ? 0 : this.#finishedFrames + 1
  }

  flush(controller: Controller<Frame>): void {
    const { search, partial } = this.#rules
    const pending = search.pending(this.#state)
    let from = -pending.length
    search.end(this.#state, (start, end, isRest) => {
      if (!isRest) this.#finish(pending, EMPTY, from, start, end, controller)
      from = end
    })
    // The end of the input has made the last delimiters certain. Of the bytes behind them, those that no delimiter can
    // begin with are content: they count against the limit, also where `partial` then drops the frame.
    const undecided = search.pending(search.scan(0, pending.subarray(pending.length + from), () => {})).length
    this.#appendContent(pending, EMPTY, from, -undecided, controller)
    from = -undecided
    if (from === 0 && this.#unfinished === undefined && !this.#overLimit) return
    if (partial === 'error') {
      throw new InvalidFrameError('delimited', 'the input ended in front of its delimiter')
    }
    if (partial === 'drop') return
    this.#appendContent(pending, EMPTY, from, 0, controller)
    if (this.#unfinished !== undefined) controller.enqueue(this.#unfinished.bytes)
  }

  /** Ends the frame under way: its content goes on from `from` to `start`, and its delimiter from there to `end`. */
  #finish(
    pending: Buffer,
    chunk: Buffer,
    from: number,
    start: number,
    end: number,
    controller: Controller<Frame>,
  ): void {
    const { keep, maxLength, overflow, maxDelimiterLength } = this.#rules
    this.#finishedFrames++
    if (this.#unfinished === undefined && !this.#overLimit && from >= 0 && start - from <= maxLength) {
      controller.enqueue(chunk.subarray(from, keep ? end : start))
      return
    }
    this.#appendContent(pending, chunk, from, start, controller)
    const isSkipped = this.#overLimit && overflow !== 'truncate'
    if (keep && !isSkipped) {
      this.#unfinished ??= new UnfinishedFrame()
      for (const part of parts(pending, chunk, start, end))
        this.#unfinished.append(part, maxLength + maxDelimiterLength)
    }
    const frame = this.#unfinished?.bytes ?? EMPTY
    this.#unfinished = undefined
    this.#overLimit = false
    if (!isSkipped) controller.enqueue(frame)
  }

  /** Adds content to the frame under way. Content beyond the limit is dealt with as `overflow` says. */
  #appendContent(
    pending: Buffer,
    chunk: Buffer,
    from: number,
    to: number,
    controller: Controller<Frame>,
  ): void {
    const { maxLength, overflow, maxDelimiterLength } = this.#rules
    for (const part of parts(pending, chunk, from, to)) {
      if (this.#overLimit) return
      const room = maxLength - (this.#unfinished?.length ?? 0)
      if (part.length > room) {
        const error = () => new FrameTooLongError('delimited', 'frame', maxLength)
        if (overflow === 'error') throw error()
        this.#overLimit = true
        if (overflow === 'report') controller.report(error)
        if (overflow !== 'truncate') {
          this.#unfinished = undefined
          return
        }
      }
      this.#unfinished ??= new UnfinishedFrame()
      this.#unfinished.append(part.subarray(0, room), maxLength + maxDelimiterLength)
    }
  }
}

/** The bytes of a range in one buffer or two: the range may begin, or lie as a whole, in the pending bytes. */
function parts(pending: Buffer, chunk: Buffer, from: number, to: number): Buffer[] {
  const length = pending.length
  const fromPending = from < 0 ? pending.subarray(length + from, length + Math.min(to, 0)) : EMPTY
  const fromChunk = to > 0 ? chunk.subarray(Math.max(from, 0), to) : EMPTY
  return [fromPending, fromChunk].filter(part => part.length > 0)
}
