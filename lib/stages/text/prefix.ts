import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { text } from '../../options/option.js'
import { map, type TransformerStage } from '../../stage.js'

/**
 * Puts a string before each line. Takes and emits lines.
 *
 * @param text - The string. Nothing is added between it and the line.
 * @throws InvalidOptionError when `text` is not a string.
 * @example
 * pipeline().through(lines()).through(prefix('> ')).through(toLines())
 */
export const prefix: StageFactory<(text: string) => TransformerStage<string, string>> = defineStage({
  name: 'prefix',
  summary: 'puts a text before each line',
  accepts: 'line',
  emits: 'line',
  memory: ({ text }) => ({ perItem: Buffer.byteLength(text) }),
  arguments: [{ text: text({ help: 'what to put there; nothing is added between it and the line' }) }],
  examples: ["lines | prefix '> ' | to-lines"],
  make: ({ text }) => map('prefix', line => text + line, { asks: false }),
})
