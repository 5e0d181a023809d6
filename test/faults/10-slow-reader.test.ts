import { randomBytes } from 'node:crypto'
import t from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

for (const plan of PLANS) {
  const options = { plan, drainTimeout: 10_000, idleTimeout: 10_000 }
  t.test(`10: slow reader (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'echo', options, clock: fakeClock(), reasons: { end: 1 } },
      async ({ client, pass, ended }) => {
        const { send, end, receive } = await client()
        const sent = randomBytes(32 * MIB)
        void send(sent).then(() => end())
        for (let part = 0; part < 32; part++) {
          t.ok((await receive(MIB)).equals(sent.subarray(part * MIB, (part + 1) * MIB)), `MiB ${part}`)
          await pass(4000)
        }
        t.equal((await receive()).length, 0)
        await ended(1)
      },
    ),
  )
}
