import { checkInteger, checkNames, checkText } from '../check-option.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../stage.js'

/** Options of `number()`. */
export interface NumberOptions {
  /** The number of a connection's first line. @default 1 */
  readonly start?: number
  /** What stands between the number and the line. @default ': ' */
  readonly separator?: string
  /** The least width of the number, in characters; spaces before it fill it up. @default 0 */
  readonly width?: number
}

/**
 * Puts its number before each line. Each connection counts for itself.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(number({ separator: '\t', width: 6 })).through(unlines()) // as `cat -n`
 */
export function number(options: NumberOptions = {}): TransformerStage<string, string> {
  const { start = 1, separator = ': ', width = 0 } = options
  checkNames('number()', options, ['start', 'separator', 'width'])
  checkInteger('number()', 'start', start, 0, 1_000_000_000_000_000)
  checkText('number()', 'separator', separator)
  checkInteger('number()', 'width', width, 0, 100)
  return stage<string, string>({
    name: 'number',
    accepts: 'line',
    emits: 'line',
    open: () => new NumberTransformer(start, separator, width),
  })
}

class NumberTransformer implements Transformer<string, string> {
  readonly #separator: string
  readonly #width: number
  #next: number

  constructor(start: number, separator: string, width: number) {
    this.#next = start
    this.#separator = separator
    this.#width = width
  }

  transform(line: string, controller: Controller<string>): void {
    controller.enqueue(String(this.#next++).padStart(this.#width) + this.#separator + line)
  }
}
