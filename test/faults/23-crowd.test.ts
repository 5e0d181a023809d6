import t from 'tap'
import { underFault } from './oracle.js'

t.test('23: 5,000 connects at once', t =>
  underFault(
    t,
    { pipeline: 'lines', apart: true, reasons: { end: 5000 } },
    async ({ client, ended, server }) => {
      const clients = await Promise.all(Array.from({ length: 5000 }, client))
      for (const [index, { send }] of clients.entries()) void send(`client ${index}\n`)
      let wrong = 0
      for (const [index, { receive }] of clients.entries()) {
        if (String(await receive('\n')) !== `client ${index}\n`) wrong++
      }
      t.equal(wrong, 0)
      t.equal((await server.report()).connections, 5001)
      for (const { end } of clients) end()
      await ended(5000)
    },
  ),
)
