import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  t.test(`6: 1-byte dribble (${plan})`, t =>
    underFault(t, { pipeline: 'lines', options: { plan }, reasons: { end: 2 } }, async ({ client }) => {
      const sent = Buffer.from('héllo\r\n\nwörld 🌊\n'.repeat(100))
      const dribbles = await client()
      const dribbled = dribbles.receive()
      for (const byte of sent) await dribbles.send(Buffer.of(byte))
      dribbles.end()
      const writes = await client()
      writes.end(sent)
      t.strictSame(await dribbled, await writes.receive())
    }),
  )
}
