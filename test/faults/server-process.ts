// Serves a pipeline in a process of its own: `server-process.ts <pipeline> <options as JSON> [limit of open files]`.
import { spawnSync } from 'node:child_process'
import type { PipelineName } from './pipelines.js'
import { serve } from './server.js'

const [name, options = '{}', openFiles] = process.argv.slice(2)
const send = (message: object) => process.send?.(message)

process.on('warning', ({ message }) => send({ warning: message }))
// Not before Node has read the modules, many at a time.
if (openFiles !== undefined) spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${openFiles}`])
const server = await serve(name as PipelineName, JSON.parse(options), {
  onEnded: ended => send({ ended }),
  onFault: fault => send({ fault }),
})
process.on('message', async message => {
  if (message === 'report') {
    send({ report: await server.report() })
  } else {
    send({ result: await server.close() })
    process.disconnect()
  }
})
send({ port: server.port })
