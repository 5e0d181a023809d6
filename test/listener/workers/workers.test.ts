import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { encodeProxyHeader } from '../../../lib/net/proxy-header.js'
import { socketFolder } from '../../socket-folder.js'
import { clientOf, connectTcp, type TcpClient } from '../../tcp-client.js'
import { identity } from '../../transports/certificates.js'
import { connectTls } from '../../transports/tls-client.js'
import { connectWebSocket } from '../../transports/websocket-client.js'
import { readGreeting, type SpawnedServer, spawnServer } from './spawn-server.js'

async function connectUnix(t: Test, path: string): Promise<TcpClient> {
  const socket = connect({ path, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return clientOf(socket)
}

/** Closes a server whose clients answer its FIN. */
async function close(server: SpawnedServer, clients: readonly (TcpClient | undefined)[]) {
  const told = server.tell({ do: 'close' })
  for (const client of clients) {
    await client?.receive()
    client?.end()
  }
  return told
}

t.test('workers share the connections, and number them without a gap', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const clients: TcpClient[] = []
  const served: { pid: number; id: number }[] = []
  for (let count = 0; count < 6; count++) {
    const client = await connectTcp(t, server.port)
    served.push(readGreeting(await client.receive('\n')))
    await client.send('hello\n')
    t.equal((await client.receive('\n')).toString(), 'hello\n')
    clients.push(client)
  }
  t.strictSame(
    served.map(({ id }) => id),
    [1, 2, 3, 4, 5, 6],
  )
  for (const worker of server.workers()) {
    t.equal(served.filter(({ pid }) => pid === worker).length, 3, 'none has more than the other')
  }
  t.match(await server.tell({ do: 'count' }), { connections: 6, refused: 0 })
  t.match(await close(server, clients), { forced: 0, connections: 0 })
  t.equal(await server.ended, 0)
  t.equal(server.said.filter(({ outcome }) => outcome === 'shutdown').length, 6)
  t.equal(server.errors(), '')
})

t.test('a room is one for all workers', async t => {
  const server = await spawnServer(t, { workers: 2, room: true })
  const [a, b, c] = [
    await connectTcp(t, server.port),
    await connectTcp(t, server.port),
    await connectTcp(t, server.port),
  ]
  const processes: number[] = []
  for (const client of [a, b, c]) processes.push(readGreeting(await client.receive('\n')).pid)
  t.equal(new Set(processes).size, 2)
  await c.send('hello from c\n')
  for (const client of [a, b, c]) t.match(String(await client.receive('hello from c\n')), /hello from c\n$/)
  await close(server, [a, b, c])
  t.equal(await server.ended, 0)
})

t.test('a counter counts for all workers, also when one is killed in the middle', async t => {
  const server = await spawnServer(t, { workers: 3 })
  const clients: TcpClient[] = []
  const come = async (count: number) => {
    const all = await Promise.all(Array.from({ length: count }, () => connectTcp(t, server.port)))
    clients.push(...all)
    return Promise.all(all.map(async ({ receive }) => readGreeting(await receive('\n'))))
  }
  const before = await come(50)
  const [victim] = server.workers()
  process.kill(victim ?? 0, 'SIGKILL')
  const after = await come(50)
  const ids = [...before, ...after].map(({ id }) => id)
  const all = Array.from({ length: 100 }, (_, index) => index + 1)
  t.strictSame(
    ids.sort((one, other) => one - other),
    all,
    'the numbers of the clients',
  )
  const opened = await server.heard(({ opened }) => opened !== undefined, 100)
  t.strictSame(
    opened.map(({ opened = 0 }) => opened).sort((one, other) => one - other),
    all,
    'the numbers of the counters',
  )
  for (const client of clients) client.end()
  const left = 100 - before.filter(({ pid }) => pid === victim).length
  const closed = await server.heard(({ closed }) => closed !== undefined, left)
  t.ok(
    closed.every(({ total }) => total === 100),
    'the total is that of all workers',
  )
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

t.test('a worker with an error that nobody caught finishes, and another takes its place', async t => {
  const server = await spawnServer(t, { workers: 1 })
  const [client, bystander] = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
  await bystander.receive('\n')
  await client.receive('\n')
  await client.send('throw\n')
  t.equal((await client.receive()).toString(), 'throw\n')
  t.equal((await bystander.receive()).toString(), '')
  // The old one still waits for the ends of these two.
  await server.heard(({ worker = 0 }) => worker > 0, 2)
  const next = await connectTcp(t, server.port)
  t.match(readGreeting(await next.receive('\n')), { pid: server.workers()[1], id: 3 })
  client.end()
  bystander.end()
  await server.heard(({ outcome }) => outcome === 'shutdown', 2)
  await close(server, [next])
  t.equal(await server.ended, 0)
  t.match(server.errors(), /out of order/)
})

t.test('a worker whose event loop is blocked is killed, and another takes its place', async t => {
  const server = await spawnServer(t, { workers: 1, fakeTime: true })
  const client = await connectTcp(t, server.port)
  await client.receive('\n')
  await client.send('block\n')
  await server.heard(({ blocked }) => blocked !== undefined)
  const waiting = await connectTcp(t, server.port)
  // A loop that has used processor time between two pings is given longer: how many there are depends on the machine.
  while (!server.said.some(({ outcome }) => outcome === 'worker-died')) {
    await server.tell({ do: 'advance', milliseconds: 2_500 })
  }
  t.match(await server.heard(({ outcome }) => outcome === 'worker-died'), [{ id: 1 }])
  await server.tell({ do: 'advance', milliseconds: 0 })
  t.equal(readGreeting(await waiting.receive('\n')).id, 2, 'who had not been taken loses nothing')
})

t.test('what is left at the deadline is cut off, and counted, also by a worker that hangs', async t => {
  const server = await spawnServer(t, { workers: 2 })
  const clients = [await connectTcp(t, server.port), await connectTcp(t, server.port)]
  const served = []
  for (const client of clients) served.push(readGreeting(await client.receive('\n')))
  process.kill(served[0]?.pid ?? 0, 'SIGSTOP')
  t.match(await server.tell({ do: 'close', timeout: 0 }), { forced: 2 })
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
  t.match(await close(server, [client]), { forced: 0 })
})

t.test('PROXY headers are read before a worker is chosen, and it gets all that is behind them', async t => {
  const server = await spawnServer(t, { workers: 2, proxyProtocol: ['127.0.0.1'] })
  const lines = Buffer.from(`${'x'.repeat(60_000)}\n`)
  for (const version of [1, 2] as const) {
    const client = await connectTcp(t, server.port)
    const address = `192.0.2.${version}`
    const destination = { address: '198.51.100.7', port: 443 }
    const header = encodeProxyHeader(version, { source: { address, port: 4711 }, destination })
    await client.send(header.subarray(0, 9))
    await client.send(Buffer.concat([header.subarray(9), lines]))
    await client.send(lines)
    t.equal(readGreeting(await client.receive('\n')).id, version)
    t.same(await client.receive(2 * lines.length), Buffer.concat([lines, lines]))
    client.end()
    t.equal(String(await client.receive()), '')
    const [over] = await server.heard(({ outcome, id }) => outcome === 'end' && id === version, 1)
    t.equal(over?.address, address)
  }
  const local = await connectTcp(t, server.port)
  await local.send('PROXY UNKNOWN\r\n')
  t.equal(readGreeting(await local.receive('\n')).id, 3)
  const stranger = await connectTcp(t, server.port)
  await stranger.send('hello\n')
  t.equal(String(await stranger.receive()), 'error: PROXY header is missing\n')
  stranger.end()
  t.match(await server.tell({ do: 'count' }), { connections: 1, refused: 1 })
  t.match(await close(server, [local]), { forced: 0 })
  t.equal(server.errors(), '')
})

t.test('several listeners of a script share its workers', async t => {
  const server = await spawnServer(t, { workers: 2, listeners: 2 })
  const clients = []
  for (const [index, port] of server.ports.entries()) {
    const client = await connectTcp(t, port)
    t.equal(readGreeting(await client.receive('\n')).id, index + 1, 'no two connections have the same id')
    clients.push(client)
  }
  t.equal(server.workers().length, 2)
  t.match(await close(server, clients.slice(0, 1)), { forced: 0 })
  const client = await connectTcp(t, server.ports[1] ?? 0)
  t.equal(readGreeting(await client.receive('\n')).id, 3, 'the other one goes on')
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
  t.match(await close(server, [client, next]), { forced: 0 })
  t.equal(await server.ended, 0)
})

t.test('handshakes of TLS are made in workers, and new certificates reach all of them', async t => {
  const server = await spawnServer(t, { workers: 2, tls: identity('server') })
  const names = async () => {
    const found = []
    for (let count = 0; count < 2; count++) {
      const client = await connectTls(t, server.port)
      const { pid } = readGreeting(await client.receive('\n'))
      found.push({ pid, name: client.socket.getPeerCertificate().serialNumber })
    }
    return found
  }
  const before = await names()
  t.strictSame(before.map(({ pid }) => pid).sort(), [...server.workers()].sort(), 'each worker')
  t.match(await server.tell({ do: 'secure', tls: { cert: 'none', key: 'none' } }), { failure: /PEM/ })
  await server.tell({ do: 'secure', tls: identity('renewed') })
  for (const { name } of await names()) t.not(name, before[0]?.name)
  process.kill(server.workers()[0] ?? 0, 'SIGKILL')
  await server.heard(({ worker = 0 }) => worker > 0, 3)
  for (const { name } of await names()) t.not(name, before[0]?.name, 'nor has a new worker the old one')
})

t.test('workers serve WebSockets, and drain them', async t => {
  const server = await spawnServer(t, { workers: 2, websocket: { type: 'text' } })
  const clients = [await connectWebSocket(t, server.port), await connectWebSocket(t, server.port)]
  const served = await Promise.all(clients.map(async ({ next }) => readGreeting(Buffer.from(await next()))))
  t.strictSame(served.map(({ pid }) => pid).sort(), [...server.workers()].sort(), 'each worker')
  for (const { webSocket, next } of clients) {
    webSocket.send('hello')
    t.equal(await next(), 'hello')
  }
  const closed = server.tell({ do: 'close' })
  for (const { rest } of clients) t.equal((await rest()).code, 1001)
  t.match(await closed, { forced: 0 })
  t.equal(await server.ended, 0)
})

t.test('workers serve a unix socket, and what had not been taken when they died', async t => {
  // A path of a socket is short, and that of a test's folder long.
  const folder = socketFolder(t)
  const path = join(folder, 'socket')
  const server = await spawnServer(t, { workers: 1, path })
  const client = await connectUnix(t, path)
  t.equal(readGreeting(await client.receive('\n')).id, 1)
  process.kill(server.workers()[0] ?? 0, 'SIGSTOP')
  const waiting = await connectUnix(t, path)
  process.kill(server.workers()[0] ?? 0, 'SIGKILL')
  t.equal(readGreeting(await waiting.receive('\n')).id, 2)
})
