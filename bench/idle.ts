import type { Loader } from './loader.js'
import type { MemoryRow } from './results.js'
import type { Server } from './server.js'

/** What is made only once, such as compiled code, must not count as the connections'. */
const WARM_UP = 500

/** Holds many connections that say nothing, and asks each server what it holds before and after. */
export async function measureIdle(
  servers: readonly Server[],
  loader: Loader,
  connections: number,
): Promise<readonly MemoryRow[]> {
  const found: { server: string; heap: number; rss: number }[] = []
  for (const server of servers) {
    await hold(server, loader, WARM_UP)
    const before = await server.memory()
    const after = await hold(server, loader, connections)
    found.push({
      server: server.entry.name,
      heap: (after.heap - before.heap) / connections,
      rss: (after.rss - before.rss) / connections,
    })
  }
  const [first] = found
  return found.map(({ server, heap, rss }) => ({
    server,
    heap,
    heapRatio: heap / (first?.heap ?? heap),
    rss,
    rssRatio: rss / (first?.rss ?? rss),
  }))
}

async function hold(server: Server, loader: Loader, connections: number) {
  await loader.run(server, { kind: 'hold', connections }, 0)
  const memory = await server.memory()
  await loader.run(server, { kind: 'release' }, 0)
  return memory
}
