// Serves a pipeline in a process of its own: `server-process.ts <pipeline> <options as JSON>`.
import type { PipelineName } from './pipelines.js'
import { serve } from './server.js'

const [name, options = '{}'] = process.argv.slice(2)
const send = (message: object) => process.send?.(message)

process.on('warning', ({ message }) => send({ warning: message }))
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
