import { pipeline } from '../pipeline.js'
import { welcome } from '../stages/control/welcome.js'
import { lines } from '../stages/lines/lines.js'
import { toLines } from '../stages/lines/to-lines.js'
import { uppercase as upper } from '../stages/text/uppercase.js'
import type { Preset } from './preset.js'

const defaults = {
  banner: 'Type a line and press Enter. I will shout it back.\n',
  maxLength: 4096,
  overflow: 'error',
} as const

/** Greets the client, then sends back each line with a to z upper-cased and every other byte unchanged. */
export const uppercase: Preset = {
  name: 'uppercase',
  summary: 'greet the client, then send back each line in upper case',
  title: 'Uppercase echo server on',
  trial: (host, port) => `nc ${host} ${port}`,
  defaults,
  pipeline: options => {
    const { banner, maxLength, overflow } = { ...defaults, ...options }
    return pipeline()
      .through(lines({ delimiter: '\n', encoding: 'latin1', maxLength, overflow }))
      .through(upper())
      .through(toLines({ encoding: 'latin1' }))
      .through(welcome(banner))
  },
}
