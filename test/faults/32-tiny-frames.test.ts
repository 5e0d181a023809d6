import t from 'tap'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import { watchMemory } from './memory.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

const CLIENTS = RUNS_ALL ? 100 : 20
/**
 * What a hundred connections may hold in front of a stream: the rest of a read, the next read, and the items of one piece.
 * Twenty would hold ten times as much if their frames were all made at once.
 */
const BOUND = (100 * MIB) / 8

for (const plan of PLANS) {
  t.test(`32: 64 KiB of one-byte frames from each of ${CLIENTS} clients, in front of a stream (${plan})`, t =>
    underFault(t, { pipeline: 'late', apart: true, options: { plan } }, async scene => {
      const { bystander, client, server } = scene
      const memory = await watchMemory(server)
      for (let count = 1; count <= CLIENTS; count++) {
        const { send } = await client()
        await send('\n'.repeat(65_536))
        if (count % 10 === 0) await memory.sample()
      }
      await bystander.rounds(10)
      await memory.sample()
      t.ok(memory.most() < BOUND, `it grew by ${(memory.most() / MIB).toFixed(1)} MiB`)
    }),
  )
}
