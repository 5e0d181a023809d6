import t from 'tap'
import { PLANS } from '../plans.js'
import { MISBEHAVIOURS, MISTAKES } from './misbehaving.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  for (const [pipeline, faults] of [
    ['misbehaving', MISBEHAVIOURS],
    ['mistaken', MISTAKES],
  ] as const) {
    const target = {
      pipeline,
      apart: true,
      options: { plan, halfCloseTimeout: 200 },
      reasons: { 'stage-error': faults.length },
    }
    t.test(
      `19: stage calls back twice, never, after end; emits a wrong kind, null, undefined (${plan}, ${pipeline})`,
      t =>
        underFault(t, target, async ({ client, ended }) => {
          for (const [index, { title }] of faults.entries()) {
            const { send, end, receive } = await client()
            const answer = receive()
            await send('x\n')
            end()
            const outcome = (await ended(index + 1)).at(-1)
            const message = new RegExp(`^Stage '${pipeline}' `)
            t.match(outcome, { id: index + 2, reason: 'stage-error', message }, title)
            t.match(String(await answer), /^(x\n)?$/, 'nothing twice')
          }
        }),
    )
  }
}
