import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  t.test(`3: FIN right after the last line, stage answers 10 ms later (${plan})`, t =>
    underFault(t, { pipeline: 'late', options: { plan }, reasons: { end: 1 } }, async ({ client }) => {
      const { end, receive } = await client()
      const sent = Array.from({ length: 500 }, (_, line) => `line ${line}\n`).join('')
      end(sent)
      t.equal((await receive()).toString(), sent)
    }),
  )
}
