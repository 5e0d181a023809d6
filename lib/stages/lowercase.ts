import type { TransformerStage } from '../stage.js'
import { type LetterCaseOptions, letterCase } from './letter-case.js'

/**
 * Lower-cases each line: A to Z, or with `mode: 'unicode'` every letter. Stands behind `lines()`: a raw chunk may cut
 * a character in half.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(lowercase()).through(unlines())
 */
export function lowercase(options: LetterCaseOptions = {}): TransformerStage<string, string> {
  return letterCase('lowercase', text => text.toLowerCase(), options)
}
