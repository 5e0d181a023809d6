import { setTimeout as delay } from 'node:timers/promises'
import { RUNS_ALL } from '../runs.js'
import type { FaultServer } from './server.js'

/** The time between two samples: for each the server collects its garbage. */
const SAMPLE_INTERVAL_MS = RUNS_ALL ? 20 : 100

/** Looks now and then how much more a server holds than at first. */
export async function watchMemory(server: FaultServer) {
  const { memory: before } = await server.report()
  let most = 0
  return {
    sample: async () => {
      most = Math.max(most, (await server.report()).memory - before)
    },
    /** The most that was seen, in bytes. */
    most: () => most,
  }
}

/** How much more a server holds at most, in bytes, until something is over. */
export async function mostMemory(server: FaultServer, over: Promise<unknown>): Promise<number> {
  const { sample, most } = await watchMemory(server)
  let isOver = false
  const done = over.finally(() => {
    isOver = true
  })
  while (!isOver) {
    await sample()
    await Promise.race([done, delay(SAMPLE_INTERVAL_MS)])
  }
  await done
  return most()
}
