import { createServer } from 'node:net'
import { connectionSettings } from '../engine/connection-options.js'
import { load } from '../engine/flow/open-flow.js'
import { type Pipeline, planOf } from '../pipeline.js'
import { type ListenOptions, listenSettings } from './listen-options.js'
import { Listener } from './listener.js'
import { LocalDispatcher, type LocalSettings } from './local-dispatcher.js'
import { openServer } from './open-server.js'
import { ServerAcceptor } from './server-acceptor.js'
import type { Handshakes } from './tls/handshakes.js'
import type { TlsOptions } from './tls/tls-options.js'

/** Where connections come from, of listeners that accept in this process. */
const acceptors = new WeakMap<Listener, ServerAcceptor>()

/** Binds an address; `listen()` is the public way to it. */
export async function bind(pipeline: Pipeline<Buffer, Buffer>, options: ListenOptions): Promise<Listener> {
  const local = await loadSettings(pipeline, options)
  const { settings } = local
  const listener =
    settings.workers === undefined
      ? localListener(local, await openAcceptor(local))
      : await bindInWorkers(local, settings.workers)
  if (settings.signal?.aborted) await listener.close()
  settings.signal?.throwIfAborted()
  return listener
}

/**
 * Makes a listener with other options that accepts in the place of one that has the same address. If that were bound
 * anew, connections that wait to be accepted would be lost. The old listener keeps the connections that it has.
 */
export async function takeOver(
  old: Listener,
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions,
): Promise<Listener> {
  const local = await loadSettings(pipeline, options)
  const acceptor = (acceptors.get(old) as ServerAcceptor).handOver(local.settings, local.connections)
  return localListener(local, acceptor)
}

/** Stops accepting, for good, and gives the address free. Connections that are open go on. */
export function stopAccepting(listener: Listener): void {
  ;(acceptors.get(listener) as ServerAcceptor).detachServer().close()
}

async function loadSettings(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions,
): Promise<LocalSettings> {
  const settings = listenSettings(options)
  const plan = planOf(pipeline, 'listen()', settings.plan)
  const connections = connectionSettings('listen()', options)
  settings.signal?.throwIfAborted()
  await load(plan)
  const handshakes = settings.tls === undefined ? undefined : await handshakesOf(settings.tls)
  return { plan, settings, connections, handshakes }
}

function localListener(local: LocalSettings, acceptor: ServerAcceptor): Listener {
  const listener = new Listener(acceptor, new LocalDispatcher(local, acceptor.onGone), local.settings)
  acceptors.set(listener, acceptor)
  return listener
}

/** Workers are loaded only where there are some. */
async function bindInWorkers(local: LocalSettings, count: number): Promise<Listener> {
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  const { bindWorkers } = await import('./workers/bind-workers.js')
  return bindWorkers(local, count, openAcceptor)
}

async function openAcceptor({ settings, connections }: LocalSettings): Promise<ServerAcceptor> {
  // What a worker is to serve must not be read here.
  const pauseOnConnect = settings.workers !== undefined
  const server = createServer({ allowHalfOpen: true, pauseOnConnect })
  await openServer(server, settings.bind)
  return new ServerAcceptor(server, settings, connections)
}

/** TLS is loaded only where it is spoken. */
async function handshakesOf(options: TlsOptions): Promise<Handshakes> {
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  const { Handshakes } = await import('./tls/handshakes.js')
  return new Handshakes('listen(): tls', options)
}
