import t, { type Test } from 'tap'
import type { ListenOptions } from '../../../../lib/index.js'
import { freePort } from '../../../free-port.js'
import { runs } from '../../../runs.js'
import { pause } from '../../../server-program.js'
import { connectTcp, type TcpClient } from '../../../tcp-client.js'
import { identity } from '../../../transports/certificates.js'
import { connectTls } from '../../../transports/tls-client.js'
import { connectWebSocket } from '../../../transports/websocket-client.js'
import { readGreeting, type SpawnedServer, spawnServer } from '../spawn-server.js'
import { NEWER_NODE, WITHOUT_NEWER_NODE } from './newer-node.js'

const skip = NEWER_NODE === undefined && WITHOUT_NEWER_NODE

interface ServerOptions extends ListenOptions {
  readonly count?: number
  readonly maxHeapSize?: number
  readonly room?: boolean
  readonly fakeTime?: boolean
  readonly listeners?: number
}

function spawnThreads(t: Test, { count = 2, maxHeapSize, ...options }: ServerOptions = {}) {
  const workers = { count, spread: 'kernel', ...(maxHeapSize && { maxHeapSize }) } as const
  return spawnServer(t, { ...options, workers }, NEWER_NODE === undefined ? {} : { execPath: NEWER_NODE })
}

interface Served {
  readonly client: TcpClient
  readonly pid: number
  readonly id: number
}

async function come(t: Test, server: SpawnedServer): Promise<Served> {
  const client = await connectTcp(t, server.port)
  return { client, ...readGreeting(await client.receive('\n')) }
}

/** Connects until each of some threads serves a client: the kernel spreads them by their ports. */
async function comeToEach(t: Test, server: SpawnedServer, threads = 2): Promise<readonly Served[]> {
  const all: Served[] = []
  while (new Set(all.map(({ pid }) => pid)).size < threads) all.push(await come(t, server))
  return all
}

/** The first client of each thread. */
function firstOfEach(all: readonly Served[]): readonly [Served, Served] {
  const [one] = all as [Served]
  return [one, all.find(({ pid }) => pid !== one.pid) as Served]
}

const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

t.test('threads share the connections, number them without a gap, and drain', { skip }, async t => {
  const server = await spawnThreads(t)
  const all = await comeToEach(t, server)
  t.strictSame(
    all.map(({ id }) => id),
    numbersTo(all.length),
  )
  for (const { client } of all) {
    await client.send('hello\n')
    t.equal(String(await client.receive('\n')), 'hello\n')
  }
  t.match(await server.tell({ do: 'count' }), { connections: all.length, refused: 0 })
  const told = server.tell({ do: 'close' })
  for (const { client } of all) {
    await client.receive()
    client.end()
  }
  t.match(await told, { forced: 0, connections: 0 })
  t.equal(await server.ended, 0)
  t.equal(server.said.filter(({ outcome }) => outcome === 'shutdown').length, all.length)
  t.equal(server.errors(), '')
})

t.test('a thread that ends is replaced, and the primary reports its connections', { skip }, async t => {
  const server = await spawnThreads(t)
  const all = await comeToEach(t, server)
  const [victim, bystander] = firstOfEach(all)
  const lost = all.filter(({ pid }) => pid === victim.pid)
  await victim.client.send('exit\n')
  const died = await server.heard(({ outcome }) => outcome === 'worker-died', lost.length)
  t.strictSame(
    died.map(({ id }) => id).sort((one = 0, other = 0) => one - other),
    lost.map(({ id }) => id),
  )
  t.match(died[0], {
    pid: server.primary.pid,
    address: '127.0.0.1',
    error: /^worker \d \(thread \d+\) ended with exit code 3$/,
  })
  for (const { client } of lost) await client.receive()
  await server.heard(({ worker = 0 }) => worker > 0, 3)
  await bystander.client.send('still here\n')
  t.equal(String(await bystander.client.receive('\n')), 'still here\n')
  t.match(await server.tell({ do: 'count' }), { connections: all.length - lost.length })
  const later = await come(t, server)
  t.equal(later.id, all.length + 1)
  const { status } = await server.tell({ do: 'status' })
  t.match(status?.traffic.total, { opened: all.length + 1, ended: { 'worker-died': lost.length } })
  t.equal(status?.connections.open, all.length - lost.length + 1)
})

t.test(
  'a thread with an error that nobody caught finishes, and another takes its place',
  { skip },
  async t => {
    const server = await spawnThreads(t, { count: 1 })
    const { client } = await come(t, server)
    await client.send('throw\n')
    t.equal(String(await client.receive()), 'throw\n')
    client.end()
    await server.heard(({ worker = 0 }) => worker > 0, 2)
    await server.heard(({ outcome }) => outcome === 'shutdown')
    const next = await come(t, server)
    t.equal(next.id, 2)
  },
)

