import { welcome as banner } from '../stages/control/welcome.js'
import { echo } from './echo.js'
import type { Preset } from './preset.js'

const defaults = { banner: 'Welcome to the echo server! Type anything and press Enter.\n' }

/** Greets the client, then sends back the exact bytes. */
export const welcome: Preset = {
  ...echo,
  name: 'welcome',
  summary: 'greet the client, then send back the exact bytes',
  defaults,
  pipeline: options => echo.pipeline().through(banner({ ...defaults, ...options }.banner)),
}
