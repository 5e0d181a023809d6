import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { text } from '../../options/option.js'
import { map, type TransformerStage } from '../../stage.js'

/**
 * Replaces each occurrence of a string in each line, from left to right. Takes and emits lines. Both strings are
 * literal: no character of them is special. A replacement is not searched again.
 *
 * @param text - The string to look for, one character or more.
 * @param by - The string to put in its place; the empty string removes it.
 * @throws InvalidOptionError when one of them is not a string, or `text` is empty.
 * @example
 * pipeline().through(lines()).through(replace('colour', 'color')).through(toLines())
 */
export const replace: StageFactory<(text: string, by: string) => TransformerStage<string, string>> =
  defineStage({
    name: 'replace',
    summary: 'replaces each occurrence of a text in each line',
    accepts: 'line',
    emits: 'line',
    memory: ({ text, by }) => ({
      // Half a surrogate pair counts 2 bytes in the pair, and 3 alone.
      perByte:
        Math.max(1, Buffer.byteLength(by) / Buffer.byteLength(text)) *
        (/\p{Surrogate}/u.test(text) ? 1.5 : 1),
    }),
    arguments: [
      { text: text({ minimum: 1, help: 'what to look for, one character or more' }) },
      { by: text({ help: 'what to put in its place; the empty text takes it out' }) },
    ],
    examples: ['lines | replace colour color | to-lines'],
    make: ({ text, by }) => {
      // As a string `by` could contain patterns: in replaceAll() `$&` stands for what was found.
      const put = () => by
      return map('replace', line => line.replaceAll(text, put), { asks: false })
    },
  })
