import { createServer } from 'node:net'
import type { Clock } from '../clock.js'
import { type ConnectionSettings, connectionSettings } from '../engine/connection-options.js'
import { load } from '../engine/flow/open-flow.js'
import type { Plan } from '../engine/plan.js'
import type { Handshakes } from '../engine/tls/handshakes.js'
import type { TlsOptions } from '../options/tls-options.js'
import { type Pipeline, planOf } from '../pipeline.js'
import { type ListenOptions, listenSettings } from './listen-options.js'
import { changeListener, Listener } from './listener.js'
import { LocalDispatcher } from './local-dispatcher.js'
import type { LocalSettings, WorkerPart } from './local-settings.js'
import { openServer } from './open-server.js'
import { loadReads } from './reads/reused-reads.js'
import { ServerAcceptor } from './server-acceptor.js'
import type { Upgrades } from './websocket/upgrades.js'
import type { WebSocketSettings } from './websocket/websocket-options.js'
import type { WorkersSettings } from './workers/workers-options.js'

/** Implementation of `listen()`, which loads this file when it is first called; `workers` is set where a primary defines the listener. */
export async function bind(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions,
  workers?: WorkerPart,
): Promise<Listener> {
  const local = { ...(await loadSettings(pipeline, options)), workers }
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
 * Gives a listener another pipeline and other options, of which those of the listening socket must be the same: that stays
 * bound, and no connection that waits to be accepted is lost. Open connections finish with what they began with.
 */
export async function reconfigure(
  listener: Listener,
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions,
): Promise<void> {
  await changeListener(listener, await loadSettings(pipeline, options))
}

async function loadSettings(
  pipeline: Pipeline<Buffer, Buffer>,
  options: ListenOptions,
): Promise<LocalSettings> {
  const settings = listenSettings(options)
  const plan = planOf(pipeline, 'listen()', settings.plan)
  const connections = connectionSettings('listen()', options)
  settings.signal?.throwIfAborted()
  await Promise.all([load(plan), loadReads()])
  const handshakes = settings.tls === undefined ? undefined : await handshakesOf(settings.tls)
  const upgrades =
    settings.websocket && (await upgradesOf(settings.websocket, plan, connections, settings.clock))
  return { plan, settings, connections, handshakes, upgrades }
}

function localListener(local: LocalSettings, acceptor: ServerAcceptor): Listener {
  return new Listener(acceptor, new LocalDispatcher(local, acceptor.onGone), local.settings)
}

/** Loads the code for workers only when a listener has some. */
async function bindInWorkers(local: LocalSettings, workers: WorkersSettings): Promise<Listener> {
  const { bindWorkers } = await import('./workers/bind-workers.js')
  return bindWorkers(local, workers, openAcceptor)
}

async function openAcceptor({ settings, connections }: LocalSettings): Promise<ServerAcceptor> {
  // A socket that is sent to a worker must not be read here.
  const pauseOnConnect = settings.workers !== undefined
  const server = createServer({ allowHalfOpen: true, pauseOnConnect })
  await openServer(server, settings.bind)
  return new ServerAcceptor(server, settings, connections)
}

/** Loads node:tls only when a listener needs it. */
async function handshakesOf(options: TlsOptions): Promise<Handshakes> {
  const { Handshakes } = await import('../engine/tls/handshakes.js')
  return new Handshakes('listen(): tls', options)
}

/** Loads node:http and ws only when a listener needs them. */
async function upgradesOf(
  settings: WebSocketSettings,
  plan: Plan,
  { deadlines }: ConnectionSettings,
  clock: Clock,
): Promise<Upgrades> {
  const { Upgrades } = await import('./websocket/upgrades.js')
  return new Upgrades(settings, plan, deadlines.frameTimeout, clock)
}
