import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

/** Lines that are JSON, and that JSON.stringify would not give back. */
const LINES = ['1e400', '[-1e999]', `1${'0'.repeat(400)}`, '['.repeat(4_500) + ']'.repeat(4_500)]

for (const plan of PLANS) {
  t.test(`39: valid JSON that cannot be written again ends its connection as invalid-frame (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'judging', options: { plan }, reasons: { 'invalid-frame': LINES.length } },
      async ({ client }) => {
        for (const line of LINES) {
          const { end, receive } = await client()
          end(`[1]\n${line}\n[3]\n`)
          t.match((await receive()).toString(), /^\[1\]\nerror: invalid frame: it [^\n]*\n$/)
        }
      },
    ),
  )

  t.test(`39: and is left out where the stage is told to skip (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'ignoring', options: { plan }, reasons: { end: LINES.length } },
      async ({ client }) => {
        for (const line of LINES) {
          const { end, receive } = await client()
          end(`[1]\n${line}\n[3]\n`)
          t.equal((await receive()).toString(), '[1]\n[3]\n')
        }
      },
    ),
  )
}
