import t from 'tap'
import { RUNS_ALL } from '../runs.js'
import { underFault } from './oracle.js'

const CLIENTS = RUNS_ALL ? 5000 : 1000

t.test(`23: ${CLIENTS} connects at once`, t =>
  underFault(
    t,
    { pipeline: 'lines', apart: true, reasons: { end: CLIENTS } },
    async ({ client, ended, server }) => {
      const clients = await Promise.all(Array.from({ length: CLIENTS }, client))
      for (const [index, { send }] of clients.entries()) void send(`client ${index}\n`)
      let wrong = 0
      for (const [index, { receive }] of clients.entries()) {
        if (String(await receive('\n')) !== `client ${index}\n`) wrong++
      }
      t.equal(wrong, 0)
      t.equal((await server.report()).connections, CLIENTS + 1)
      for (const { end } of clients) end()
      await ended(CLIENTS)
    },
  ),
)
