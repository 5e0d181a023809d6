import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MAX_LENGTH } from './pipelines.js'

for (const plan of PLANS) {
  t.test(`13: good lines, then an over-long one, in one chunk (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', options: { plan }, reasons: { 'frame-too-long': 1 } },
      async ({ client, ended }) => {
        const { send, end, receive } = await client()
        const good = 'good\n'.repeat(1000)
        await send(`${good}${'x'.repeat(MAX_LENGTH + 1)}\nmore\n`)
        t.equal((await receive()).toString(), `${good}error: line is longer than 4096 bytes\n`)
        end()
        await ended(1)
      },
    ),
  )
}
