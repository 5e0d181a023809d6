import cluster from 'node:cluster'
import { InvalidOptionError } from '../../errors.js'
import { Listener } from '../listener.js'
import { LocalDispatcher, type LocalSettings } from '../local-dispatcher.js'
import type { ServerAcceptor } from '../server-acceptor.js'
import { takeName } from './listener-names.js'
import { WorkerPool } from './pool.js'
import { type IpcProcess, PrimaryAcceptor } from './primary-acceptor.js'
import { WorkerDispatcher } from './worker-dispatcher.js'

/** Environment variable with the number of a worker. */
const NUMBER_VARIABLE = 'BYWASH_WORKER'

let pool: WorkerPool | undefined

/** Opens a listener with workers: in the primary it accepts connections, in a worker it serves them. */
export async function bindWorkers(
  local: LocalSettings,
  count: number,
  openAcceptor: (local: LocalSettings) => Promise<ServerAcceptor>,
): Promise<Listener> {
  if (cluster.isPrimary) return bindPrimary(local, count, await openAcceptor(local))
  const number = process.env[NUMBER_VARIABLE]
  if (number === undefined) {
    throw new InvalidOptionError(
      "listen(): 'workers' is for a program's own process, and this is a worker of node:cluster already; " +
        "fork none yourself, or leave 'workers' out.",
    )
  }
  return bindWorker(local, Number(number))
}

function poolOf({ settings }: LocalSettings, count: number): WorkerPool {
  if (pool === undefined || pool.isEmpty) {
    const fork = (number: number) => cluster.fork({ [NUMBER_VARIABLE]: number }).process
    pool = new WorkerPool({ count, clock: settings.clock, fork })
  }
  return pool
}

async function bindPrimary(local: LocalSettings, count: number, acceptor: ServerAcceptor): Promise<Listener> {
  const { settings } = local
  const pool = poolOf(local, count)
  if (pool.count !== count) {
    await acceptor.close(Promise.resolve(0))
    throw new InvalidOptionError(
      `listen(): 'workers' is ${count} here and ${pool.count} for another listener, but all listeners of a program ` +
        'share its workers; give them the same number.',
    )
  }
  const dispatcher = new WorkerDispatcher(takeName(settings.bind), pool, local, acceptor)
  const listener = new Listener(acceptor, dispatcher, settings)
  try {
    await dispatcher.ready
  } catch (error) {
    await listener.close({ timeout: 0 })
    throw error
  }
  return listener
}

async function bindWorker(local: LocalSettings, worker: number): Promise<Listener> {
  const { settings } = local
  const acceptor = new PrimaryAcceptor(takeName(settings.bind), worker, process as IpcProcess, settings.clock)
  const listener = new Listener(acceptor, new LocalDispatcher(local, acceptor.onGone), settings)
  await acceptor.bound
  return listener
}
