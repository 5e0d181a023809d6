import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { Frame } from '../../kind.js'
import { encodeText } from '../../line-text.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, internalStage, type Transformer, type TransformerStage } from '../../stage.js'
import { frameEncoder } from '../frames/frame-encoder.js'

const OPTIONS = {
  delimiter: choice(['\n', '\r\n'], { default: '\n', help: 'what is put after each line' }),
  encoding: choice(['utf8', 'latin1', 'buffer'], {
    default: 'utf8',
    help: 'how text becomes bytes, the encoding that lines was given; with buffer it takes frames',
  }),
}

/** Options of `toLines()`. */
export type ToLinesOptions = OptionsOf<typeof OPTIONS>

/**
 * Turns lines into bytes, each line with a delimiter behind it: the encoder for `lines()`. Takes lines, or frames with
 * `encoding: 'buffer'`, and emits bytes. All lines that result from one read from the peer become one chunk. A line
 * that contains a delimiter is written as it is.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(toLines({ delimiter: '\r\n' }))
 */
export const toLines = defineStage({
  name: 'toLines',
  summary: 'puts a delimiter behind each line',
  accepts: 'line',
  emits: 'bytes',
  memory: ({ delimiter }) => ({ perItem: delimiter.length }),
  variant: { option: 'encoding', value: 'buffer', accepts: 'frame' },
  options: OPTIONS,
  examples: ["lines | to-lines --delimiter '\\r\\n'"],
  make: ({ delimiter, encoding }) =>
    encoding === 'buffer' ? frameLines(delimiter) : textLines(delimiter, encoding),
}) as StageFactory<{
  (options: FrameToLinesOptions): TransformerStage<Frame, Buffer>
  (options?: TextToLinesOptions): TransformerStage<string, Buffer>
}>

// With names, and no intersections in the signatures, the compiler's message for a mistyped option is short.
interface FrameToLinesOptions extends ToLinesOptions {
  readonly encoding: 'buffer'
}

interface TextToLinesOptions extends ToLinesOptions {
  readonly encoding?: 'utf8' | 'latin1' | undefined
}

function frameLines(delimiter: string): TransformerStage<Frame, Buffer> {
  const bytes = Buffer.from(delimiter)
  return frameEncoder('toLines', {
    maxSize: ({ length }) => length + bytes.length,
    write: (frame, to, at) => {
      to.set(frame, at)
      to.set(bytes, at + frame.length)
      return at + frame.length + bytes.length
    },
  })
}

function textLines(delimiter: string, encoding: 'utf8' | 'latin1'): TransformerStage<string, Buffer> {
  return internalStage<string, Buffer>({
    pure: true,
    name: 'toLines',
    accepts: 'line',
    emits: 'bytes',
    lazy: true,
    asks: false,
    open: () => new ToLinesTransformer(delimiter, encoding),
    ...(delimiter === '\n' ? { blocks: { role: 'encode', encoding } as const } : {}),
  })
}

/** Encoder of lines, for one connection. */
class ToLinesTransformer implements Transformer<string, Buffer> {
  readonly #delimiter: string
  readonly #encoding: 'utf8' | 'latin1'
  /** Lines of the current turn, with their delimiters. */
  #text = ''

  constructor(delimiter: string, encoding: 'utf8' | 'latin1') {
    this.#delimiter = delimiter
    this.#encoding = encoding
  }

  transform(line: string): void {
    this.#text += line
    this.#text += this.#delimiter
  }

  readComplete(controller: Controller<Buffer>): void {
    if (this.#text === '') return
    const bytes = encodeText(this.#text, this.#encoding)
    this.#text = ''
    controller.enqueue(bytes)
  }
}
