import { createServer, type Server } from 'node:net'
import { MessageChannel, Worker } from 'node:worker_threads'
import { boundAddress } from '../../../address.js'
import type { LinkEnd, OwnThread, ThreadData } from '../../../net/thread-link.js'
import type { TcpAddress } from '../../address/listen-address.js'
import { Listener } from '../../listener.js'
import { LocalDispatcher } from '../../local-dispatcher.js'
import type { LocalSettings } from '../../local-settings.js'
import { openServer } from '../../open-server.js'
import { ServerAcceptor } from '../../server-acceptor.js'
import { takeName } from '../listener-names.js'
import type { PrimaryMessage } from '../messages.js'
import type { WorkerPool } from '../pool.js'
import { PrimaryAcceptor } from '../primary-acceptor.js'
import { NUMBER_VARIABLE } from '../worker-number.js'
import { ConnectionTable } from './connection-table.js'
import { KernelAcceptor } from './kernel-acceptor.js'
import { SharedAdmission } from './shared-admission.js'
import { type Place, SharedListener } from './shared-listener.js'
import { ThreadAcceptor } from './thread-acceptor.js'
import { ThreadDispatcher } from './thread-dispatcher.js'
import { WorkerThread } from './worker-thread.js'

const MIB = 1_048_576

/** Starts the script again in a thread, as the worker of that number. */
export function startThread(number: number, maxHeapSize?: number): WorkerThread {
  const { port1, port2 } = new MessageChannel()
  const handled = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
  const link: LinkEnd = { port: port2, handled }
  const bywash: ThreadData = { number, link }
  const worker = new Worker(process.argv[1] as string, {
    argv: process.argv.slice(2),
    env: { ...process.env, [NUMBER_VARIABLE]: String(number) },
    workerData: { bywash },
    transferList: [port2],
    ...(maxHeapSize !== undefined && { resourceLimits: { maxOldGenerationSizeMb: maxHeapSize / MIB } }),
  })
  return new WorkerThread(worker, { port: port1, handled })
}

/** Opens a listener in the primary of threads. */
export async function bindPrimary(local: LocalSettings, poolOf: () => WorkerPool): Promise<Listener> {
  const { settings } = local
  const bind = settings.bind as TcpAddress
  const probe = createServer()
  // Two programs of the same user may share a port with `reusePort`. So a port that was given is bound without it, to see
  // whether it is free; one that the system has chosen is held, with `reusePort`, until a thread has it.
  await openServer(probe, bind.port === 0 ? withReusePort(bind) : bind)
  const address = boundAddress(probe)
  if (bind.port !== 0) await close(probe)
  try {
    const pool = poolOf()
    const dispatcher = new ThreadDispatcher(takeName(bind), pool, local, address)
    const listener = new Listener(new KernelAcceptor(address, dispatcher, settings), dispatcher, settings)
    try {
      await dispatcher.ready
      await dispatcher.complete
    } catch (error) {
      await listener.close({ timeout: 0 })
      throw error
    }
    return listener
  } finally {
    await close(probe)
  }
}

/** Closes a server, if it is open. */
function close(server: Server): Promise<unknown> {
  return new Promise(resolve => server.close(resolve))
}

/** Opens a listener in a thread, which has a listening socket of its own. */
export async function bindThread(local: LocalSettings, { number, link }: OwnThread): Promise<Listener> {
  const { settings, connections } = local
  const name = takeName(settings.bind, local.workers?.name)
  const { port, shared: memory, table: tableMemory, owner } = await join(name, link)
  const server = createServer({ allowHalfOpen: true })
  const bind = withReusePort({ ...(settings.bind as TcpAddress), port })
  await openServer(server, bind)
  const shared = new SharedListener(memory)
  const table = new ConnectionTable(tableMemory)
  const admission = new SharedAdmission({
    rules: settings.admission,
    shared,
    table,
    owner,
    tells: settings.tells,
  })
  const acceptor = new ServerAcceptor(server, { ...settings, bind, promised: 0 }, connections, admission)
  const primary = new PrimaryAcceptor(name, number, link, settings.clock)
  const listener = new Listener(
    new ThreadAcceptor(name, acceptor, primary, link),
    new LocalDispatcher({ ...local, tally: table }, acceptor.onGone),
    settings,
  )
  await primary.bound
  return listener
}

/** Asks the primary for what it shares about a listener; it answers when its own `listen()` was called. */
function join(listener: string, link: OwnThread['link']): Promise<Place> {
  return new Promise(resolve => {
    const onMessage = (message: PrimaryMessage) => {
      if (message.bywash !== 'place' || message.listener !== listener) return
      link.off('message', onMessage)
      resolve(message.place)
    }
    link.on('message', onMessage)
    link.send({ bywash: 'join', listener }, undefined, undefined, () => {})
  })
}

function withReusePort(address: TcpAddress): TcpAddress {
  return Object.assign({ reusePort: true }, address)
}
