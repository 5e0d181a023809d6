import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { FROM_TEXT_OPTIONS, type FromTextOptions, type TextRules, textDecoder } from './text-decoder.js'

const RULES: TextRules = { name: 'fromHex', encoding: 'hex', groupLength: 2, nonDigit: /[^0-9A-Fa-f]/ }

/**
 * Decodes hexadecimal digits (RFC 4648 §8, base16), in upper or lower case. Takes pairs of digits as bytes and emits
 * the bytes that they stand for. `toHex()` is the encoder.
 *
 * Other characters are refused; so are line feeds and carriage returns, unless `lineFeeds` is `'skip'`. A single digit
 * waits for the second of its pair.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for anything else, and for a single digit at
 * the end of the input, behind the bytes before it.
 * @example
 * pipeline().through(fromHex({ lineFeeds: 'skip' }))
 */
export const fromHex: StageFactory<(options?: FromTextOptions) => TransformerStage<Buffer, Buffer>> =
  defineStage({
    name: 'fromHex',
    summary: 'turns hexadecimal digits back into bytes',
    accepts: 'bytes',
    emits: 'bytes',
    memory: { perByte: 1 / 2, perRead: 1 },
    options: FROM_TEXT_OPTIONS,
    examples: ['from-hex --line-feeds skip'],
    make: ({ lineFeeds }) => textDecoder(RULES, lineFeeds),
  })
