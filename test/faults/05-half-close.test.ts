import t from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

for (const plan of PLANS) {
  const options = { plan, halfCloseTimeout: 10_000 }
  t.test(`5: client half-closes and stays (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'large', options, clock: fakeClock(), reasons: { end: 1, 'half-close-timeout': 1 } },
      async ({ client, pass, ended }) => {
        const reads = await client()
        reads.end('large\n')
        t.equal((await reads.receive()).length, 64 * MIB, 'who reads gets everything')
        const stays = await client()
        stays.end('large\n')
        await stays.receive(1)
        await pass(20_000)
        await ended(2)
      },
    ),
  )
}
