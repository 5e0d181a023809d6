import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { FROM_TEXT_OPTIONS, type FromTextOptions, type TextRules, textDecoder } from './text-decoder.js'

const RULES: TextRules = { name: 'fromHex', encoding: 'hex', groupLength: 2, nonDigit: /[^0-9A-Fa-f]/ }

/**
 * Turns pairs of hexadecimal digits (RFC 4648 §8, base16), in upper or lower case, back into bytes, up to one digit
 * behind. Other characters are refused; so are line feeds, unless they are skipped.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`), behind the bytes before the fault.
 * @example
 * pipeline().through(fromHex({ lineFeeds: 'skip' }))
 */
export const fromHex: StageFactory<(options?: FromTextOptions) => TransformerStage<Buffer, Buffer>> =
  defineStage({
    name: 'fromHex',
    summary: 'turns hexadecimal digits back into bytes',
    accepts: 'bytes',
    emits: 'bytes',
    options: FROM_TEXT_OPTIONS,
    examples: ['from-hex --line-feeds skip'],
    make: ({ lineFeeds }) => textDecoder(RULES, lineFeeds),
  })
