import t from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'

for (const plan of PLANS) {
  t.test(`7: slowloris: a byte a second, no newline, 200 clients (${plan})`, t =>
    underFault(
      t,
      { pipeline: 'lines', options: { plan }, clock: fakeClock(), reasons: { 'frame-timeout': 200 } },
      async ({ client, pass, ended }) => {
        const clients = await Promise.all(Array.from({ length: 200 }, client))
        // One that still waits to be accepted would begin later.
        for (const { send, receive } of clients) {
          await send('hello\n')
          await receive('hello\n')
        }
        const farewells = clients.map(({ receive }) => receive())
        for (let second = 0; second < 30; second++) {
          for (const { send } of clients) await send('x')
          await pass(1000)
        }
        await pass(2000)
        for (const farewell of farewells)
          t.equal(String(await farewell), 'error: line took longer than 30 s\n')
        for (const { end } of clients) end()
        await ended(200)
      },
    ),
  )
}
