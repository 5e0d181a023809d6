import type { LineEncoding } from '../../block-role.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory, StageMemory } from '../../definition.js'
import type { Frame } from '../../kind.js'
import { decodeText } from '../../line-text.js'
import { type Controller, internalStage, type TransformerStage } from '../../stage.js'
import { ExactTextLines, FrameLines } from './exact-lines.js'
import { lineBlocks, PlainBlocks } from './line-blocks.js'
import { LineDecoder } from './line-decoder.js'
import { LINES_OPTIONS, type LineRules, type LinesOptions, lineRules } from './line-rules.js'
import { loadSplit2, splitStream } from './split-stream.js'

/**
 * Cuts bytes into lines. Takes bytes and emits lines as text, without their delimiter unless `keep` is set; with
 * `encoding: 'buffer'` it emits each line as a frame. `toLines()` is the encoder.
 *
 * The wire format is that of POSIX text files (LF), that of the network protocols since RFC 854 (CR LF), or either of
 * them, which is the default. With `profile` the rules are those of another line decoder.
 *
 * The lines do not depend on how the input was cut into chunks. Memory is bounded by `maxLength` and one chunk.
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
  memory: (settings, given) => memoryWith(lineRules(settings, given)),
  variant: { option: 'encoding', value: 'buffer', emits: 'frame' },
  options: LINES_OPTIONS,
  examples: ['lines --max-length 4KiB --overflow truncate | to-lines', 'lines --profile netty | to-lines'],
  make: (settings, given) => {
    const rules = lineRules(settings, given)
    return rules.encoding === 'buffer' ? frames(rules) : textLines(rules, rules.encoding)
  },
}) as StageFactory<{
  (options: FrameLinesOptions): TransformerStage<Buffer, Frame>
  (options?: TextLinesOptions): TransformerStage<Buffer, string>
}>

/** A line is measured in UTF-8, where a byte of latin1 takes up to two, and U+FFFD for a byte that is not UTF-8 three. */
function memoryWith({ encoding, isStrict, delimiter, maxLength }: LineRules): StageMemory {
  return {
    perByte: encoding === 'latin1' ? 2 : encoding === 'utf8' && !isStrict ? 3 : 1,
    itemsPerByte: 1 / (delimiter === '\r\n' ? 2 : 1),
    frame: maxLength + 2,
  }
}

// With names, and no intersections in the signatures, the compiler's message for a mistyped option is short.
interface FrameLinesOptions extends LinesOptions {
  readonly encoding: 'buffer'
}

interface TextLinesOptions extends LinesOptions {
  readonly encoding?: 'utf8' | 'latin1' | undefined
}

/** Every line ends with an LF, unless a long one is cut into pieces. */
const endOf = ({ overflow }: LineRules) => (overflow === 'split' ? {} : { frameEnd: 0x0a })

function frames(rules: LineRules): TransformerStage<Buffer, Frame> {
  // No `stream`: split2 can only make text.
  return internalStage<Buffer, Frame>({
    name: 'lines',
    accepts: 'bytes',
    emits: 'frame',
    ...endOf(rules),
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
    ...endOf(rules),
    lazy: true,
    asks: false,
    consumes: true,
    open: () => (rules.isPlain ? new LineTransformer(rules) : new ExactTextLines(rules)),
    // No `stream` where a line may be cut into pieces: split2 would hold a piece until the next delimiter.
    ...(rules.overflow === 'split'
      ? {}
      : {
          stream: (_connection, fail, report) => splitStream(lineBlocks(rules), rules, fail, { report }),
          load: loadSplit2,
        }),
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

/** Decoder that decodes a block of lines at once. */
class LineTransformer extends LineDecoder<string> {
  protected override emit(line: Buffer, controller: Controller<string>): void {
    controller.enqueue(decodeText(line, this.rules.encoding as LineEncoding))
  }

  /** Decodes a block before splitting it, which is right since no byte of a longer UTF-8 character is a line feed. */
  protected override split(block: Buffer, controller: Controller<string>): void {
    const { encoding, delimiter } = this.rules
    const text = decodeText(block, encoding as LineEncoding)
    const stripsCr = delimiter === '\r?\n'
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      const hasCr = stripsCr && end > from && text.charCodeAt(end - 1) === 0x0d
      controller.enqueue(text.slice(from, hasCr ? end - 1 : end))
      from = end + 1
    }
  }
}
