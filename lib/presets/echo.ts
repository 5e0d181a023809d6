import { pipeline } from '../pipeline.js'
import { preset } from './preset.js'

/** Sends back the exact bytes. */
export const echo = preset({
  name: 'echo',
  summary: 'send back the exact bytes',
  title: 'Echo server listening on',
  trial: (host, port) => `echo 'hello' | nc ${host} ${port}`,
  make: () => pipeline(),
})
