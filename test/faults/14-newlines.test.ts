import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

/** What a process may grow by, although each byte is a line: garbage that waits to be collected, and some. */
const BOUND = 64 * MIB

for (const plan of PLANS) {
  // Plan `streams` writes each line by itself, which takes a hundred times as long.
  const size = plan === 'fused' ? 64 * MIB : MIB / 4
  t.test(`14: ${size / MIB} MiB of \\n (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', apart: true, options: { plan }, reasons: { end: 1 } },
      async ({ client, server }) => {
        const { rss } = await server.report()
        const { end, receive } = await client()
        const sent = Buffer.alloc(size, '\n')
        end(sent)
        t.ok((await receive()).equals(sent))
        const grown = (await server.report()).rss - rss
        t.ok(grown < BOUND, `it grew by ${(grown / MIB).toFixed(1)} MiB`)
      },
    ),
  )
}
