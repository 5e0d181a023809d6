import { checkBoolean, checkChoice, checkInteger, checkNames } from '../check-option.js'
import { FrameTooLongError, InvalidFrameError, InvalidOptionError } from '../errors.js'
import type { Frame } from '../kind.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'
import { checkDelimiter } from './delimit.js'
import { DelimiterSearch } from './delimiter-search.js'
import { LARGEST_FRAME, UnfinishedFrame } from './unfinished-frame.js'

/** Options of `delimited()`. */
export interface DelimitedOptions {
  /**
   * What ends a frame: one delimiter or several, as text (UTF-8) or bytes, 4,096 bytes in all. The one that begins first
   * ends the frame; of those that begin at the same byte, the longest, which is waited for as long as it may still come.
   */
  readonly delimiters: string | Uint8Array | readonly (string | Uint8Array)[]
  /** Leaves the delimiter at the end of the frame. @default false */
  readonly keep?: boolean
  /** The longest frame, in bytes without its delimiter, finished or not. @default 65536 */
  readonly maxLength?: number
  /**
   * What happens to a longer frame: `error` ends the connection behind the frames before it, `truncate` emits its first
   * `maxLength` bytes (and its delimiter, with `keep`), `report` tells `onError`, leaves the frame out and goes on behind
   * it, `skip` leaves it out without a word. @default 'error'
   */
  readonly overflow?: 'error' | 'report' | 'truncate' | 'skip'
  /** What happens to an unfinished last frame at the end of the input; `error` ends the connection. @default 'emit' */
  readonly partial?: 'emit' | 'drop' | 'error'
}

interface DelimitedRules extends Required<Omit<DelimitedOptions, 'delimiters'>> {
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
 * pipeline().through(delimited({ delimiters: ['\r\n', '\n'] })).through(delimit('\n'))
 */
export function delimited(options: DelimitedOptions): TransformerStage<Buffer, Frame> {
  const owner = 'delimited()'
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError("delimited() takes options with 'delimiters'.")
  }
  const { delimiters, keep = false, maxLength = 65_536, overflow = 'error', partial = 'emit' } = options
  checkNames(owner, options, ['delimiters', 'keep', 'maxLength', 'overflow', 'partial'])
  const list = (Array.isArray(delimiters) ? delimiters : [delimiters]).map(delimiter =>
    checkDelimiter(owner, 'delimiters', delimiter),
  )
  checkInteger(owner, 'delimiters (how many)', list.length, 1, LONGEST_DELIMITERS)
  const bytes = list.reduce((sum, { length }) => sum + length, 0)
  checkInteger(owner, 'delimiters (bytes in all)', bytes, 1, LONGEST_DELIMITERS)
  checkBoolean(owner, 'keep', keep)
  checkInteger(owner, 'maxLength', maxLength, 1, LARGEST_FRAME)
  checkChoice(owner, 'overflow', overflow, ['error', 'report', 'truncate', 'skip'])
  checkChoice(owner, 'partial', partial, ['emit', 'drop', 'error'])
  const search = new DelimiterSearch(list)
  const longest = Math.max(...list.map(({ length }) => length))
  const rules: DelimitedRules = { search, longest, keep, maxLength, overflow, partial }
  return stage<Buffer, Frame>({
    name: 'delimited',
    accepts: 'bytes',
    emits: 'frame',
    open: () => new DelimitedTransformer(rules),
  })
}

class DelimitedTransformer implements Transformer<Buffer, Frame> {
  readonly #rules: DelimitedRules
  /** What the search has seen and may still become a delimiter; it is not in `#unfinished`. */
  #state = 0
  #unfinished: UnfinishedFrame | undefined
  /** The unfinished frame is over the limit, and `#unfinished` holds only what is left of it. */
  #over = false

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
