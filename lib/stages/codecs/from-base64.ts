import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { FROM_TEXT_OPTIONS, type FromTextOptions, type TextRules, textDecoder } from './text-decoder.js'

const RULES: TextRules = {
  name: 'fromBase64',
  encoding: 'base64',
  groupLength: 4,
  nonDigit: /[^A-Za-z0-9+/]/,
  // The unused bits of the last digit must be zero (RFC 4648 §3.5), so that the same bytes have only one encoding.
  padding: {
    whole: /^[A-Za-z0-9+/](?:[AQgw]==|[A-Za-z0-9+/][AEIMQUYcgkosw048]=)$/,
    partial: /^[A-Za-z0-9+/][AQgw]=$/,
  },
}

/**
 * Decodes base64 (RFC 4648 §4). Takes base64 as bytes and emits the bytes that it stands for. `toBase64()` is the
 * encoder.
 *
 * It is strict: the padding must be there and end the input, and other characters are refused, `-` and `_` of the
 * URL-safe alphabet too. Line feeds and carriage returns are refused as well, unless `lineFeeds` is `'skip'`, as MIME
 * (RFC 2045 §6.8) requires. Up to three characters wait for the rest of their group of four.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) for anything else, behind the bytes of the
 * groups before it.
 * @example
 * pipeline().through(fromBase64({ lineFeeds: 'skip' }))
 */
export const fromBase64: StageFactory<(options?: FromTextOptions) => TransformerStage<Buffer, Buffer>> =
  defineStage({
    name: 'fromBase64',
    summary: 'turns base64 back into bytes',
    accepts: 'bytes',
    emits: 'bytes',
    memory: { perByte: 3 / 4, perRead: 3 },
    options: FROM_TEXT_OPTIONS,
    examples: ['from-base64 --line-feeds skip'],
    make: ({ lineFeeds }) => textDecoder(RULES, lineFeeds),
  })
