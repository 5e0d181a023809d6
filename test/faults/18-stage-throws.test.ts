import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { THROWS } from './throwing.js'

for (const plan of PLANS) {
  t.test(`18: stage throws: start, transform, flush, close; sync, async, timer (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'throwing', apart: true, options: { plan } },
      async ({ client, ended, faults }) => {
        for (const [index, { title }] of THROWS.entries()) {
          const { socket, send, end } = await client()
          socket.resume()
          await send('x\n')
          // A timer of `start` or `transform` is to find its connection open, and that of `flush` finds it gone.
          if (/^(start|transform), in/.test(title)) await faults(index + 1)
          end()
          const id = index + 2
          const fault = (await faults(index + 1)).at(-1)
          t.match(fault, { id, message: /throwing.*(boom|promise)/ }, title)
          const reason = title === 'flush, in a timer' ? /^(end|stage-error)$/ : 'stage-error'
          t.match((await ended(index + 1)).at(-1), { id, reason }, title)
        }
      },
    ),
  )
}
