import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { map, type TransformerStage } from '../../stage.js'

/** The option of `uppercase()` and `lowercase()`. */
export const LETTER_CASE_OPTIONS = {
  mode: choice(['ascii', 'unicode'], {
    default: 'ascii',
    help: 'ascii changes no other letter and no length, in any encoding; unicode changes every letter by the rules of Unicode, the same in every locale: a line may get longer (ß becomes SS), and only encoding utf8 can write it',
  }),
}

/** Options of `uppercase()` and `lowercase()`. */
export type LetterCaseOptions = OptionsOf<typeof LETTER_CASE_OPTIONS>

const NON_ASCII = /[\u0080-\uffff]/
const ASCII_RUN = /[^\u0080-\uffff]+/g

/** Makes a stage that changes the case of letters; `change` is `toUpperCase` or `toLowerCase` of a string. */
export function letterCase(
  name: string,
  change: (text: string) => string,
  mode: 'ascii' | 'unicode',
): TransformerStage<string, string> {
  if (mode === 'unicode') return map(name, line => change(line))
  // `change` alone would reach é, ß, µ and ÿ, and give some of them more than one character.
  const asciiOnly = (line: string) =>
    NON_ASCII.test(line) ? line.replace(ASCII_RUN, run => change(run)) : change(line)
  return map(name, asciiOnly, { bytewise: true })
}
