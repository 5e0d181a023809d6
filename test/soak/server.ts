// The server of the soak, in a process of its own that collects its garbage before it tells of its memory.

import { listen } from '../../lib/index.js'
import { counted, PIPELINES } from '../faults/pipelines.js'
import { openSockets } from '../gate/open-sockets.js'

const collect = globalThis.gc as () => void
const outcomes: Record<string, number> = {}
const { counts, pipeline } = counted(PIPELINES.lines())
const listener = await listen(pipeline, {
  host: '127.0.0.1',
  port: 0,
  // For a measurement hostile clients are to stay.
  ...(process.argv[2] === 'hostile'
    ? { frameTimeout: 0, drainTimeout: 0 }
    : { frameTimeout: 10_000, drainTimeout: 10_000, halfCloseTimeout: 10_000 }),
  onOutcome: ({ reason }) => {
    outcomes[reason] = (outcomes[reason] ?? 0) + 1
  },
})

/** What the soak asks for. */
export interface SoakReport {
  readonly heap: number
  readonly rss: number
  readonly sockets: number
  readonly connections: number
  readonly opened: number
  readonly closed: number
  readonly outcomes: Readonly<Record<string, number>>
}

process.on('message', async message => {
  if (message === 'close') {
    await listener.close()
    process.disconnect()
    return
  }
  // Twice: what finalizers let go of is only then garbage.
  collect()
  collect()
  const { heapUsed, external, rss } = process.memoryUsage()
  const report: SoakReport = {
    heap: heapUsed + external,
    rss,
    sockets: openSockets().length,
    connections: listener.connections,
    ...counts,
    outcomes,
  }
  process.send?.({ report })
})
process.send?.({ port: listener.address.port })
