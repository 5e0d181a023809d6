import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { integer, text } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

const OPTIONS = {
  start: integer({
    maximum: 1_000_000_000_000_000,
    default: 1,
    help: "the number of a connection's first line",
  }),
  separator: text({ default: ': ', help: 'what stands between the number and the line' }),
  width: integer({
    maximum: 100,
    default: 0,
    help: 'the least width of the number, in characters; spaces before it fill it up',
  }),
}

/** The digits of 2^53 - 1, beyond which nobody counts. */
const MAX_DIGITS = 16

/** Options of `number()`. */
export type NumberOptions = OptionsOf<typeof OPTIONS>

/**
 * Puts before each line its number and a separator. Takes and emits lines. The lines of each connection are numbered on
 * their own, from `start` (1 by default).
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(number({ separator: '\t', width: 6 })).through(toLines()) // as `cat -n`
 */
export const number: StageFactory<(options?: NumberOptions) => TransformerStage<string, string>> =
  defineStage({
    name: 'number',
    summary: 'puts its number before each line',
    accepts: 'line',
    emits: 'line',
    memory: ({ separator, width }) => ({
      perItem: Math.max(width, MAX_DIGITS) + Buffer.byteLength(separator),
    }),
    options: OPTIONS,
    examples: ["lines | number --separator '\\t' --width 6 | to-lines"],
    make: ({ start, separator, width }) =>
      stage<string, string>({
        name: 'number',
        accepts: 'line',
        emits: 'line',
        lazy: true,
        asks: false,
        open: () => new NumberTransformer(start, separator, width),
      }),
  })

/** The counter of one connection. */
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
