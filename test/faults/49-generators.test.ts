import t from 'tap'
import { PLANS } from '../plans.js'
import { underFault } from './oracle.js'
import { finished } from './pipelines.js'

for (const plan of PLANS) {
  const target = { pipeline: 'generating', options: { plan, idleTimeout: 20_000 } } as const

  t.test(`49: a generator that awaits for ever is named at its deadline (${plan})`, t =>
    underFault(t, { ...target, reasons: { 'stage-error': 2 } }, async ({ client, ended, pass }) => {
      const [leaving, staying] = [await client(), await client()]
      for (const each of [leaving, staying]) {
        await each.send('waits\n')
        t.equal(String(await each.receive(6)), 'waits\n')
      }
      leaving.end()
      await staying.send('one more\n')
      await pass(25_000)
      for (const { message } of await ended(2))
        t.match(message, /^Stage 'generating' has not answered for (10|20) s/)
    }),
  )

  t.test(`49: one that goes on for ever ends with its connection, and its finally runs once (${plan})`, t => {
    finished.count = 0
    return underFault(t, { ...target, reasons: { 'client-reset': 3, end: 1 } }, async ({ client, ended }) => {
      const clients = await Promise.all([client(), client(), client(), client()])
      for (const [index, line] of ['goes on', 'stubborn', 'stubborn', 'a'].entries()) {
        await clients[index]?.send(`${line}\n`)
        await clients[index]?.receive(line.length + 1)
      }
      const [endless, stubborn, ending, good] = clients
      endless?.socket.resetAndDestroy()
      stubborn?.socket.resetAndDestroy()
      ending?.end()
      ending?.socket.resume()
      good?.end()
      await ended(3)
      ending?.socket.resetAndDestroy()
      await ended(4)
      await new Promise(resolve => setImmediate(resolve))
      t.equal(finished.count, 4)
    })
  })
}
