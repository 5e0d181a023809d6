import t from 'tap'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import { mostMemory } from './memory.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

/** What a server may hold, although each byte is a line: in plan `streams` 65,536 of them in a queue. */
const BOUND = 32 * MIB

for (const plan of PLANS) {
  // Plan `streams` writes each line by itself, which takes a hundred times as long.
  const size = plan === 'fused' ? 64 * MIB : MIB / (RUNS_ALL ? 4 : 8)
  t.test(`14: ${size / MIB} MiB of \\n (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', apart: true, options: { plan }, reasons: { end: 1 } },
      async ({ client, server }) => {
        const { end, receive } = await client()
        const sent = Buffer.alloc(size, '\n')
        end(sent)
        const received = receive()
        const grown = await mostMemory(server, received)
        t.ok((await received).equals(sent))
        t.ok(grown < BOUND, `it grew by ${(grown / MIB).toFixed(1)} MiB`)
      },
    ),
  )
}
