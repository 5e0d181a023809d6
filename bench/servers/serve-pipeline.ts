import { type ListenOptions, listen, type Pipeline } from 'bywash'
import { report } from './report.js'

/** Serves a pipeline on a free port of 127.0.0.1. */
export async function servePipeline(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions = {},
): Promise<void> {
  const listener = await listen(pipeline, {
    host: '127.0.0.1',
    port: 0,
    ...options,
  })
  report(listener.address.port)
}
