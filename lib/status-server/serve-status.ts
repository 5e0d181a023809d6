import { type StatusServerOptions, statusSettings } from './status-options.js'
import type { StatusServer } from './status-server.js'
import type { StatusSources } from './status-source.js'

/**
 * Serves the status of listeners by HTTP: a live page at `/`, JSON at `/status`, Prometheus metrics at `/metrics`,
 * server-sent events at `/events`, and `/healthz` and `/readyz` for probes. Nothing can be changed by it. It keeps no
 * process alive. docs/observability.md has more.
 *
 * @param listeners - A listener, or several. A list is read anew by each request, and may change.
 * @param options - A port, on 127.0.0.1 unless there is a token, or the path of a unix socket.
 * @throws InvalidOptionError for a wrong option, and for a host that other machines can reach without a token.
 * @throws BindError when the address cannot be bound.
 * @example
 * const listener = await listen(shout, { port: 7000 })
 * const server = await serveStatus(listener, { port: 9000 })
 * console.error(`Status on ${server.url}`)
 */
export async function serveStatus(
  listeners: StatusSources,
  options: StatusServerOptions,
): Promise<StatusServer> {
  const settings = statusSettings(options)
  // Loaded by the first call: most programs have no use for node:http.
  const { openStatusServer } = await import('./status-server.js')
  return openStatusServer(listeners, settings)
}
