import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { spawnServer } from '../listener/workers/spawn-server.js'
import { connectTcp } from '../tcp-client.js'

t.test('26: primary SIGKILL', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const clients = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
  for (const client of clients) await client.receive('\n')
  server.primary.kill('SIGKILL')
  // A process that is left would hold its output open.
  t.equal(await server.ended, 'SIGKILL')
  for (const client of clients) t.equal((await client.receive()).toString(), '')
  const next = createServer().listen(server.port, '127.0.0.1')
  t.teardown(() => next.close())
  await once(next, 'listening')
  t.pass('the port is free')
})
