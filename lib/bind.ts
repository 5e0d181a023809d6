import { createServer } from 'node:net'
import { connectionSettings } from './connection-options.js'
import { load } from './engine/open-flow.js'
import type { Handshakes } from './handshakes.js'
import { type ListenOptions, listenSettings } from './listen-options.js'
import { Listener } from './listener.js'
import { LocalService, type LocalSettings } from './local-service.js'
import { openServer } from './open-server.js'
import { type Pipeline, planOf } from './pipeline.js'
import { ServerEntrance } from './server-entrance.js'
import type { TlsOptions } from './tls-options.js'

/** Binds an address; `listen()` is the public way to it. */
export async function bind(pipeline: Pipeline<Buffer, Buffer>, options: ListenOptions): Promise<Listener> {
  const settings = listenSettings(options)
  const plan = planOf(pipeline, 'listen()', settings.plan)
  const connections = connectionSettings('listen()', options)
  settings.signal?.throwIfAborted()
  await load(plan)
  const handshakes = settings.tls === undefined ? undefined : await handshakesOf(settings.tls)
  const local = { plan, settings, connections, handshakes }
  const listener =
    settings.workers === undefined ? await bindHere(local) : await bindSpread(local, settings.workers)
  if (settings.signal?.aborted) await listener.close()
  settings.signal?.throwIfAborted()
  return listener
}

async function bindHere(local: LocalSettings): Promise<Listener> {
  const entrance = await openEntrance(local)
  return new Listener(entrance, new LocalService(local, entrance.depart), local.settings)
}

/** Workers are loaded only where there are some. */
async function bindSpread(local: LocalSettings, count: number): Promise<Listener> {
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  const { bindWorkers } = await import('./workers/bind-workers.js')
  return bindWorkers(local, count, openEntrance)
}

async function openEntrance({ settings, connections }: LocalSettings): Promise<ServerEntrance> {
  // What a worker is to serve must not be read here.
  const pauseOnConnect = settings.workers !== undefined
  const server = createServer({ allowHalfOpen: true, pauseOnConnect, ...settings.socket })
  await openServer(server, settings.bind)
  return new ServerEntrance(server, settings, connections)
}

/** TLS is loaded only where it is spoken. */
async function handshakesOf(options: TlsOptions): Promise<Handshakes> {
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  const { Handshakes } = await import('./handshakes.js')
  return new Handshakes('listen(): tls', options)
}
