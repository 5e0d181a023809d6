import type { Pipeline } from '../pipeline.js'
import type { ListenOptions } from './listen-options.js'
import type { Listener } from './listener.js'

/**
 * Binds an address and serves each connection with a pipeline. Resolves when the listener accepts connections.
 *
 * @throws StageOrderError when the pipeline does not go from bytes to bytes.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws BindError when the address cannot be bound; `cause` is Node's error.
 * @example
 * const listener = await listen(shout, { port: 8080 })
 * console.error('listening on port', listener.address.port)
 */
export async function listen(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions = {},
): Promise<Listener> {
  // Loaded by the first call: a program that only builds or tests pipelines needs no sockets.
  const { bind } = await import('./bind.js')
  return bind(pipeline, options)
}
