import type { BlockDecoder, BlockMap, LineEncoding } from '../../block-role.js'
import type { Connection } from '../../connection.js'
import { blame } from '../../errors.js'
import { isThenable, wrongKind } from '../../kind.js'
import { decodeText } from '../../line-text.js'
import type { Controller, HoldingController } from '../../stage.js'
import type { Passed, StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'
import { RewrittenTransformer } from './rewritten.js'
import { TextOutput } from './text-output.js'

/** The part of a rewritten run that all connections share. */
export interface LoopWork {
  /** The stages that the loop replaces: a decoder, maps, an encoder. */
  readonly run: readonly PlannedStage[]
  readonly encoding: LineEncoding
  /** Whether a CR in front of the line feed is part of the delimiter. */
  readonly stripsCr: boolean
  readonly maps: readonly LineMap[]
}

export interface LineMap {
  readonly name: string
  readonly line: BlockMap
}

const CR = 0x0d
/** From this length on a line is encoded by itself; shorter lines are joined first. */
const MIN_LONG_LINE_CHARACTERS = 1_024

/** Complete lines that the loop has not taken yet. */
interface Remainder {
  readonly text: string
  /** Start of the first line that is left. */
  readonly from: number
  readonly stripsCr: boolean
}

/**
 * Takes each line through all maps in one loop, in place of the calls from stage to stage. At a map that returns a promise the
 * loop stops, and goes on behind that map when the promise has settled.
 */
export class LoopTransformer extends RewrittenTransformer {
  readonly #decoder: BlockDecoder
  readonly #work: LoopWork
  readonly #connection: Connection
  readonly #output: TextOutput
  /** Lines and their characters that have left the decoder (index 0) and each map. */
  readonly #items: number[]
  readonly #characters: number[]
  /** The lines behind one whose promise has not settled, in order. */
  #remainders: Remainder[] = []
  /** Index of the map that has returned that promise; undefined where none is waited for. */
  #pendingMap: number | undefined
  /** Take what the promise settles to; made with the first promise. */
  #onLine: ((line: unknown) => void) | undefined
  #onError: ((cause: unknown) => void) | undefined

  constructor(decoder: BlockDecoder, work: LoopWork, connection: Connection) {
    super()
    this.#output = new TextOutput(work.encoding)
    this.#decoder = decoder
    this.#work = work
    this.#connection = connection
    this.#items = new Array(work.maps.length + 1).fill(0)
    this.#characters = [...this.#items]
  }

  counts(given: Passed, out: Passed): StageCounts[] {
    const { run } = this.#work
    let before = given
    return run.map(({ name }, index) => {
      const after =
        index === run.length - 1
          ? out
          : { items: this.#items[index] as number, bytes: this.#characters[index] as number }
      const counts = { name, in: before, out: after }
      before = after
      return counts
    })
  }

  /** Returns the output, from now on in memory that it lends: the caller must call `reclaim` after each turn. */
  lend(): TextOutput {
    this.#output.lends = true
    return this.#output
  }

  /** The name of the map whose promise is waited for. */
  get pending(): string {
    return (this.#work.maps[this.#pendingMap as number] as LineMap).name
  }

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    try {
      this.#decoder.push(chunk, block => this.#take(controller, decodeText(block, this.#work.encoding)))
    } catch (cause) {
      // The output from before the failure still leaves.
      this.readComplete(controller)
      throw cause
    }
  }

  readComplete(controller: Controller<Buffer>): void {
    const bytes = this.#output.take()
    if (bytes !== undefined) controller.enqueue(bytes)
  }

  unfinished(): number {
    return this.#decoder.unfinished?.() ?? 0
  }

  flush(controller: Controller<Buffer>): void {
    const rest = this.#decoder.end()
    if (rest === undefined) return
    // Without a line feed behind it, a CR at the end is no part of a delimiter.
    this.#take(controller, `${decodeText(rest, this.#work.encoding)}\n`, false)
    this.readComplete(controller)
  }

  /** Maps complete lines, each with a line feed at its end. */
  #take(controller: Controller<Buffer>, text: string, stripsCr = this.#work.stripsCr): void {
    if (this.#pendingMap === undefined && this.#remainders.length === 0)
      this.#run(controller, text, 0, stripsCr)
    else this.#remainders.push({ text, from: 0, stripsCr })
  }

  #run(controller: Controller<Buffer>, text: string, start: number, stripsCr: boolean): void {
    const { maps } = this.#work
    const characters = this.#characters
    const connection = this.#connection
    const first = characters[0] as number
    let made = ''
    let lines = 0
    let length = 0
    let from = start
    let at = 0
    try {
      for (let end = text.indexOf('\n', from); end !== -1; end = text.indexOf('\n', from)) {
        let line = text.slice(from, stripsCr && end > from && text.charCodeAt(end - 1) === CR ? end - 1 : end)
        length += line.length
        for (at = 0; at < maps.length; at++) {
          line = (maps[at] as LineMap).line(line, connection) as string
          if (typeof line !== 'string') {
            this.#remainders.unshift({ text, from: end + 1, stripsCr })
            this.#await(controller as HoldingController<Buffer>, line, at)
            return
          }
          ;(characters[at + 1] as number) += line.length
        }
        if (line.length < MIN_LONG_LINE_CHARACTERS) {
          made += line
          made += '\n'
        } else {
          if (made !== '') this.#output.add(made)
          this.#output.addLine(line)
          made = ''
        }
        from = end + 1
        lines++
        at = 0
      }
      at = -1
    } catch (cause) {
      throw blame((maps[at] as LineMap).name, 'transform', cause)
    } finally {
      if (made !== '') this.#output.add(made)
      characters[0] = first + length
      // A line that failed or waits has left the stages before the map at index `at`. Without one `at` is -1.
      const items = this.#items
      for (let index = 0; index < items.length; index++) {
        ;(items[index] as number) += index <= at ? lines + 1 : lines
      }
    }
  }

  /** Waits for the line that the map at index `at` promises. */
  #await(link: HoldingController<Buffer>, promise: unknown, at: number): void {
    if (!isThenable(promise)) throw wrongKind((this.#work.maps[at] as LineMap).name, 'line', promise)
    this.#pendingMap = at
    this.#onLine ??= line => this.#goOn(link, line)
    this.#onError ??= cause => this.#fail(link, blame(this.pending, 'transform', cause))
    link.hold()
    Promise.resolve(promise).then(this.#onLine, this.#onError)
  }

  /** Goes on with a line that a map had promised. */
  #goOn(link: HoldingController<Buffer>, line: unknown): void {
    if (!link.waits) return
    const at = this.#pendingMap as number
    this.#pendingMap = undefined
    try {
      this.#finishLine(link, at, line)
      while (this.#pendingMap === undefined) {
        const next = this.#remainders.shift()
        if (next === undefined) break
        this.#run(link, next.text, next.from, next.stripsCr)
      }
      link.release()
    } catch (cause) {
      this.#fail(link, cause)
    }
  }

  #fail(link: HoldingController<Buffer>, cause: unknown): void {
    if (!link.waits) return
    this.readComplete(link)
    link.error(cause)
  }

  /** Takes a line, which has left the map at index `at`, through the maps behind that. */
  #finishLine(link: HoldingController<Buffer>, at: number, settled: unknown): void {
    const { maps } = this.#work
    let line = settled
    for (let index = at; ; ) {
      if (typeof line !== 'string') {
        if (index === at) throw wrongKind((maps[at] as LineMap).name, 'line', line)
        this.#await(link, line, index)
        return
      }
      ;(this.#items[index + 1] as number)++
      ;(this.#characters[index + 1] as number) += line.length
      if (++index === maps.length) break
      const { name, line: change } = maps[index] as LineMap
      try {
        line = change(line, this.#connection)
      } catch (cause) {
        throw blame(name, 'transform', cause)
      }
    }
    this.#output.add(`${line}\n`)
  }
}
