import cluster from 'node:cluster'
import { isMainThread } from 'node:worker_threads'
import { InvalidOptionError } from '../../errors.js'
import { ownThread } from '../../net/thread-link.js'
import { Listener } from '../listener.js'
import { LocalDispatcher } from '../local-dispatcher.js'
import type { LocalSettings } from '../local-settings.js'
import type { ServerAcceptor } from '../server-acceptor.js'
import { takeName } from './listener-names.js'
import { WorkerPool } from './pool.js'
import { type IpcProcess, PrimaryAcceptor } from './primary-acceptor.js'
import { WorkerDispatcher } from './worker-dispatcher.js'
import { NUMBER_VARIABLE } from './worker-number.js'
import type { WorkerHandle } from './worker-process.js'
import type { WorkersSettings } from './workers-options.js'

let pool: WorkerPool | undefined
let poolSettings: WorkersSettings

/** Opens a listener with workers: in the primary it has them started, in a worker it serves. */
export async function bindWorkers(
  local: LocalSettings,
  workers: WorkersSettings,
  openAcceptor: (local: LocalSettings) => Promise<ServerAcceptor>,
): Promise<Listener> {
  if (workers.spread === 'kernel') return bindInThreads(local, workers)
  if (cluster.isPrimary && isMainThread) return bindPrimary(local, workers, openAcceptor)
  const number = process.env[NUMBER_VARIABLE]
  if (number === undefined || !isMainThread) throw isWorkerAlready()
  return bindWorker(local, Number(number))
}

async function bindInThreads(local: LocalSettings, workers: WorkersSettings): Promise<Listener> {
  const { bindPrimary, bindThread, startThread } = await import('./threads/bind-threads.js')
  const thread = ownThread()
  if (thread !== undefined) return bindThread(local, thread)
  if (!cluster.isPrimary || !isMainThread) throw isWorkerAlready()
  return bindPrimary(local, () => poolOf(local, workers, number => startThread(number, workers.maxHeapSize)))
}

function isWorkerAlready(): InvalidOptionError {
  return new InvalidOptionError(
    "listen(): 'workers' is for a program's own process, and this is a thread of one, or a worker of node:cluster " +
      "already; start none yourself, or leave 'workers' out.",
  )
}

/** The workers of this process, which all its listeners share. Without waiting a listener is then added to them. */
function poolOf(
  { settings: { clock } }: LocalSettings,
  settings: WorkersSettings,
  fork: (number: number) => WorkerHandle,
): WorkerPool {
  if (pool === undefined || pool.isEmpty) {
    pool = new WorkerPool({ count: settings.count, clock, fork })
    poolSettings = settings
  }
  const [here, there] = [showSettings(settings), showSettings(poolSettings)]
  if (here !== there) {
    throw new InvalidOptionError(
      `listen(): 'workers' is ${here} here and ${there} for another listener, but all listeners of a program share its ` +
        'workers; give them the same.',
    )
  }
  return pool
}

function showSettings({ count, spread, maxHeapSize }: WorkersSettings): string {
  const threads = spread === 'kernel' ? `${count} with 'spread' 'kernel'` : `${count}`
  return maxHeapSize === undefined ? threads : `${threads} and 'maxHeapSize' ${maxHeapSize}`
}

async function bindPrimary(
  local: LocalSettings,
  workers: WorkersSettings,
  openAcceptor: (local: LocalSettings) => Promise<ServerAcceptor>,
): Promise<Listener> {
  const { settings } = local
  const acceptor = await openAcceptor(local)
  const dispatcher = await makeDispatcher(local, workers, acceptor)
  const listener = new Listener(acceptor, dispatcher, settings)
  try {
    await dispatcher.ready
  } catch (error) {
    await listener.close({ timeout: 0 })
    throw error
  }
  return listener
}

async function makeDispatcher(
  local: LocalSettings,
  workers: WorkersSettings,
  acceptor: ServerAcceptor,
): Promise<WorkerDispatcher> {
  try {
    const fork = (number: number) => cluster.fork({ [NUMBER_VARIABLE]: number }).process
    const pool = poolOf(local, workers, fork)
    return new WorkerDispatcher(takeName(local.settings.bind), pool, local, acceptor)
  } catch (error) {
    await acceptor.close(Promise.resolve(0))
    throw error
  }
}

async function bindWorker(local: LocalSettings, worker: number): Promise<Listener> {
  const { settings } = local
  const name = takeName(settings.bind, local.workers?.name)
  const acceptor = new PrimaryAcceptor(name, worker, process as IpcProcess, settings.clock)
  const listener = new Listener(acceptor, new LocalDispatcher(local, acceptor.onGone), settings)
  await acceptor.bound
  return listener
}