t.test('a thread whose heap is full is replaced, and the others go on', { skip }, async t => {
  const server = await spawnThreads(t, { maxHeapSize: 33_554_432 })
  const all = await comeToEach(t, server)
  const [victim, bystander] = firstOfEach(all)
  const lost = all.filter(({ pid }) => pid === victim.pid)
  await victim.client.send('fill\n')
  const died = await server.heard(({ outcome }) => outcome === 'worker-died', lost.length)
  t.strictSame(
    died.map(({ id = 0 }) => id).sort((one, other) => one - other),
    lost.map(({ id }) => id),
  )
  t.match(died[0], { error: /^worker \d \(thread \d+\) ran out of memory: its heap was full$/ })
  await server.heard(({ worker = 0 }) => worker > 0, 3)
  await bystander.client.send('still here\n')
  t.equal(String(await bystander.client.receive('\n')), 'still here\n')
  t.equal((await come(t, server)).id, all.length + 1)
})

t.test('a thread that hangs is terminated, and replaced', { skip }, async t => {
  const server = await spawnThreads(t, { count: 1, fakeTime: true })
  const { client } = await come(t, server)
  await client.send('block\n')
  await server.heard(({ blocked }) => blocked !== undefined)
  while (!server.said.some(({ outcome }) => outcome === 'worker-died')) {
    await server.tell({ do: 'advance', milliseconds: 2_500 })
  }
  const [died] = await server.heard(({ outcome }) => outcome === 'worker-died')
  t.match(died, { id: 1, error: /^worker 1 \(thread \d+\) was terminated: it did nothing for 10 s$/ })
  await server.tell({ do: 'advance', milliseconds: 0 })
  await server.heard(({ worker = 0 }) => worker > 0, 2)
  const next = await come(t, server)
  t.equal(next.id, 2)
})

t.test('what is left at the deadline is cut off, also in a thread that hangs', { skip }, async t => {
  const server = await spawnThreads(t, { count: 1 })
  const [one, other] = [await come(t, server), await come(t, server)]
  await one.client.send('block\n')
  await server.heard(({ blocked }) => blocked !== undefined)
  t.match(await server.tell({ do: 'close', timeout: 0 }), { forced: 2 })
  t.equal(await server.ended, 0)
  await other.client.receive()
})

t.test('the limits are those of all threads together', { skip }, async t => {
  const server = await spawnThreads(t, { count: 3, maxConnections: 5 })
  const all = []
  for (let count = 0; count < 5; count++) all.push(await come(t, server))
  for (let count = 0; count < 4; count++) {
    const client = await connectTcp(t, server.port)
    t.equal(String(await client.receive()), 'error: too many connections\n')
    client.end()
  }
  t.match(await server.tell({ do: 'count' }), { connections: 5, refused: 4 })
  all[0]?.client.end()
  await server.heard(({ outcome }) => outcome === 'end')
  t.equal((await come(t, server)).id, 6, 'who is refused gets no number')
  const { status } = await server.tell({ do: 'status' })
  t.match(status?.traffic.total.refused, { 'max-connections': 4 })
})

t.test(
  'limits by address hold over threads, and a thread that dies gives back what it held',
  { skip },
  async t => {
    const server = await spawnThreads(t, { maxConnectionsPerAddress: 6 })
    const all: Served[] = []
    for (let count = 0; count < 6; count++) all.push(await come(t, server))
    const refused = async () => {
      const client = await connectTcp(t, server.port)
      t.equal(String(await client.receive()), 'error: too many connections from your address\n')
      client.end()
    }
    await refused()
    const [victim] = all as [Served]
    const lost = all.filter(({ pid }) => pid === victim.pid).length
    await victim.client.send('exit\n')
    await server.heard(({ worker = 0 }) => worker > 0, 3)
    for (let count = 0; count < lost; count++) t.equal((await come(t, server)).id, 7 + count)
    await refused()
  },
)

t.test('PROXY headers are read in threads, and limits go by the addresses in them', { skip }, async t => {
  const server = await spawnThreads(t, {
    proxyProtocol: ['127.0.0.1'],
    deny: ['192.0.2.9'],
    maxConnections: 2,
  })
  const knock = async (address: string) => {
    const client = await connectTcp(t, server.port)
    await client.send(`PROXY TCP4 ${address} 198.51.100.7 7 8\r\n`)
    return client
  }
  for (let count = 0; count < 3; count++) {
    const denied = await knock('192.0.2.9')
    t.equal(String(await denied.receive()), 'error: address not allowed\n')
    denied.end()
  }
  const served = await knock('192.0.2.1')
  t.equal(readGreeting(await served.receive('\n')).id, 1)
  const stranger = await connectTcp(t, server.port)
  await stranger.send('hello\n')
  t.equal(String(await stranger.receive()), 'error: PROXY header is missing\n')
  stranger.end()
  const gone = await connectTcp(t, server.port)
  gone.socket.destroy()
  await server.heard(({ outcome, id }) => outcome === 'client-reset' && id === 0)
  t.match(await server.tell({ do: 'count' }), { connections: 1, refused: 4 })
  await served.send('exit\n')
  t.match(await server.heard(({ outcome }) => outcome === 'worker-died'), [{ id: 1, address: '192.0.2.1' }])
})

