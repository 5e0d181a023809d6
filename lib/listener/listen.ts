import { InvalidOptionError } from '../errors.js'
import type { Pipeline } from '../pipeline.js'
import type { ListenOptions } from './listen-options.js'
import type { Listener } from './listener.js'

/**
 * Binds an address and serves each connection with a pipeline. Resolves when the listener accepts connections.
 *
 * @param options - Options, or the port alone: a number, or a text such as the one of `process.env.PORT`.
 * @throws StageOrderError when the pipeline does not go from bytes to bytes.
 * @throws InvalidOptionError for an option that does not exist or a value that is not allowed.
 * @throws BindError when the address cannot be bound; `cause` is Node's error.
 * @example
 * const listener = await listen(shout, { port: 8080 })
 * console.error('listening on port', listener.address.port)
 * @example
 * await listen(shout, process.env.PORT)
 */
export async function listen(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions | number | string = {},
  ...surplus: readonly never[]
): Promise<Listener> {
  // In JavaScript somebody may write the host or a callback here, as for server.listen() of Node.
  if (surplus.length > 0) {
    throw new InvalidOptionError(
      "listen() takes a pipeline and options, as in listen(shout, { port: 9000, host: '127.0.0.1' }).",
    )
  }
  // Loaded by the first call: a program that only builds or tests pipelines needs no sockets.
  const { bind } = await import('./bind.js')
  return bind(pipeline, typeof options === 'object' ? options : { port: options })
}
