import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import type { TransformerStage } from '../../stage.js'
import { FROM_TEXT_OPTIONS, type FromTextOptions, type TextRules, textDecoder } from './text-decoder.js'

const RULES: TextRules = {
  name: 'fromBase64',
  encoding: 'base64',
  groupLength: 4,
  nonDigit: /[^A-Za-z0-9+/]/,
  // The bits that stand for no byte are zero (RFC 4648 §3.5), so that bytes have one text only.
  padding: {
    whole: /^[A-Za-z0-9+/](?:[AQgw]==|[A-Za-z0-9+/][AEIMQUYcgkosw048]=)$/,
    partial: /^[A-Za-z0-9+/][AQgw]=$/,
  },
}

/**
 * Turns base64 (RFC 4648 §4) back into bytes, up to three characters behind. It is strict: the padding must be there
 * and end the input, and other characters are refused, also `-` and `_`. So are line feeds, unless they are skipped,
 * as MIME (RFC 2045 §6.8) needs it.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`), behind the groups before the fault.
 * @example
 * pipeline().through(fromBase64({ lineFeeds: 'skip' }))
 */
export const fromBase64: StageFactory<(options?: FromTextOptions) => TransformerStage<Buffer, Buffer>> =
  defineStage({
    name: 'fromBase64',
    summary: 'turns base64 back into bytes',
    accepts: 'bytes',
    emits: 'bytes',
    options: FROM_TEXT_OPTIONS,
    examples: ['from-base64 --line-feeds skip'],
    make: ({ lineFeeds }) => textDecoder(RULES, lineFeeds),
  })
