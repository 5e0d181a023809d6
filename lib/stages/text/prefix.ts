import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { text } from '../../options/option.js'
import { map, type TransformerStage } from '../../stage.js'

/**
 * Puts a text before each line.
 *
 * @param text - What to put there. Nothing is added between it and the line.
 * @throws InvalidOptionError when `text` is no text.
 * @example
 * pipeline().through(lines()).through(prefix('> ')).through(toLines())
 */
export const prefix: StageFactory<(text: string) => TransformerStage<string, string>> = defineStage({
  name: 'prefix',
  summary: 'puts a text before each line',
  accepts: 'line',
  emits: 'line',
  arguments: [{ text: text({ help: 'what to put there; nothing is added between it and the line' }) }],
  examples: ["lines | prefix '> ' | to-lines"],
  make: ({ text }) => map('prefix', line => text + line, { asks: false }),
})
