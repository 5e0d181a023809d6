import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { Ajv } from 'ajv'
import t, { type Test } from 'tap'
import {
  Connection,
  decode,
  hub,
  type ListenOptions,
  lines,
  listen,
  map,
  type Pipeline,
  pipeline,
  type Status,
  toLines,
  uppercase,
  upstream,
} from '../../lib/index.js'
import { Book } from '../../lib/status/book.js'
import { connect, fakeClock } from '../../lib/testing/index.js'
import { sampleStatuses } from './sample-status.js'

const schema = new Ajv({ strict: true, allErrors: true }).compile(
  JSON.parse(readFileSync('docs/status.schema.json', 'utf8')),
)

/** Checks that a status is JSON, and as the schema says. */
function isSound(t: Test, status: Status): void {
  t.strictSame(JSON.parse(JSON.stringify(status)), status, 'it survives JSON')
  t.ok(schema(status), JSON.stringify(schema.errors?.slice(0, 3)))
}

const shout = pipeline().through(lines()).through(uppercase()).through(toLines())

async function serve(t: Test, list: Pipeline<Buffer, Buffer>, options: ListenOptions = {}) {
  const listener = await listen(list, { port: 0, host: '127.0.0.1', ...options })
  t.teardown(() => listener.close({ timeout: 0 }))
  const dial = async () => {
    const socket = connectSocket(listener.address.port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  /** Waits until the status is as it should be. */
  const when = async (isReached: (status: Status) => boolean) => {
    for (;;) {
      const status = await listener.status()
      if (isReached(status)) return status
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  return { listener, dial, when }
}

t.test('counts add up over opens, closes and refusals', async t => {
  const reads = decode('strict', 'line', function* (read) {
    const byte = yield* read.bytes(1)
    if (byte[0] !== 0x61) throw new Error('no a')
    return 'a'
  })
  const list = pipeline().through(reads).through(toLines())
  const { listener, dial, when } = await serve(t, list, { maxConnections: 3, clock: fakeClock() })
  const sockets = [await dial(), await dial(), await dial()]
  const received = sockets.map(socket => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    return () => Buffer.concat(chunks).length
  })
  await when(({ traffic }) => traffic.total.opened === 3)
  const refused = await dial()
  refused.resume()
  await once(refused, 'close')
  sockets[0]?.write('aaa')
  sockets[1]?.end('aa')
  sockets[2]?.write('ab')
  const { traffic, connections, stages } = await when(({ traffic: { total } }) => {
    const { 'stage-error': failed = 0, 'client-reset': reset = 0, end = 0 } = total.ended
    return failed + reset + end === 2 && total.bytesIn === 7
  })
  t.same(traffic.total.refused, { 'max-connections': 1 })
  t.equal(traffic.total.opened, 3)
  t.same(traffic.total.ended, { end: 1, 'stage-error': 1 })
  t.equal(connections.open, 1)
  t.equal(connections.limit, 3)
  t.equal(traffic.total.itemsIn, 3, 'a chunk of each')
  t.match(stages, [
    { name: 'strict', errors: 1, in: { total: { items: 3, bytes: 7 } }, out: { total: { items: 6 } } },
    { name: 'toLines', errors: 0, in: { total: { items: 6 } }, out: { total: { items: 3, bytes: 12 } } },
  ])
  t.equal(received[0]?.() ?? 0, 6)
  t.equal(listener.refused, 1)
  isSound(t, await listener.status())
})

t.test('stages that run as one are shown as one', async t => {
  const { dial, when } = await serve(t, shout)
  const socket = await dial()
  socket.write('a\nb\n')
  const { stages, name, state, address, hubs, upstreams, workers } = await when(
    ({ traffic }) => traffic.total.bytesIn === 4,
  )
  t.match(stages, [
    {
      name: 'lines | uppercase | toLines',
      stages: ['lines', 'uppercase', 'toLines'],
      runs: 'on whole blocks of lines',
      in: { total: { items: 1, bytes: 4 } },
      out: { total: { bytes: 4 } },
    },
  ])
  t.match({ name, state, address }, { name: /^127.0.0.1:\d+$/, state: 'open', address: { family: 'IPv4' } })
  t.same([hubs, upstreams, workers], [[], [], []])
  socket.destroy()
})

t.test('a listener tells whether it is open', async t => {
  const { listener } = await serve(t, shout)
  await listener.suspend()
  t.equal((await listener.status()).state, 'suspended')
  await listener.resume()
  const closed = listener.close()
  t.equal((await listener.status()).state, 'closing')
  await closed
  t.equal((await listener.status()).state, 'closed')
})

t.test('a list that takes the place of another is counted from then on', async t => {
  const { listener, dial, when } = await serve(t, shout)
  const first = await dial()
  first.write('a\n')
  await when(({ traffic }) => traffic.total.bytesIn === 2)
  await listener.replace(
    pipeline()
      .through(lines())
      .through(map('low', line => line))
      .through(toLines()),
  )
  const second = await dial()
  second.write('bc\n')
  const { stages, traffic } = await when(({ traffic }) => traffic.total.bytesIn === 5)
  t.match(stages, [{ stages: ['lines', 'low', 'toLines'], in: { total: { bytes: 3 } } }])
  t.equal(traffic.total.opened, 2)
  first.destroy()
  second.destroy()
})

t.test("with observe 'off' there are counts, and no windows", async t => {
  const { dial, when } = await serve(t, shout, { observe: 'off' })
  const socket = await dial()
  socket.write('a\n')
  const { traffic, observe, observedFor, culprit } = await when(({ traffic }) => traffic.total.bytesIn === 2)
  t.match(
    { observe, observedFor, culprit: culprit.kind, last1s: traffic.last1s },
    { observe: 'off', observedFor: 0, culprit: 'unknown', last1s: null },
  )
  socket.destroy()
})

t.test("with observe 'always' every turn is timed, before anybody looks", async t => {
  const clock = fakeClock()
  const slow = decode('slow', 'line', function* (read) {
    yield* read.bytes(1)
    clock.advance(7)
    return 'a'
  })
  const list = pipeline().through(slow).through(toLines())
  const { dial, when } = await serve(t, list, { observe: 'always', clock })
  const socket = await dial()
  socket.resume()
  for (let sent = 1; sent <= 20; sent++) {
    socket.write('x')
    await when(({ traffic }) => traffic.total.bytesIn === sent)
    clock.advance(93)
  }
  const { stages, observedFor, culprit } = await when(() => true)
  t.equal(observedFor, 2_000)
  t.match(stages[0]?.itemTime, { samples: 20 })
  t.ok(Math.abs((stages[0]?.shares.last10s?.busy ?? 0) - 0.07) < 0.01, `${stages[0]?.shares.last10s?.busy}`)
  t.equal(culprit.kind, 'input')
  isSound(t, await when(() => true))
  socket.destroy()
})

t.test('a room and a server show what they do', async t => {
  const room = hub<string>({ name: 'lobby' })
  const chat = pipeline().through(lines()).through(room.stage()).through(toLines())
  const [one, two] = [connect(chat), connect(chat)]
  one.send('hello\n')
  await two.receive('hello\n')
  const { hubs, stages } = await chat.status()
  isSound(t, await chat.status())
  t.same(hubs, [
    {
      name: 'lobby',
      topics: 0,
      subscribers: 2,
      lagging: 0,
      heldBytes: 0,
      maxHeldBytes: 0,
      published: 1,
      losses: 0,
    },
  ])
  t.equal(stages[1]?.dropped, 0)
  for (const client of [one, two]) {
    client.reset()
    await client.outcome
  }
  const behind = await serve(t, shout)
  const address = `127.0.0.1:${behind.listener.address.port}`
  const proxy = pipeline().through(upstream(address))
  const client = connect(proxy)
  client.send('x\n')
  await client.receive('X\n')
  t.match((await proxy.status()).upstreams, [
    { address, open: 1, connects: 1, failures: 0, lastFailure: null },
  ])
  client.end()
  await client.outcome
  const nowhere = pipeline().through(upstream('127.0.0.1:1'))
  await connect(nowhere).outcome
  t.match((await nowhere.status()).upstreams, [
    { connecting: 0, connects: 0, failures: 1, lastFailure: /nobody listens/ },
  ])
})

t.test('a book without connections', async t => {
  const clock = fakeClock()
  const book = new Book(clock, 'sampled', () => [])
  book.lookOn()
  clock.advance(200_000)
  t.equal(book.observedFor, 0)
  t.equal(clock.pending, 0)
  const { culprit, connections } = await shout.status()
  t.match({ culprit, connections }, { culprit: { kind: 'unknown' }, connections: { open: 0, limit: null } })
  const client = connect(shout, { connection: new Connection(5, {}, clock) })
  client.end('a\n')
  await client.outcome
  t.equal((await shout.status()).traffic.total.bytesIn, 2)
})

t.test('the sample is what the schema describes', async t => {
  for (const status of sampleStatuses()) isSound(t, status)
  t.notOk(schema({ ...sampleStatuses()[0], version: 2 }))
})
