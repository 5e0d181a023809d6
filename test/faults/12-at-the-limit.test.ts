import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { MAX_LENGTH } from './pipelines.js'

for (const plan of PLANS) {
  t.test(`12: line of exactly the limit / one more (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', options: { plan }, reasons: { end: 2, 'frame-too-long': 3 } },
      async ({ client, ended }) => {
        const full = 'é'.repeat(MAX_LENGTH / 2)
        for (const line of [`${full}\n`, full]) {
          const accepted = await client()
          accepted.end(line)
          t.equal((await accepted.receive()).toString(), `${full}\n`)
        }
        for (const parts of [[`${full}x\n`], [full, 'x\n'], [`${full}x`]]) {
          const refused = await client()
          for (const part of parts) await refused.send(part)
          t.equal((await refused.receive()).toString(), 'error: line is longer than 4096 bytes\n')
          refused.end()
        }
        await ended(5)
      },
    ),
  )
}
