import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { LETTER_CASE_OPTIONS, type LetterCaseOptions, letterCase } from './letter-case.js'

/**
 * Upper-cases each line: a to z, or with `mode: 'unicode'` every letter. Takes and emits lines, and so stands behind
 * `lines()`: the end of a raw chunk may cut a character in half.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(uppercase()).through(toLines())
 */
export const uppercase: StageFactory<(options?: LetterCaseOptions) => TransformerStage<string, string>> =
  defineStage({
    name: 'uppercase',
    summary: 'upper-cases each line: a to z, or every letter',
    accepts: 'line',
    emits: 'line',
    // By Unicode ΐ, of two bytes, becomes three characters of two bytes each.
    memory: ({ mode }) => ({ perByte: mode === 'unicode' ? 3 : 1 }),
    options: LETTER_CASE_OPTIONS,
    examples: ['lines | uppercase | to-lines'],
    make: ({ mode }) => letterCase('uppercase', text => text.toUpperCase(), mode),
  })
