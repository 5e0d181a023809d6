import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { text } from '../../options/option.js'
import { map, type TransformerStage } from '../../stage.js'

/**
 * Replaces each occurrence of a text in each line, from the left. Both texts are literal: no character of them has a
 * meaning of its own, and what was put in is not searched again.
 *
 * @param text - What to look for, one character or more.
 * @param by - What to put in its place; the empty text takes it out.
 * @throws InvalidOptionError when one of them is no text, or `text` is empty.
 * @example
 * pipeline().through(lines()).through(replace('colour', 'color')).through(toLines())
 */
export const replace: StageFactory<(text: string, by: string) => TransformerStage<string, string>> =
  defineStage({
    name: 'replace',
    summary: 'replaces each occurrence of a text in each line',
    accepts: 'line',
    emits: 'line',
    arguments: [
      { text: text({ minimum: 1, help: 'what to look for, one character or more' }) },
      { by: text({ help: 'what to put in its place; the empty text takes it out' }) },
    ],
    examples: ['lines | replace colour color | to-lines'],
    make: ({ text, by }) => {
      // As text, `by` could mean more than itself: `$&` stands for what was found.
      const put = () => by
      return map('replace', line => line.replaceAll(text, put), { asks: false })
    },
  })
