import type { LineEncoding } from '../../block-role.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { Frame } from '../../kind.js'
import { decodeText } from '../../line-text.js'
import {
  type Controller,
  internalStage,
  stage,
  type Transformer,
  type TransformerStage,
} from '../../stage.js'
import { ExactTextLines, FrameLines } from './exact-lines.js'
import { type LineBlocks, lineBlocks, PlainBlocks } from './line-blocks.js'
import { LINES_OPTIONS, type LineRules, type LinesOptions, lineRules } from './line-rules.js'
import { splitStream } from './split-stream.js'

/**
 * Cuts bytes into lines. A line comes out the same however its bytes were cut; memory is bounded by `maxLength` and one
 * chunk. With `encoding: 'buffer'` it emits frames, otherwise text.
 *
 * The wire format is that of POSIX text files (LF), of the network protocols since RFC 854 (CR LF), or either. With
 * `profile` it is that of a known decoder.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws FrameTooLongError on the connection (outcome `frame-too-long`) with `overflow: 'error'`.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `bare: 'error'` and `partial: 'error'`.
 * @throws InvalidUtf8Error on the connection (outcome `invalid-utf8`) with `invalid: 'error'`.
 * @example
 * pipeline().through(lines({ maxLength: 4096 })).through(uppercase()).through(toLines())
 */
export const lines = defineStage({
  name: 'lines',
  summary: 'cuts bytes into lines',
  accepts: 'bytes',
  emits: 'line',
  holds: 'maxLength',
  variant: { option: 'encoding', value: 'buffer', emits: 'frame' },
  options: LINES_OPTIONS,
  examples: ['lines --max-length 4KiB --overflow truncate | to-lines', 'lines --profile netty | to-lines'],
  make: (settings, given) => {
    const rules = lineRules(settings, given)
    return rules.encoding === 'buffer' ? frames(rules) : textLines(rules, rules.encoding)
  },
}) as StageFactory<{
  (options: LinesOptions & { readonly encoding: 'buffer' }): TransformerStage<Buffer, Frame>
  (options?: LinesOptions & { readonly encoding?: 'utf8' | 'latin1' }): TransformerStage<Buffer, string>
}>

function frames(rules: LineRules): TransformerStage<Buffer, Frame> {
  // No `stream`: split2 makes text only.
  return stage({
    name: 'lines',
    accepts: 'bytes',
    emits: 'frame',
    lazy: true,
    asks: false,
    open: () => new FrameLines(rules),
  })
}

function textLines(rules: LineRules, encoding: 'utf8' | 'latin1'): TransformerStage<Buffer, string> {
  return internalStage<Buffer, string>({
    name: 'lines',
    accepts: 'bytes',
    emits: 'line',
    lazy: true,
    asks: false,
    open: () => (rules.isPlain ? new LineTransformer(rules) : new ExactTextLines(rules)),
    // No `stream` for pieces of lines, which split2 would hold until the next delimiter.
    ...(rules.overflow === 'split'
      ? {}
      : { stream: (_connection, fail, report) => splitStream(lineBlocks(rules), rules, fail, { report }) }),
    ...(rules.isBlockwise
      ? {
          blocks: {
            role: 'decode',
            encoding,
            open: () => new PlainBlocks(rules),
            raw: { open: () => lineBlocks(rules), stripsCr: rules.delimiter === '\r?\n' },
          },
        }
      : {}),
  })
}

class LineTransformer implements Transformer<Buffer, string> {
  readonly #rules: LineRules
  readonly #blocks: LineBlocks

  constructor(rules: LineRules) {
    this.#rules = rules
    this.#blocks = lineBlocks(rules)
  }

  transform(chunk: Buffer, controller: Controller<string>): void {
    this.#blocks.push(chunk, block => this.#split(block, controller), controller)
  }

  unfinished(): number {
    return this.#blocks.unfinished()
  }

  flush(controller: Controller<string>): void {
    const rest = this.#blocks.end(controller)
    if (rest !== undefined) controller.enqueue(decodeText(rest, this.#rules.encoding as LineEncoding))
  }

  /** A block of complete lines is decoded at once: no byte of a UTF-8 character is a line feed. */
  #split(block: Buffer, controller: Controller<string>): void {
    const { encoding, delimiter } = this.#rules
    const text = decodeText(block, encoding as LineEncoding)
    const stripsCr = delimiter === '\r?\n'
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const cr = stripsCr && end > from && text.charCodeAt(end - 1) === 0x0d
      controller.enqueue(text.slice(from, cr ? end - 1 : end))
      from = end + 1
    }
  }
}
