import cluster from 'node:cluster'
import { once } from 'node:events'
import { type ListenOptions, listen, pipeline } from '../../../lib/index.js'

// A program that says what is wrong with its use of workers, a line each.

const LOCAL = { host: '127.0.0.1', port: 0 }

const say = (line: string) => process.stdout.write(`${line}\n`)

/** Says why a listener cannot be had, or that it can. */
async function attempt(options: ListenOptions): Promise<void> {
  try {
    const listener = await listen(pipeline(), { ...LOCAL, ...options })
    if (listener.worker === undefined) say(`${process.argv[2]}: listening`)
  } catch (error) {
    say((error as Error).message)
  }
}

if (process.argv[2] === 'crash' && cluster.isWorker) process.exit(7)
if (process.argv[2] === 'fork' && cluster.isPrimary) {
  await once(cluster.fork(), 'exit')
} else if (process.argv[2] === 'fork') {
  await attempt({ workers: 1 })
  process.exit()
} else {
  await attempt({ workers: 1 })
  if (process.argv[2] === 'differ' && cluster.isPrimary) await attempt({ port: 0, workers: 2 })
  process.exit()
}
