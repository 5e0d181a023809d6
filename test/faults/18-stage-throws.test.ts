import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { THROWS } from './throwing.js'

for (const plan of PLANS) {
  t.test(`18: stage throws: start, transform, flush, close; sync, async, timer (${plan})`, t =>
    underFault(
      t,
      {
        pipeline: 'throwing',
        apart: true,
        options: { plan },
        reasons: { 'stage-error': THROWS.length },
      },
      async ({ client, ended }) => {
        for (const [index, { title }] of THROWS.entries()) {
          const { socket, end } = await client()
          socket.resume()
          await new Promise(resolve => socket.write('x\n', resolve))
          // A timer of flush would be due after the end of a connection that has ended already.
          end()
          const outcome = (await ended(index + 1)).at(-1)
          t.match(
            outcome,
            { id: index + 2, reason: 'stage-error', message: /throwing.*(boom|promise)/ },
            title,
          )
        }
      },
    ),
  )
}
