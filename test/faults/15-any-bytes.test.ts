import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

/** Every byte, with what is no UTF-8, and a character that is cut in two. */
const SENT = Buffer.concat([
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from('\nfine\n\0\n'),
  Buffer.from([0xc3, 0x0a, 0xa9, 0x0a, 0xf0, 0x9f, 0x8c, 0x0a]),
])
const CUTS = [1, 7, SENT.length]

for (const plan of PLANS) {
  for (const [pipeline, answer] of [
    ['echo', SENT],
    ['exact', SENT],
    ['lines', Buffer.from(SENT.toString())],
  ] as const) {
    t.test(`15: NUL, invalid UTF-8, character cut by a chunk border (${plan}, ${pipeline})`, t =>
      underFault(t, { pipeline, options: { plan }, reasons: { end: CUTS.length } }, async ({ client }) => {
        for (const length of CUTS) {
          const { send, end, receive } = await client()
          const received = receive()
          for (let at = 0; at < SENT.length; at += length) await send(SENT.subarray(at, at + length))
          end()
          t.strictSame(await received, answer, `in chunks of ${length}`)
        }
      }),
    )
  }
}
