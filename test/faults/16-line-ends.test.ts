import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

const SENT = 'lf\ncrlf\r\ncrcrlf\r\r\ncr\rstill\n\r\n\n'
const ANSWERS = {
  lf: SENT,
  lines: 'lf\ncrlf\ncrcrlf\r\ncr\rstill\n\n\n',
} as const
const COUNT = SENT.length + 1

for (const plan of PLANS) {
  for (const [pipeline, answer] of Object.entries(ANSWERS) as [keyof typeof ANSWERS, string][]) {
    t.test(`16: CR, LF, CRLF, CRCRLF, CR|LF cut (${plan}, ${pipeline})`, t =>
      underFault(t, { pipeline, options: { plan }, reasons: { end: COUNT } }, async ({ client }) => {
        for (let cut = 0; cut < COUNT; cut++) {
          const { send, end, receive } = await client()
          await send(SENT.slice(0, cut))
          end(SENT.slice(cut))
          t.equal((await receive()).toString(), answer, `cut at ${cut}`)
        }
      }),
    )
  }
}
