import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

for (const plan of PLANS) {
  const options = { plan, halfCloseTimeout: 200 }
  t.test(`5: client half-closes and stays (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'large', options, reasons: { end: 1, 'half-close-timeout': 1 } },
      async ({ client, ended }) => {
        const reads = await client()
        reads.end('large\n')
        t.equal((await reads.receive()).length, 64 * MIB, 'who reads gets everything')
        const stays = await client()
        stays.end('large\n')
        await ended(2)
      },
    ),
  )
}
