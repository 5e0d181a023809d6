import { choice, text } from '../options/option.js'
import { pipeline } from '../pipeline.js'
import { welcome } from '../stages/control/welcome.js'
import { LINES_OPTIONS } from '../stages/lines/line-rules.js'
import { lines } from '../stages/lines/lines.js'
import { toLines } from '../stages/lines/to-lines.js'
import { uppercase as upper } from '../stages/text/uppercase.js'
import { preset } from './preset.js'

/** Greets the client, then sends back each line with a to z upper-cased and every other byte unchanged. */
export const uppercase = preset({
  name: 'uppercase',
  summary: 'greet the client, then send back each line in upper case',
  title: 'Uppercase echo server on',
  trial: (host, port) => `nc ${host} ${port}`,
  options: {
    maxLength: { ...LINES_OPTIONS.maxLength, help: 'longest line', default: 4096 },
    overflow: choice(['error', 'truncate', 'skip'], {
      help: 'what happens to a longer line',
      default: 'error',
    }),
    banner: text({
      help: 'text that a client gets first',
      default: 'Type a line and press Enter. I will shout it back.\n',
    }),
  },
  make: ({ maxLength, overflow, banner }) =>
    pipeline()
      .through(lines({ delimiter: '\n', encoding: 'latin1', maxLength, overflow }))
      .through(upper())
      .through(toLines({ encoding: 'latin1' }))
      .through(welcome(banner)),
})
