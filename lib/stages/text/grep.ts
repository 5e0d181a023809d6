import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { boolean, text } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type Transformer, type TransformerStage } from '../../stage.js'

const OPTIONS = { invert: boolean({ default: false, help: 'hands on the other lines' }) }

/** Options of `grep()`. */
export type GrepOptions = OptionsOf<typeof OPTIONS>

/**
 * Hands on the lines that contain a text, and leaves the others out. The text is literal: no character of it has a
 * meaning of its own, and its case counts.
 *
 * @param text - What to look for. Every line contains the empty text.
 * @throws InvalidOptionError when `text` is no text, for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(grep('ERROR')).through(toLines())
 */
export const grep: StageFactory<(text: string, options?: GrepOptions) => TransformerStage<string, string>> =
  defineStage({
    name: 'grep',
    summary: 'hands on the lines that contain a text',
    accepts: 'line',
    emits: 'line',
    arguments: [{ text: text({ help: 'what to look for; every line contains the empty text' }) }],
    options: OPTIONS,
    examples: ['lines | grep ERROR | to-lines'],
    make: ({ text, invert }) => {
      // It keeps nothing of a connection, so one serves all.
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
