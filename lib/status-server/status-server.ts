import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { boundAddress, formatAddress } from '../address.js'
import { type Clock, systemClock } from '../clock.js'
import { openServer } from '../listener/open-server.js'
import { BROWSER_HEADERS } from '../net/page-policy.js'
import { Access, type Refusal } from './access.js'
import { METRICS_TYPE, metricsText } from './metrics.js'
import { PAGE, PAGE_POLICY } from './page/page.js'
import { unreadiness } from './readiness.js'
import { Snapshots } from './snapshots.js'
import type { StatusServerSettings } from './status-options.js'
import type { StatusSources } from './status-source.js'
import { TapReaders } from './tap-readers.js'
import { readUplot } from './uplot-files.js'
import { Watchers } from './watchers.js'

/** Sockets at once: 32 watchers, and as many again for scrapes and probes. One more is closed at once. */
const MAX_SOCKETS = 64

const LIMITS = {
  maxHeaderSize: 8_192,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
} as const

/** The silence of a socket, in both directions, after which it is closed. */
const IDLE_TIMEOUT_MS = 30_000

/** Headers of every answer. */
const HEADERS = {
  ...BROWSER_HEADERS,
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
}

const TEXT = 'text/plain; charset=utf-8'
const EVENTS = 'text/event-stream'

/** An answer that is sent whole. */
interface Answer {
  readonly status?: 200 | 500 | Refusal['status']
  readonly type?: string
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

/** The body that is served at a path; undefined where the path has answered by itself. */
interface Route {
  /** Whether a token is asked for, where there is one. */
  readonly isSecret: boolean
  readonly answer: (request: IncomingMessage, response: ServerResponse) => Promise<Answer | undefined>
}

/** A running status server. `serveStatus()` returns it. */
export class StatusServer {
  readonly #server: Server
  readonly #readers: readonly (Watchers | TapReaders)[]
  readonly #address: AddressInfo

  constructor(server: Server, readers: readonly (Watchers | TapReaders)[]) {
    this.#server = server
    this.#readers = readers
    this.#address = boundAddress(server)
  }

  /** The bound address, as `listener.address` has it. */
  get address(): AddressInfo {
    return this.#address
  }

  /** The address of the page, such as `http://127.0.0.1:9000/`; for a unix socket `unix:` and its path. */
  get url(): string {
    const { address, family, port } = this.#address
    return family === 'unix' ? `unix:${address}` : `http://${formatAddress(address, port)}/`
  }

  /** Ends all requests and frees the address; resolves when that is done. A second call does nothing more. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const readers of this.#readers) readers.close()
    this.#server.closeAllConnections()
    await closed
  }
}

/** Implementation of `serveStatus()`. */
export async function openStatusServer(
  sources: StatusSources,
  settings: StatusServerSettings,
  clock: Clock = systemClock,
): Promise<StatusServer> {
  const snapshots = new Snapshots(sources, clock)
  const watchers = new Watchers(snapshots, clock)
  const access = new Access(settings)
  const taps = new TapReaders(sources, clock)
  const routes = routesOf(snapshots, watchers, taps, access)
  const server = createServer(LIMITS, (request, response) => {
    void respond(request, response, access, routes)
  })
  server.maxConnections = MAX_SOCKETS
  server.timeout = IDLE_TIMEOUT_MS
  // A reader of the status must not keep the process alive.
  server.on('connection', socket => socket.unref())
  await openServer(server, settings.bind)
  server.unref()
  return new StatusServer(server, [watchers, taps])
}

function routesOf(
  snapshots: Snapshots,
  watchers: Watchers,
  taps: TapReaders,
  access: Access,
): Readonly<Record<string, Route>> {
  const open = (answer: Route['answer']): Route => ({ isSecret: false, answer })
  const secret = (answer: Route['answer']): Route => ({ isSecret: true, answer })
  return {
    '/': open(async () => ({
      type: 'text/html; charset=utf-8',
      body: PAGE,
      headers: { 'Content-Security-Policy': PAGE_POLICY },
    })),
    '/uplot.js': open(() => uplotAnswer('uPlot.iife.min.js', 'text/javascript; charset=utf-8')),
    '/uplot.css': open(() => uplotAnswer('uPlot.min.css', 'text/css; charset=utf-8')),
    '/healthz': open(async () => ({ body: 'ok\n' })),
    '/readyz': open(async () => {
      const reason = await snapshots.get().then(unreadiness, (error: Error) => error.message)
      return reason === undefined ? { body: 'ready\n' } : refused({ status: 503, text: reason })
    }),
    '/status': secret(async () => ({
      type: 'application/json; charset=utf-8',
      body: `${JSON.stringify(await snapshots.get())}\n`,
    })),
    '/metrics': secret(async () => ({ type: METRICS_TYPE, body: await metricsText(await snapshots.get()) })),
    '/events': secret(async ({ method }, response) => {
      if (watchers.isFull) {
        return refused({
          status: 503,
          text: 'Too many readers of events.',
          headers: { 'Retry-After': '10' },
        })
      }
      beginEvents(response)
      if (method === 'HEAD') response.end()
      else await watchers.add(response)
      return undefined
    }),
    '/tap': secret(async ({ method, url }, response) => {
      const { tapRefusal } = access
      if (tapRefusal !== undefined) return refused(tapRefusal)
      if (method === 'HEAD') return { type: EVENTS, body: '' }
      const query = new URLSearchParams((url as string).split('?').slice(1).join('?'))
      const refusal = await taps.add(query, response, () => beginEvents(response))
      return refusal && refused(refusal)
    }),
  }
}

/** Writes the head of an answer that has no end. */
function beginEvents(response: ServerResponse): void {
  response.writeHead(200, { ...HEADERS, 'Content-Type': EVENTS, 'X-Accel-Buffering': 'no' })
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  access: Access,
  routes: Readonly<Record<string, Route>>,
): Promise<void> {
  const answer = await answerTo(request, response, access, routes)
  if (answer === undefined) return
  const { status = 200, type = TEXT, body, headers } = answer
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  })
  response.end(body)
}

async function answerTo(
  request: IncomingMessage,
  response: ServerResponse,
  access: Access,
  routes: Readonly<Record<string, Route>>,
): Promise<Answer | undefined> {
  const refusal = access.refusalOf(request)
  if (refusal !== undefined)
    return { ...refused(refusal), headers: { ...refusal.headers, Connection: 'close' } }
  const [path = ''] = (request.url as string).split('?', 1)
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (route === undefined) {
    return refused({ status: 404, text: `Nothing is here. There is ${Object.keys(routes).join(' ')}` })
  }
  const tokenRefusal = route.isSecret ? access.tokenRefusalOf(request) : undefined
  if (tokenRefusal !== undefined) return refused(tokenRefusal)
  try {
    return await route.answer(request, response)
  } catch (error) {
    return { status: 500, body: `The status could not be had: ${(error as Error).message}.\n` }
  }
}

function refused({ status, text, headers }: Refusal): Answer {
  return { status, body: `${text}\n`, ...(headers === undefined ? {} : { headers }) }
}

async function uplotAnswer(name: string, type: string): Promise<Answer> {
  return { type, body: await readUplot(name), headers: { 'Cache-Control': 'max-age=3600' } }
}
