import type { BlockDecoder, LineEncoding } from '../../block-role.js'
import type { Connection } from '../../connection.js'
import { blame } from '../../errors.js'
import { wrongKind } from '../../kind.js'
import { decodeText } from '../../line-text.js'
import type { Controller } from '../../stage.js'
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
  readonly line: (line: string, connection: Connection) => string
}

const CR = 0x0d
/** From this length on a line is encoded by itself; shorter lines are joined first. */
const MIN_LONG_LINE_CHARACTERS = 1_024

/** Takes each line through all maps in one loop, in place of the calls from stage to stage. */
export class LoopTransformer extends RewrittenTransformer {
  readonly #decoder: BlockDecoder
  readonly #work: LoopWork
  readonly #connection: Connection
  readonly #output: TextOutput
  /** Lines and their characters that have left the decoder (index 0) and each map. */
  readonly #items: number[]
  readonly #characters: number[]

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

  transform(chunk: Buffer, controller: Controller<Buffer>): void {
    try {
      this.#decoder.push(chunk, block => this.#take(decodeText(block, this.#work.encoding)))
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
    this.#take(`${decodeText(rest, this.#work.encoding)}\n`, false)
    this.readComplete(controller)
  }

  /** Maps complete lines, each with a line feed at its end. */
  #take(text: string, stripsCr = this.#work.stripsCr): void {
    const { maps } = this.#work
    const characters = this.#characters
    const connection = this.#connection
    const first = characters[0] as number
    let made = ''
    let lines = 0
    let length = 0
    let from = 0
    let at = 0
    try {
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
        let line = text.slice(from, stripsCr && end > from && text.charCodeAt(end - 1) === CR ? end - 1 : end)
        length += line.length
        for (at = 0; at < maps.length; at++) {
          const { name, line: change } = maps[at] as LineMap
          line = change(line, connection)
          if (typeof line !== 'string') throw wrongKind(name, 'line', line)
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
      // The line that failed has left the stages before the map at index `at`. Without a failure `at` is -1.
      for (const index of this.#items.keys()) (this.#items[index] as number) += lines + (index <= at ? 1 : 0)
    }
  }
}
