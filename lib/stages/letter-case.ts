import { checkChoice, checkNames } from '../check-option.js'
import { map, type TransformerStage } from '../stage.js'

/** Options of `uppercase()` and `lowercase()`. */
export interface LetterCaseOptions {
  /**
   * `ascii` changes a to z (or A to Z) and no other character, so that a line of any encoding keeps its length and its
   * other bytes. `unicode` changes every letter by the rules of Unicode, the same in every locale; a line may get
   * longer (ß becomes SS), and only `encoding: 'utf8'` can write it. @default 'ascii'
   */
  readonly mode?: 'ascii' | 'unicode'
}

const BEYOND_ASCII = /[\u0080-\uffff]/
const ASCII_RUN = /[^\u0080-\uffff]+/g

/** A stage that gives letters another case; `change` is what JavaScript does to a text without a locale. */
export function letterCase(
  name: string,
  change: (text: string) => string,
  options: LetterCaseOptions,
): TransformerStage<string, string> {
  const { mode = 'ascii' } = options
  checkNames(`${name}()`, options, ['mode'])
  checkChoice(`${name}()`, 'mode', mode, ['ascii', 'unicode'])
  if (mode === 'unicode') return map(name, line => change(line))
  // `change` alone would reach é, ß, µ and ÿ, and give some of them more than one character.
  const bytewise = (text: string, isAscii: boolean) =>
    isAscii ? change(text) : text.replace(ASCII_RUN, run => change(run))
  return map(name, line => bytewise(line, !BEYOND_ASCII.test(line)), { bytewise })
}
