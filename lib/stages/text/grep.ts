import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { boolean, text } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

const OPTIONS = { invert: boolean({ default: false, help: 'hands on the other lines' }) }

/** Options of `grep()`. */
export type GrepOptions = OptionsOf<typeof OPTIONS>

/**
 * Passes on the lines that contain a string, or with `invert` the lines that do not, and drops the others. Takes and
 * emits lines. The string is literal: no character of it is special, and upper and lower case differ.
 *
 * @param text - The string to look for. Every line contains the empty string.
 * @throws InvalidOptionError when `text` is not a string, for an option that does not exist or a value that is not
 * allowed.
 * @example
 * pipeline().through(lines()).through(grep('ERROR')).through(toLines())
 */
export const grep: StageFactory<(text: string, options?: GrepOptions) => TransformerStage<string, string>> =
  defineStage({
    name: 'grep',
    summary: 'hands on the lines that contain a text',
    accepts: 'line',
    emits: 'line',
    memory: {},
    arguments: [{ text: text({ help: 'what to look for; every line contains the empty text' }) }],
    options: OPTIONS,
    examples: ['lines | grep ERROR | to-lines'],
    make: ({ text, invert }) => {
      // One transformer serves all connections, since it has no state.
      const transformer: Transformer<string, string> = {
        transform(line: string, controller: Controller<string>) {
          if (line.includes(text) !== invert) controller.enqueue(line)
        },
      }
      return stage<string, string>({
        name: 'grep',
        accepts: 'line',
        emits: 'line',
        lazy: true,
        asks: false,
        open: () => transformer,
      })
    },
  })
