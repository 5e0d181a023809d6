import t from 'tap'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

/** More than the buffers of both sockets and `maxPending` hold. */
const PUSHED_BYTES = (RUNS_ALL ? 32 : 16) * MIB

for (const plan of PLANS) {
  const target = { pipeline: 'room', options: { plan }, reasons: { 'slow-consumer': 2, end: 2 } } as const
  t.test(`41: a reader at 10 kB/s, and one that never reads, under pushed output (${plan})`, t =>
    underFault(t, target, async ({ client, ended, pass }) => {
      const [speaker, fast, slow, deaf] = [await client(), await client(), await client(), await client()]
      for (const each of [fast, slow, deaf]) {
        await each.send('join\n')
        t.equal(String(await each.receive(5)), 'join\n')
      }
      const received = fast.receive(PUSHED_BYTES)
      await speaker.send(`push ${PUSHED_BYTES}\n`)
      void slow.receive(10_000)
      t.equal((await received).length, PUSHED_BYTES, 'a fast reader gets all')
      // Neither takes the farewell, and both are given up.
      await pass(20_000)
      for (const { message } of await ended(2)) t.match(message, /'maxPending'/)
      speaker.end()
      fast.end()
      await ended(4)
    }),
  )
}
