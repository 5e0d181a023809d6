import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { InvalidFrameError } from '../../errors.js'
import type { Frame } from '../../kind.js'
import { choice } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { type Controller, stage, type TransformerStage } from '../../stage.js'
import { parse3164 } from './syslog-3164.js'
import { parse5424, SyslogFault } from './syslog-5424.js'
import type { SyslogMessage } from './syslog-message.js'

const OPTIONS = {
  invalid: choice(['error', 'report', 'skip'], {
    default: 'error',
    help: 'what happens to a message of RFC 5424 that breaks its rules: it ends the connection behind the messages before it, goes to onError and is left out, or is left out without a word',
  }),
}

/** Options of `syslog()`. */
export type SyslogOptions = OptionsOf<typeof OPTIONS>

/**
 * Parses messages of syslog. Takes frames, as `octetCounted()` gives them, and emits a `SyslogMessage` for each.
 *
 * A message that begins with a priority and version 1, as in `<34>1 `, is one of RFC 5424, and has to follow its rules; a
 * parameter that stands in an element several times becomes a list. Any other is read in the manner of RFC 3164, where nothing
 * is required: without a timestamp all of it is text, and without a priority it counts as user.notice (13). In place of the
 * timestamp of RFC 3164 there may be one of RFC 3339, and a tag in place of the host name. Bytes that are not UTF-8 become
 * U+FFFD. An empty message says nothing, and is left out.
 *
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws InvalidFrameError on the connection (outcome `invalid-frame`) with `invalid: 'error'`.
 * @example
 * pipeline().through(octetCounted()).through(syslog({ invalid: 'report' })).through(toJsonLines()).through(toLines())
 */
export const syslog: StageFactory<(options?: SyslogOptions) => TransformerStage<Frame, SyslogMessage>> =
  defineStage({
    name: 'syslog',
    summary: 'parses messages of syslog, RFC 5424 and RFC 3164',
    accepts: 'frame',
    emits: 'value',
    isProposed: false,
    // The names of the fields, and up to six characters of JSON for a byte.
    memory: { perByte: 6, perItem: 90 },
    options: OPTIONS,
    examples: ['octet-counted | syslog --invalid report | to-json-lines | to-lines'],
    make: ({ invalid }) => {
      const parse = (frame: Frame, controller: Controller<SyslogMessage>) => {
        if (frame.length === 0) return
        const text = frame.toString()
        const message = parse5424(text) ?? parse3164(text)
        if (!(message instanceof SyslogFault)) {
          controller.enqueue(message)
          return
        }
        const error = () => new InvalidFrameError('syslog', message.what)
        if (invalid === 'error') throw error()
        if (invalid === 'report') controller.report(error)
      }
      const transformer = { transform: parse }
      return stage<Frame, SyslogMessage>({
        name: 'syslog',
        accepts: 'frame',
        emits: 'value',
        lazy: true,
        asks: false,
        open: () => transformer,
      })
    },
  })
