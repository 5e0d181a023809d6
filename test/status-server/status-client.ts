import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { systemClock } from '../../lib/clock.js'
import { type StatusServerOptions, statusSettings } from '../../lib/status-server/status-options.js'
import { openStatusServer, type StatusServer } from '../../lib/status-server/status-server.js'
import type { StatusSources } from '../../lib/status-server/status-source.js'

/** Opens a status server for the length of a test. */
export async function openStatus(
  t: Test,
  sources: StatusSources,
  options: StatusServerOptions = { port: 0 },
  clock = systemClock,
): Promise<StatusServer> {
  const server = await openStatusServer(sources, statusSettings(options), clock)
  t.teardown(() => server.close())
  return server
}

interface RequestOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends a request on a connection of its own, and resolves with the head of the answer. */
export async function ask(
  { address: { address, family, port } }: Pick<StatusServer, 'address'>,
  path: string,
  options: RequestOptions = {},
): Promise<IncomingMessage> {
  const place = family === 'unix' ? { socketPath: address } : { host: address, port }
  const asked = request({ ...place, path, agent: false, ...options })
  asked.end()
  const [response] = await once(asked, 'response')
  return response
}

/** The same with the body. */
export async function get(server: Pick<StatusServer, 'address'>, path: string, options: RequestOptions = {}) {
  const response = await ask(server, path, options)
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
