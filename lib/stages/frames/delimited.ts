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
    help: 'what ends a frame, 4,096 bytes in all: the one that begins first, and the longest of those that begin at the same byte, which is waited for as long as it may still come',
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
  /** The longest delimiter. */
  readonly longest: number
}

const NOTHING: Buffer = Buffer.alloc(0)
const LONGEST_DELIMITERS = 4_096

/**
 * Cuts bytes into frames at a delimiter, or at several. The wire format is that of Netty's
 * `DelimiterBasedFrameDecoder`: a frame, a delimiter, a frame, and so on; two delimiters in a row are an empty frame.
 * Frames come out the same however their bytes were cut. A frame may be a view of a chunk: copy one that you keep.
 *
 * Costs linear time for every input; memory is bounded by `maxLength` and one chunk.
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
    holds: 'maxLength',
    options: OPTIONS,
    examples: ["delimited --delimiters '\\r\\n' --delimiters '\\n' | to-delimited '\\n'"],
    make: ({ delimiters, ...settings }) => {
      // A copy, so that the caller's later changes do not reach the stage.
      const list = [delimiters].flat().map(delimiter => Buffer.from(delimiter as string))
      checkTotal(list)
      const longest = Math.max(...list.map(({ length }) => length))
      const rules: DelimitedRules = { search: new DelimiterSearch(list), longest, ...settings }
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
    checkInteger('delimited()', `delimiters (${what})`, count, 1, LONGEST_DELIMITERS)
  }
}

class DelimitedTransformer implements Transformer<Buffer, Frame> {
  readonly #rules: DelimitedRules
  /** What the search has seen and may still become a delimiter; it is not in `#unfinished`. */
  #state = 0
  #unfinished: UnfinishedFrame | undefined
  /** The unfinished frame is over the limit, and `#unfinished` holds only what is left of it. */
  #over = false
  #finished = 0

  constructor(rules: DelimitedRules) {
    this.#rules = rules
  }

  transform(chunk: Buffer, controller: Controller<Frame>): void {
    const { search } = this.#rules
    const before = search.path(this.#state)
    let from = -before.length
    this.#state = search.scan(this.#state, chunk, (start, end) => {
      this.#finish(before, chunk, from, start, end, controller)
      from = end
    })
    this.#keep(before, chunk, from, chunk.length - search.path(this.#state).length, controller)
  }

  unfinished(): number {
    const isFresh = this.#state === 0 && this.#unfinished === undefined && !this.#over
    return isFresh ? 0 : this.#finished + 1
  }

  flush(controller: Controller<Frame>): void {
    const { search, partial } = this.#rules
    const before = search.path(this.#state)
    let from = -before.length
    search.end(this.#state, (start, end) => {
      this.#finish(before, NOTHING, from, start, end, controller)
      from = end
    })
    // Behind a delimiter that was only decided now there may be content already that no delimiter can save.
    const open = search.path(search.scan(0, before.subarray(before.length + from), () => {})).length
    this.#keep(before, NOTHING, from, -open, controller)
    from = -open
    if (from === 0 && this.#unfinished === undefined && !this.#over) return
    if (partial === 'error') {
      throw new InvalidFrameError('delimited', 'the input ended in front of its delimiter')
    }
    if (partial === 'drop') return
    this.#keep(before, NOTHING, from, 0, controller)
    if (this.#unfinished !== undefined) controller.enqueue(this.#unfinished.bytes)
  }

  /** Ends the frame under way with the content up to `start` and the delimiter up to `end`. */
  #finish(
    before: Buffer,
    chunk: Buffer,
    from: number,
    start: number,
    end: number,
    controller: Controller<Frame>,
  ): void {
    const { keep, maxLength, overflow, longest } = this.#rules
    this.#finished++
    if (this.#unfinished === undefined && !this.#over && from >= 0 && start - from <= maxLength) {
      controller.enqueue(chunk.subarray(from, keep ? end : start))
      return
    }
    this.#keep(before, chunk, from, start, controller)
    const isSkipped = this.#over && overflow !== 'truncate'
    if (keep && !isSkipped) {
      this.#unfinished ??= new UnfinishedFrame()
      for (const part of parts(before, chunk, start, end)) this.#unfinished.append(part, maxLength + longest)
    }
    const frame = this.#unfinished?.bytes ?? NOTHING
    this.#unfinished = undefined
    this.#over = false
    if (!isSkipped) controller.enqueue(frame)
  }

  /** Adds content to the frame under way, up to the limit. */
  #keep(before: Buffer, chunk: Buffer, from: number, to: number, controller: Controller<Frame>): void {
    const { maxLength, overflow, longest } = this.#rules
    for (const part of parts(before, chunk, from, to)) {
      if (this.#over) return
      const room = maxLength - (this.#unfinished?.length ?? 0)
      if (part.length > room) {
        const error = new FrameTooLongError('delimited', 'frame', maxLength)
        if (overflow === 'error') throw error
        this.#over = true
        if (overflow === 'report') controller.report(error)
        if (overflow !== 'truncate') {
          this.#unfinished = undefined
          return
        }
      }
      this.#unfinished ??= new UnfinishedFrame()
      this.#unfinished.append(part.subarray(0, room), maxLength + longest)
    }
  }
}

/** A range of a chunk that may begin, or lie, in the bytes before it. */
function parts(before: Buffer, chunk: Buffer, from: number, to: number): Buffer[] {
  const length = before.length
  const early = from < 0 ? before.subarray(length + from, length + Math.min(to, 0)) : NOTHING
  const late = to > 0 ? chunk.subarray(Math.max(from, 0), to) : NOTHING
  return [early, late].filter(part => part.length > 0)
}
