import type { FaultServer } from './server.js'

/** How much more a server holds at most, in bytes, until something is over. */
export async function mostMemory(server: FaultServer, over: Promise<unknown>): Promise<number> {
  const { memory: before } = await server.report()
  let most = 0
  let isOver = false
  const done = over.finally(() => {
    isOver = true
  })
  while (!isOver) most = Math.max(most, (await server.report()).memory - before)
  await done
  return most
}
