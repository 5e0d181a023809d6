import type { Loader } from './loader.js'
import type { MemoryRow } from './results.js'
import type { Server } from './server.js'

/** Number of connections before the first measurement, so that one-time memory (compiled code) is not counted. */
const WARM_UP_CONNECTIONS = 500

/** Measures the memory of idle connections: each server's memory before and while it has many of them. */
export async function measureIdle(
  servers: readonly Server[],
  loader: Loader,
  connections: number,
): Promise<readonly MemoryRow[]> {
  const found: { server: string; heap: number; rss: number }[] = []
  for (const server of servers) {
    await hold(server, loader, WARM_UP_CONNECTIONS)
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
