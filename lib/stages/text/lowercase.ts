import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { LETTER_CASE_OPTIONS, type LetterCaseOptions, letterCase } from './letter-case.js'

/**
 * Lower-cases each line: A to Z, or with `mode: 'unicode'` every letter. Takes and emits lines, and so stands behind
 * `lines()`: the end of a raw chunk may cut a character in half.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @example
 * pipeline().through(lines()).through(lowercase()).through(toLines())
 */
export const lowercase: StageFactory<(options?: LetterCaseOptions) => TransformerStage<string, string>> =
  defineStage({
    name: 'lowercase',
    summary: 'lower-cases each line: A to Z, or every letter',
    accepts: 'line',
    emits: 'line',
    // By Unicode Ⱥ, of two bytes, becomes ⱥ, of three; and İ becomes two characters.
    memory: ({ mode }) => ({ perByte: mode === 'unicode' ? 2 : 1 }),
    options: LETTER_CASE_OPTIONS,
    examples: ['lines | lowercase | to-lines'],
    make: ({ mode }) => letterCase('lowercase', text => text.toLowerCase(), mode),
  })
