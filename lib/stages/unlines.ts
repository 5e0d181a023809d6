import { checkChoice, checkNames } from '../check-option.js'
import type { Frame } from '../kind.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'

/** Options of `unlines()`. */
export interface UnlinesOptions {
  /** What is put after each line. @default '\n' */
  readonly delimiter?: '\n' | '\r\n'
  /** How text becomes bytes, the encoding that `lines()` was given; with `buffer` it takes frames. @default 'utf8' */
  readonly encoding?: 'utf8' | 'latin1' | 'buffer'
}

/**
 * Turns lines into bytes, each with a delimiter behind it, also where the line has one in it. What one read from the
 * peer caused becomes one chunk. With `encoding: 'buffer'` it takes frames, otherwise text.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(unlines({ delimiter: '\r\n' }))
 */
export function unlines(
  options: UnlinesOptions & { readonly encoding: 'buffer' },
): TransformerStage<Frame, Buffer>
export function unlines(
  options?: UnlinesOptions & { readonly encoding?: 'utf8' | 'latin1' },
): TransformerStage<string, Buffer>
export function unlines(
  options: UnlinesOptions = {},
): TransformerStage<string, Buffer> | TransformerStage<Frame, Buffer> {
  const { delimiter = '\n', encoding = 'utf8' } = options
  checkNames('unlines()', options, ['delimiter', 'encoding'])
  checkChoice('unlines()', 'delimiter', delimiter, ['\n', '\r\n'])
  checkChoice('unlines()', 'encoding', encoding, ['utf8', 'latin1', 'buffer'])
  if (encoding === 'buffer') {
    const bytes = Buffer.from(delimiter)
    return stage<Frame, Buffer>({
      name: 'unlines',
      accepts: 'frame',
      emits: 'bytes',
      open: () => new UnframesTransformer(bytes),
    })
  }
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

class UnframesTransformer implements Transformer<Frame, Buffer> {
  readonly #delimiter: Buffer
  /** Undefined while there is nothing, so that an idle connection holds nothing. */
  #frames: Buffer[] | undefined

  constructor(delimiter: Buffer) {
    this.#delimiter = delimiter
  }

  transform(frame: Frame): void {
    this.#frames ??= []
    this.#frames.push(frame, this.#delimiter)
  }

  readComplete(controller: Controller<Buffer>): void {
    if (this.#frames === undefined) return
    const bytes = Buffer.concat(this.#frames)
    this.#frames = undefined
    controller.enqueue(bytes)
  }
}
