import type { TransformerStage } from '../stage.js'
import { type FromTextOptions, type TextRules, textDecoder } from './text-decoder.js'

const RULES: TextRules = { name: 'fromHex', encoding: 'hex', groupLength: 2, foreign: /[^0-9A-Fa-f]/ }

/**
 * Turns pairs of hexadecimal digits (RFC 4648 §8, base16), in upper or lower case, back into bytes, up to one digit
 * behind. Other characters are refused; so are line feeds, unless they are skipped.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`), behind the bytes before the fault.
 * @example
 * pipeline().through(fromHex({ lineFeeds: 'skip' }))
 */
export function fromHex(options: FromTextOptions = {}): TransformerStage<Buffer, Buffer> {
  return textDecoder(RULES, options)
}
