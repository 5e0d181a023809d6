import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  for (const [pipeline, answer] of [
    ['lines', 'one\ntail\n'],
    ['exact', 'one\n'],
  ] as const) {
    t.test(`4: FIN without a final newline (${plan}, ${pipeline})`, t =>
      underFault(t, { pipeline, options: { plan }, reasons: { end: 1 } }, async ({ client }) => {
        const { end, receive } = await client()
        end('one\ntail')
        t.equal((await receive()).toString(), answer)
      }),
    )
  }
}
