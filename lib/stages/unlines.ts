import { checkChoice, checkNames } from '../check-option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'

/** Options of `unlines()`. */
export interface UnlinesOptions {
  /** What is put after each line. @default '\n' */
  readonly delimiter?: '\n' | '\r\n'
  /** How text becomes bytes; the encoding that `lines()` was given. @default 'utf8' */
  readonly encoding?: 'utf8' | 'latin1'
}

/**
 * Turns lines into bytes, each with a delimiter behind it. What one read from the peer caused becomes one chunk.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(unlines({ delimiter: '\r\n' }))
 */
export function unlines(options: UnlinesOptions = {}): TransformerStage<string, Buffer> {
  const { delimiter = '\n', encoding = 'utf8' } = options
  checkNames('unlines()', options, ['delimiter', 'encoding'])
  checkChoice('unlines()', 'delimiter', delimiter, ['\n', '\r\n'])
  checkChoice('unlines()', 'encoding', encoding, ['utf8', 'latin1'])
  return stage<string, Buffer>({
    name: 'unlines',
    accepts: 'line',
    emits: 'bytes',
    open: () => new UnlinesTransformer(delimiter, encoding),
    ...(delimiter === '\n' ? { blocks: { role: 'encode', encoding } as const } : {}),
  })
}

class UnlinesTransformer implements Transformer<string, Buffer> {
  readonly #delimiter: string
  readonly #encoding: 'utf8' | 'latin1'
  #text = ''

  constructor(delimiter: string, encoding: 'utf8' | 'latin1') {
    this.#delimiter = delimiter
    this.#encoding = encoding
  }

  transform(line: string): void {
    this.#text += line + this.#delimiter
  }

  readComplete(controller: Controller<Buffer>): void {
    if (this.#text === '') return
    const bytes = Buffer.from(this.#text, this.#encoding)
    this.#text = ''
    controller.enqueue(bytes)
  }
}
