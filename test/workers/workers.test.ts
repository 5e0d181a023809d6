import t from 'tap'
import { connectTcp } from '../tcp-client.js'
import { readGreeting, spawnServer } from './spawn-server.js'

t.test('workers share the connections, and number them without a gap', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const served: { pid: number; id: number }[] = []
  for (let count = 0; count < 6; count++) {
    const client = await connectTcp(t, server.port)
    served.push(readGreeting(await client.receive('\n')))
    await client.send('hello\n')
    t.equal((await client.receive('\n')).toString(), 'hello\n')
  }
  t.strictSame(
    served.map(({ id }) => id),
    [1, 2, 3, 4, 5, 6],
  )
  const [first = 0, second = 0] = server.workers()
  t.equal(served.filter(({ pid }) => pid === first).length, 3)
  t.equal(served.filter(({ pid }) => pid === second).length, 3)
  t.match(await server.tell({ do: 'count' }), { connections: 6, refused: 0 })
  t.match(await server.tell({ do: 'close' }), { forced: 0 })
  t.equal(await server.ended, 0)
  t.equal(server.said.filter(({ outcome }) => outcome === 'shutdown').length, 6)
  t.equal(server.errors(), '')
})

t.test('the limits are those of all workers together', async t => {
  const server = await spawnServer(t, { workers: 2, maxConnections: 2 })
  const clients = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
  for (const client of clients) await client.receive('\n')
  const third = await connectTcp(t, server.port)
  t.equal((await third.receive()).toString(), 'error: too many connections\n')
  third.end()
  t.match(await server.tell({ do: 'count' }), { connections: 2, refused: 1 })
  clients[0]?.end()
  await server.heard(({ outcome }) => outcome === 'end')
  const fourth = await connectTcp(t, server.port)
  t.equal(readGreeting(await fourth.receive('\n')).id, 3, 'who is refused gets no number')
})

t.test('a worker that is killed is replaced, and the connections of the others go on', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const clients = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
  const served = []
  for (const client of clients) served.push(readGreeting(await client.receive('\n')))
  process.kill(served[0]?.pid ?? 0, 'SIGKILL')
  t.equal((await clients[0]?.receive())?.toString(), '')
  const [died] = await server.heard(({ outcome }) => outcome === 'worker-died')
  t.match(died, { id: 1, pid: server.primary.pid })
  await server.heard(({ worker = 0 }) => worker > 0, 3)
  await clients[1]?.send('still here\n')
  t.equal((await clients[1]?.receive('\n'))?.toString(), 'still here\n')
  const next = await connectTcp(t, server.port)
  t.match(readGreeting(await next.receive('\n')), { pid: server.workers()[2], id: 3 })
  t.match(await server.tell({ do: 'count' }), { connections: 2 })
})

t.test(
  'a worker with an error that nobody caught answers what has come, and another takes its place',
  async t => {
    const server = await spawnServer(t, { workers: 1 })
    const [client, bystander] = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
    await bystander.receive('\n')
    await client.receive('\n')
    await client.send('throw\n')
    t.equal((await client.receive()).toString(), 'throw\n')
    t.equal((await bystander.receive()).toString(), '')
    client.end()
    bystander.end()
    await server.heard(({ outcome }) => outcome === 'shutdown', 2)
    await server.heard(({ worker = 0 }) => worker > 0, 2)
    const next = await connectTcp(t, server.port)
    t.match(readGreeting(await next.receive('\n')), { pid: server.workers()[1], id: 3 })
    t.match(server.errors(), /out of order/)
  },
)

t.test('a worker whose event loop is blocked is killed, and another takes its place', async t => {
  const server = await spawnServer(t, { workers: 1, fakeTime: true })
  const client = await connectTcp(t, server.port)
  await client.receive('\n')
  await client.send('block\n')
  await server.heard(({ blocked }) => blocked !== undefined)
  const waiting = await connectTcp(t, server.port)
  for (let seconds = 0; seconds < 12.5; seconds += 2.5) {
    await server.tell({ do: 'advance', milliseconds: 2_500 })
  }
  await server.heard(({ outcome }) => outcome === 'worker-died')
  await server.tell({ do: 'advance', milliseconds: 0 })
  await server.heard(({ worker = 0 }) => worker > 0, 2)
  t.match(readGreeting(await waiting.receive('\n')), { pid: server.workers()[1], id: 2 })
})

t.test('what is left at the deadline is cut off, and counted', async t => {
  const server = await spawnServer(t, { workers: 2, frameTimeout: 0 })
  const client = await connectTcp(t, server.port)
  await client.receive('\n')
  const { pid } = server.said.find(({ worker }) => worker === 1) ?? {}
  process.kill(pid ?? 0, 'SIGSTOP')
  t.match(await server.tell({ do: 'close', timeout: 0 }), { forced: 1 })
  t.equal(await server.ended, 0)
})

t.test('workers leave the signals of a terminal to the primary', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const client = await connectTcp(t, server.port)
  await client.receive('\n')
  for (const pid of server.workers()) {
    process.kill(pid, 'SIGINT')
    process.kill(pid, 'SIGTERM')
  }
  await client.send('still here\n')
  t.equal((await client.receive('\n')).toString(), 'still here\n')
  t.match(await server.tell({ do: 'close' }), { forced: 0 })
})

t.test('several listeners of a script share its workers', async t => {
  const server = await spawnServer(t, { workers: 2, listeners: 2 })
  for (const port of server.ports) {
    const client = await connectTcp(t, port)
    t.equal(readGreeting(await client.receive('\n')).id, 1, 'each numbers its own connections')
  }
  t.equal(server.workers().length, 2)
  t.match(await server.tell({ do: 'close' }), { forced: 0 })
  const [, port = 0] = server.ports
  const client = await connectTcp(t, port)
  t.equal(readGreeting(await client.receive('\n')).id, 2, 'the other one goes on')
})

t.test('suspend and resume are for the primary, and a pipeline cannot be sent to workers', async t => {
  const server = await spawnServer(t, { workers: 1 })
  const client = await connectTcp(t, server.port)
  await client.receive('\n')
  await server.tell({ do: 'suspend' })
  await t.rejects(connectTcp(t, server.port), { code: 'ECONNREFUSED' })
  await client.send('still here\n')
  t.equal((await client.receive('\n')).toString(), 'still here\n')
  await server.tell({ do: 'resume' })
  const next = await connectTcp(t, server.port)
  t.equal(readGreeting(await next.receive('\n')).id, 2)
  t.match(await server.tell({ do: 'replace' }), { failure: /cannot be sent to workers/ })
  t.match(await server.tell({ do: 'close' }), { forced: 0 })
  t.equal(await server.ended, 0)
})
