import t from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  const options = { plan, idleTimeout: 60_000 }
  t.test(`8: idle client (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', options, clock: fakeClock(), reasons: { 'idle-timeout': 2 } },
      async ({ client, pass, ended }) => {
        const silent = await client()
        const once = await client()
        await once.send('hello\n')
        t.equal((await once.receive('\n')).toString(), 'hello\n')
        await pass(59_000)
        t.strictSame(await ended(0), [])
        await pass(3000)
        for (const { receive, end } of [silent, once]) {
          t.equal((await receive()).toString(), 'error: idle for 1 min\n')
          end()
        }
        await ended(2)
      },
    ),
  )
}