t.test('a room is one for all threads', { skip }, async t => {
  const server = await spawnThreads(t, { room: true })
  const [one, other] = firstOfEach(await comeToEach(t, server))
  await one.client.send('hello\n')
  t.match(String(await other.client.receive('hello\n')), /hello\n$/)
  await other.client.send('to you\n')
  t.match(String(await one.client.receive('to you\n')), /to you\n$/)
})

t.test('new certificates reach all threads, and those that start later', { skip }, async t => {
  const server = await spawnThreads(t, { tls: identity('server') })
  const comeToEachTls = async (threads: number) => {
    const names = new Map<number, string>()
    let last: Awaited<ReturnType<typeof connectTls>> | undefined
    while (names.size < threads) {
      last = await connectTls(t, server.port)
      const { pid } = readGreeting(await last.receive('\n'))
      names.set(pid, last.socket.getPeerCertificate().serialNumber)
    }
    return { names: new Set(names.values()), last }
  }
  const before = await comeToEachTls(2)
  t.equal(before.names.size, 1)
  t.match(await server.tell({ do: 'secure', tls: { cert: 'none', key: 'none' } }), { failure: /PEM/ })
  await server.tell({ do: 'secure', tls: identity('renewed') })
  const after = await comeToEachTls(2)
  t.equal(after.names.size, 1)
  t.not([...after.names][0], [...before.names][0])
  await after.last?.send('exit\n')
  await server.heard(({ worker = 0 }) => worker > 0, 3)
  t.strictSame((await comeToEachTls(2)).names, after.names, 'nor has a new thread the old one')
})

t.test('threads serve WebSockets, and drain them', { skip }, async t => {
  const server = await spawnThreads(t, { websocket: { type: 'text' } })
  const { webSocket, next, rest } = await connectWebSocket(t, server.port)
  t.equal(readGreeting(Buffer.from(await next())).id, 1)
  webSocket.send('hello')
  t.equal(await next(), 'hello')
  const closed = server.tell({ do: 'close' })
  t.equal((await rest()).code, 1001)
  t.match(await closed, { forced: 0 })
})

t.test(
  'suspend and resume are for the primary, and several listeners share the threads',
  { skip },
  async t => {
    const server = await spawnThreads(t, { listeners: 2 })
    const one = await come(t, server)
    await server.tell({ do: 'suspend' })
    for (;;) {
      const error = await connectTcp(t, server.port).then(
        client => client.socket.destroy(),
        ({ code }) => code,
      )
      if (error === 'ECONNREFUSED') break
    }
    await one.client.send('still here\n')
    t.equal(String(await one.client.receive('\n')), 'still here\n')
    const other = await connectTcp(t, server.ports[1] ?? 0)
    t.match(String(await other.receive('\n')), /^\d+ \d+\n$/, 'the other listener goes on')
    t.equal((await server.tell({ do: 'resume' })).failure, undefined)
    t.ok((await come(t, server)).id > 1)
    t.match(await server.tell({ do: 'replace' }), { failure: /cannot be sent to workers/ })
  },
)

t.test('whoever kills threads under load, the numbers are 1 to N, each once', { skip }, async t => {
  // Time goes on with each kill, so that nothing waits for the threads that take the place of dead ones.
  const server = await spawnThreads(t, { count: 3, fakeTime: true, port: await freePort() })
  const kills = runs(50)
  const greeted: number[] = []
  let isOver = false
  /** Comes, says something, and goes. A thread may die under it or before it has accepted it, and all may be dead. */
  const visit = async (word?: string): Promise<boolean> => {
    const client = await connectTcp(t, server.port).catch(() => undefined)
    const greeting = await client?.receive('\n').catch(() => undefined)
    const isServed = greeting?.includes('\n') === true
    if (isServed) greeted.push(readGreeting(greeting).id)
    if (isServed && word !== undefined)
      await client
        ?.send(word)
        .then(() => client.receive())
        .catch(() => {})
    client?.socket.destroy()
    return isServed
  }
  const visitors = Array.from({ length: 4 }, async () => {
    while (!isOver) await visit()
  })
  for (let killed = 0; killed < kills; ) {
    if (await visit('exit\n')) killed++
    await server.tell({ do: 'advance', milliseconds: 3_000 })
  }
  isOver = true
  await Promise.all(visitors)
  while (!(await visit())) await server.tell({ do: 'advance', milliseconds: 3_000 })
  const last = Math.max(...greeted)
  /** The numbers that no client was greeted with, and of which nobody has reported the end. */
  const missing = () => {
    const known = new Set(greeted)
    // A client that went before it was greeted was served, too.
    for (const { outcome, id = 0 } of server.said) if (outcome !== undefined) known.add(id)
    return numbersTo(last).filter(id => !known.has(id))
  }
  for (let tries = 0; tries < 400 && missing().length > 0; tries++) await pause()
  const died = server.said.filter(({ outcome }) => outcome === 'worker-died').map(({ id = 0 }) => id)
  t.ok(died.length >= kills)
  t.equal(new Set(greeted).size, greeted.length, 'no number is given twice')
  t.equal(new Set(died).size, died.length, 'and no death is told twice')
  t.strictSame(missing(), [], 'and none is missing')
})
