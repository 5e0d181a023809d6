import { pipeline } from '../pipeline.js'
import type { Preset } from './preset.js'

/** Sends back the exact bytes. */
export const echo: Preset = {
  name: 'echo',
  summary: 'send back the exact bytes',
  title: 'Echo server listening on',
  trial: (host, port) => `echo 'hello' | nc ${host} ${port}`,
  defaults: {},
  pipeline: () => pipeline(),
}
