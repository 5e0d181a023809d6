import t from 'tap'
import { PLANS } from '../plans.js'
import { mostMemory } from './memory.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

/** What a server may hold for one client that does not read: what one read makes, and what is just being read. */
const BOUND = 8 * MIB

for (const plan of PLANS) {
  const options = { plan, drainTimeout: 1000 }
  t.test(`9: client never reads, sends 64 MiB (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', apart: true, options, reasons: { 'drain-timeout': 1 } },
      async ({ client, ended, server }) => {
        const { send } = await client()
        const line = Buffer.alloc(1024, 'x')
        line[1023] = 0x0a
        void send(Buffer.concat(Array(64 * 1024).fill(line)))
        const grown = await mostMemory(server, ended(1))
        t.ok(grown < BOUND, `it grew by ${(grown / MIB).toFixed(1)} MiB`)
      },
    ),
  )
}
