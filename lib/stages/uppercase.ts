import type { TransformerStage } from '../stage.js'
import { type LetterCaseOptions, letterCase } from './letter-case.js'

/**
 * Upper-cases each line: a to z, or with `mode: 'unicode'` every letter. Stands behind `lines()`: a raw chunk may cut
 * a character in half.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(uppercase()).through(unlines())
 */
export function uppercase(options: LetterCaseOptions = {}): TransformerStage<string, string> {
  return letterCase('uppercase', text => text.toUpperCase(), options)
}
