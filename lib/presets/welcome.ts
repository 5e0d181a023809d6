import { text } from '../options/option.js'
import { pipeline } from '../pipeline.js'
import { welcome as greet } from '../stages/control/welcome.js'
import { echo } from './echo.js'
import { preset } from './preset.js'

/** Greets the client, then sends back the exact bytes. */
export const welcome = preset({
  name: 'welcome',
  summary: 'greet the client, then send back the exact bytes',
  title: echo.title,
  trial: echo.trial,
  options: {
    banner: text({
      help: 'text that a client gets first',
      default: 'Welcome to the echo server! Type anything and press Enter.\n',
    }),
  },
  make: ({ banner }) => pipeline().through(greet(banner)),
})
