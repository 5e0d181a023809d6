import { checkChoice, checkInteger, checkNames } from '../check-option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'
import {
  LineBlocks,
  type LineDelimiter,
  type LineOverflow,
  type LineRules,
  PlainBlocks,
} from './line-blocks.js'
import { splitStream } from './split-stream.js'

/** Options of `lines()`. */
export interface LinesOptions {
  /** What ends a line: `'\n'` alone, so that a CR is content, or `'\r?\n'`. @default '\r?\n' */
  readonly delimiter?: LineDelimiter
  /** How bytes become text. `utf8` turns invalid bytes into U+FFFD; `latin1` keeps every byte. @default 'utf8' */
  readonly encoding?: 'utf8' | 'latin1'
  /** The longest line, in bytes without its delimiter, finished or not. @default 65536 */
  readonly maxLength?: number
  /**
   * What happens to a longer line: `error` ends the connection behind the lines before it, `truncate` emits its first
   * `maxLength` bytes (never half a UTF-8 character), `skip` leaves it out. @default 'error'
   */
  readonly overflow?: LineOverflow
  /** What happens to an unfinished last line at the end of the input. @default 'emit' */
  readonly partial?: 'emit' | 'drop'
}

/** A string has a length limit in V8, and no protocol has longer lines. */
const LARGEST_MAX_LENGTH = 268_435_456

/**
 * Cuts bytes into lines, without their delimiters. A line within `maxLength` comes out the same however its bytes were
 * cut; memory is bounded by `maxLength` and one chunk.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @example
 * pipeline().through(lines({ maxLength: 4096 })).through(uppercase()).through(unlines())
 */
export function lines(options: LinesOptions = {}): TransformerStage<Buffer, string> {
  const {
    delimiter = '\r?\n',
    encoding = 'utf8',
    maxLength = 65_536,
    overflow = 'error',
    partial = 'emit',
  } = options
  checkNames('lines()', options, ['delimiter', 'encoding', 'maxLength', 'overflow', 'partial'])
  checkChoice('lines()', 'delimiter', delimiter, ['\n', '\r?\n'])
  checkChoice('lines()', 'encoding', encoding, ['utf8', 'latin1'])
  checkInteger('lines()', 'maxLength', maxLength, 1, LARGEST_MAX_LENGTH)
  checkChoice('lines()', 'overflow', overflow, ['error', 'truncate', 'skip'])
  checkChoice('lines()', 'partial', partial, ['emit', 'drop'])
  const rules: LineRules = { delimiter, encoding, maxLength, overflow, partial }
  return stage<Buffer, string>({
    name: 'lines',
    accepts: 'bytes',
    emits: 'line',
    open: () => new LineTransformer(rules),
    stream: (_connection, fail) => splitStream(new LineBlocks(rules), rules, fail),
    blocks: { role: 'decode', encoding, open: () => new PlainBlocks(rules) },
  })
}

class LineTransformer implements Transformer<Buffer, string> {
  readonly #rules: LineRules
  readonly #blocks: LineBlocks

  constructor(rules: LineRules) {
    this.#rules = rules
    this.#blocks = new LineBlocks(rules)
  }

  transform(chunk: Buffer, controller: Controller<string>): void {
    this.#blocks.push(chunk, block => this.#split(block, controller))
  }

  flush(controller: Controller<string>): void {
    const rest = this.#blocks.end()
    if (rest !== undefined) controller.enqueue(rest.toString(this.#rules.encoding))
  }

  /** A block of complete lines is decoded at once: no byte of a UTF-8 character is a line feed. */
  #split(block: Buffer, controller: Controller<string>): void {
    const { encoding, delimiter } = this.#rules
    const text = block.toString(encoding)
    const stripsCr = delimiter === '\r?\n'
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const cr = stripsCr && end > from && text.charCodeAt(end - 1) === 0x0d
      controller.enqueue(text.slice(from, cr ? end - 1 : end))
      from = end + 1
    }
  }
}
