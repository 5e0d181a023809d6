import { EventEmitter } from 'node:events'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  type Bus,
  type BusEvents,
  broadcast,
  Connection,
  delimited,
  type Frame,
  type Hub,
  hub,
  jsonLines,
  lines,
  type Pipeline,
  pipeline,
  stage,
  toDelimited,
  toJsonLines,
  toLengthPrefixed,
  toLines,
} from '../../../lib/index.js'
import type { HoldingController } from '../../../lib/stage.js'
import { decodeMessage, encodeMessage } from '../../../lib/stages/rooms/bus.js'
import { SharedItem } from '../../../lib/stages/rooms/shared-item.js'
import { type OnSlow, Subscriber } from '../../../lib/stages/rooms/subscriber.js'
import { workerBus } from '../../../lib/stages/rooms/worker-bus.js'
import type { StatusSource } from '../../../lib/status/source.js'
import { connect, type TestClient } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

const chat = (room: Hub<string>) => pipeline().through(lines()).through(room.stage()).through(toLines())

type Clients = [TestClient, TestClient, TestClient, TestClient]

/** Lets everything happen that is due. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}

for (const plan of PLANS) {
  t.test(`${plan}: what one says the others hear, once and in order`, async t => {
    const served = pipeline().through(lines()).through(broadcast()).through(toLines())
    const [a, b, c] = [connect(served, { plan }), connect(served, { plan }), connect(served, { plan })]
    await turns()
    a.send('one\ntwo\n')
    t.equal(String(await b.receive(8)), 'one\ntwo\n')
    t.equal(String(await c.receive(8)), 'one\ntwo\n')
    b.send('three\n')
    t.equal(String(await a.receive(6)), 'three\n', 'and not what it said itself')
    t.equal(String(await c.receive(6)), 'three\n')
    for (const client of [a, b, c]) {
      client.end()
      t.match(await client.outcome, { reason: 'end' })
    }
  })

  t.test(`${plan}: with echo one hears oneself too`, async t => {
    const served = pipeline()
      .through(lines())
      .through(broadcast({ echo: true }))
      .through(toLines())
    const [a, b] = [connect(served, { plan }), connect(served, { plan })]
    await turns()
    a.send('hi\n')
    t.equal(String(await a.receive(3)), 'hi\n')
    t.equal(String(await b.receive(3)), 'hi\n')
    a.end()
    b.end()
    await Promise.all([a.outcome, b.outcome])
  })

  t.test(`${plan}: a connection leaves in every way that it can end`, async t => {
    const room = hub()
    const served = chat(room)
    const clients = Array.from({ length: 4 }, () => connect(served, { plan }))
    const [ended, reset, failed, last] = clients as Clients
    await turns()
    t.equal(room.size, 4)
    ended.end()
    reset.reset()
    failed.send('x'.repeat(70_000))
    await Promise.all([ended.outcome, reset.outcome])
    last.send('still\n')
    failed.end()
    t.match(await failed.outcome, { reason: 'frame-too-long' })
    t.equal(room.size, 1)
    room.publish('from anywhere')
    t.equal(String(await last.receive('\n')), 'from anywhere\n')
    last.end()
    await last.outcome
    t.equal(room.size, 0)
    room.publish('to nobody')
  })

  t.test(`${plan}: a stage may join topics, and leave them`, async t => {
    const room = hub<string>({ maxTopics: 2 })
    const subscribe = stage<string, string>({
      name: 'subscribe',
      accepts: 'line',
      emits: 'line',
      open: connection => {
        const leaves = new Map<string, () => void>()
        return {
          transform: (line, controller) => {
            const [verb = '', topic = '', ...words] = line.split(' ')
            if (verb === 'join') leaves.set(topic, room.topic(topic).subscribe(connection, controller))
            else if (verb === 'leave') leaves.get(topic)?.()
            else room.topic(topic).publish(words.join(' '), { except: connection })
          },
        }
      },
    })
    const served = pipeline().through(lines()).through(subscribe).through(toLines())
    const [a, b, c] = [connect(served, { plan }), connect(served, { plan }), connect(served, { plan })]
    a.send('join x\njoin y\n')
    b.send('join x\n')
    await turns()
    t.strictSame(room.topics, ['x', 'y'])
    t.equal(room.topic('x').size, 2)
    b.send('say x hello\nsay y there\n')
    t.equal(String(await a.receive(12)), 'hello\nthere\n')
    a.send('leave y\nleave y\n')
    await turns()
    t.strictSame(room.topics, ['x'], 'a topic without subscribers is gone')
    t.equal(room.topic('y').size, 0)
    b.end('join z\njoin w\n')
    t.match(await b.outcome, {
      reason: 'stage-error',
      error: { cause: { code: 'ERR_BYWASH_TOO_MANY_TOPICS' } },
    })
    a.end()
    c.end()
    await Promise.all([a.outcome, c.outcome])
    t.strictSame(room.topics, [])
  })
}

t.test('who joins is sent the last items first', async t => {
  const room = hub<string>({ history: 2 })
  const served = chat(room)
  for (const item of ['one', 'two', 'three']) room.publish(item)
  const client = connect(served)
  t.equal(String(await client.receive(10)), 'two\nthree\n')
  client.end()
  await client.outcome
})

t.test('stages that name a room share it, and a topic of it is a room of its own', async t => {
  const make = (room: string) =>
    pipeline()
      .through(lines())
      .through(broadcast({ room, history: 1 }))
      .through(toLines())
  const clients = [make('lobby'), make('lobby'), make('lobby:cats'), make('lobby:cats')].map(each =>
    connect(each),
  )
  const [a, b, c, d] = clients as Clients
  await turns()
  a.send('all\n')
  c.send('cats\n')
  t.equal(String(await b.receive('\n')), 'all\n')
  t.equal(String(await d.receive('\n')), 'cats\n')
  for (const client of clients) client.end()
  for (const client of clients) t.equal((await client.outcome).bytesWritten <= 5, true)
})

t.test('a room takes a hub or a topic, and says what it does not take', async t => {
  const room = hub<string>({ name: 'own' })
  t.equal(room.name, 'own')
  t.equal(room.topic('news').name, 'news')
  t.equal(room.topic('news').stage().name, 'broadcast')
  const served = pipeline()
    .through(lines())
    .through(broadcast({ room: room.topic('news') }))
    .through(toLines())
  const client = connect(served)
  await turns()
  room.topic('news').publish('extra')
  t.equal(String(await client.receive('\n')), 'extra\n')
  client.end()
  await client.outcome
  const wrong = (call: () => unknown, message: RegExp) =>
    t.throws(call, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  wrong(
    () => broadcast({ room: 7 as never }),
    /'room' is a Hub, one of its topics, or the name of a room; got 7/,
  )
  wrong(() => broadcast({ room, history: 3 }), /give 'history' and 'via' to the hub/)
  wrong(() => broadcast({ via: 'redis://127.0.0.1' }), /with 'via' it needs a 'room'/)
  wrong(() => hub({ via: 'redis://127.0.0.1' }), /with 'via' it needs a 'name'/)
  wrong(() => hub({ name: 'x', via: 'ftp://127.0.0.1' }), /is the URL of a Redis/)
  wrong(() => hub({ onSlow: 'wait' as never }), /'onSlow' is one of/)
  wrong(() => hub({ slow: 1 } as never), /has no option 'slow'/)
  wrong(() => room.topic(''), /a topic has a name/)
})

t.test('an item is encoded once for all connections of a list', async t => {
  const room = hub<{ n: number }>()
  let encoded = 0
  const value = {
    n: 1,
    toJSON: () => {
      encoded++
      return { n: 1 }
    },
  }
  const served = pipeline()
    .through(lines())
    .through(jsonLines<{ n: number }>())
    .through(room.stage())
    .through(toJsonLines())
    .through(toLines())
  const clients = Array.from({ length: 10 }, () => connect(served))
  await turns()
  room.publish(value)
  for (const client of clients) t.equal(String(await client.receive('\n')), '{"n":1}\n')
  t.equal(encoded, 1)
  const counted = new Connection(1)
  const other = connect(served, { connection: counted })
  await turns()
  room.publish(value)
  room.publish(value)
  await other.receive(16)
  t.match(counted.counts.slice(-3), [
    { name: 'broadcast', out: { items: 2 } },
    { name: 'toJsonLines', in: { items: 2 }, out: { items: 2, bytes: 14 } },
    { name: 'toLines', in: { items: 2 }, out: { items: 2, bytes: 16 } },
  ])
  for (const client of [...clients, other]) client.end()
  for (const client of [...clients, other]) await client.outcome
})

t.test('what is pushed in one tick is one write, behind what was gathered before', async t => {
  const room = hub<Frame>()
  const own = stage<Frame, Frame>({
    name: 'own',
    accepts: 'frame',
    emits: 'frame',
    open: connection => ({
      start: controller => void room.subscribe(connection, controller),
      transform: (frame, controller) => {
        controller.enqueue(frame)
        room.publish(Buffer.from('b'))
        room.publish(Buffer.from('c'))
      },
    }),
  })
  const served = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(own)
    .through(toLines({ encoding: 'buffer' }))
  let writes = ''
  const duplex = new Duplex({
    read() {},
    write(bytes, _encoding, callback) {
      writes += `[${bytes}]`
      callback()
    },
  })
  const handled = served.handle(duplex)
  await turns()
  duplex.push('a;')
  await turns()
  t.equal(writes, '[a\nb\nc\n]')
  for (const item of ['d', 'e', 'f']) room.publish(Buffer.from(item))
  await turns()
  t.equal(writes, '[a\nb\nc\n][d\ne\nf\n]')
  duplex.destroy()
  await handled
})

t.test('an encoder that fails fails each connection by itself', async t => {
  const room = hub<Frame>()
  const served = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(room.stage())
    .through(toDelimited(';'))
  const other = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(room.stage())
    .through(toLengthPrefixed({ width: 1 }))
  const [a, b, c] = [connect(served), connect(served), connect(other)]
  await turns()
  room.publish(Buffer.from('fine'))
  t.equal(String(await a.receive(5)), 'fine;')
  room.publish(Buffer.from('a;b'))
  for (const client of [a, b]) {
    await client.receive()
    client.end()
    t.match(await client.outcome, { reason: 'stage-error' })
  }
  t.equal(String(await c.receive(9)), '\x04fine\x03a;b', 'another list has another encoder')
  c.end()
  await c.outcome
})

/** A controller whose peer takes so many items and then no more. */
function fakePeer() {
  const taken: string[] = []
  let room = 0
  let wake = () => {}
  let failure: unknown
  const controller = {
    enqueue: (item: string) => {
      taken.push(item)
      room--
    },
    get desiredSize() {
      return room
    },
    get ready() {
      return new Promise<void>(resolve => {
        wake = resolve
      })
    },
    isOver: false,
    encoders: undefined,
    error: (reason: unknown) => {
      failure = reason
    },
  }
  return {
    taken,
    controller: controller as unknown as HoldingController<string>,
    get failure() {
      return failure
    },
    async read(items: number) {
      room = items
      wake()
      await Promise.resolve()
      await Promise.resolve()
    },
    end() {
      controller.isOver = true
      room = 0
      wake()
    },
  }
}

const missed = (count: number) => `[missed ${count}]`

t.test('a slow subscriber gets every item, or is told how many it has missed in their place', async _t => {
  const action = fc.oneof(
    fc.record({ publish: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ read: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ lose: fc.integer({ min: 1, max: 3 }) }),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 60 }),
      fc.constantFrom<OnSlow>('drop-oldest', 'drop-newest'),
      fc.integer({ min: 129, max: 900 }),
      async (actions, onSlow, maxPending) => {
        const peer = fakePeer()
        const subscriber = new Subscriber(new Connection(1), peer.controller, { maxPending, onSlow, missed })
        let published = 0
        let lost = 0
        for (const { publish, read, lose } of actions as {
          publish?: number
          read?: number
          lose?: number
        }[]) {
          if (publish !== undefined) {
            const item = `${published++} ${'x'.repeat(publish)}`
            lost += subscriber.deliver(new SharedItem(item))
          } else if (lose !== undefined) {
            published += lose
            lost += lose
            subscriber.miss(lose)
          } else {
            await peer.read(read as number)
          }
        }
        // Everything is read, at the end.
        for (let turn = 0; turn < 70; turn++) await peer.read(99)
        let next = 0
        for (const item of peer.taken) {
          const told = /^\[missed (\d+)\]$/.exec(item)
          if (told === null && !item.startsWith(`${next} `)) return false
          next += told === null ? 1 : Number(told[1])
        }
        return next === published && subscriber.missed === lost
      },
    ),
    { numRuns: runs(500) },
  )
})

t.test(
  'with drop-oldest the newest are kept, with drop-newest the oldest, and with disconnect it ends',
  async t => {
    const sent = async (onSlow: OnSlow) => {
      const peer = fakePeer()
      const subscriber = new Subscriber(new Connection(1), peer.controller, {
        maxPending: 300,
        onSlow,
        missed,
      })
      for (const item of ['a', 'b', 'c', 'd']) subscriber.deliver(new SharedItem(item))
      await peer.read(9)
      subscriber.deliver(new SharedItem('e'))
      return { taken: peer.taken, failure: peer.failure }
    }
    t.strictSame((await sent('drop-oldest')).taken, ['[missed 2]', 'c', 'd', 'e'])
    t.strictSame((await sent('drop-newest')).taken, ['a', 'b', '[missed 2]', 'e'])
    const { taken, failure } = await sent('disconnect')
    t.strictSame(taken, [])
    t.match(failure, { code: 'ERR_BYWASH_SLOW_CONSUMER', maxPending: 300 })
  },
)

t.test('an item longer than maxPending is missed, and drops all in front of it', async t => {
  const peer = fakePeer()
  const settings = { maxPending: 200, onSlow: 'drop-oldest', missed } as const
  const subscriber = new Subscriber(new Connection(1), peer.controller, settings)
  subscriber.deliver(new SharedItem('a'))
  t.equal(subscriber.deliver(new SharedItem('x'.repeat(200))), 2)
  await peer.read(9)
  t.strictSame(peer.taken, ['[missed 2]'])
  const other = fakePeer()
  new Subscriber(new Connection(1), other.controller, settings).deliver(new SharedItem('x'.repeat(200)))
  await other.read(9)
  t.strictSame(other.taken, ['[missed 1]'], 'also where nothing waits')
})

t.test('who is over is sent nothing, and waits for nothing', async t => {
  const peer = fakePeer()
  const subscriber = new Subscriber(new Connection(1), peer.controller, {
    maxPending: 300,
    onSlow: 'drop-oldest',
    missed,
  })
  subscriber.deliver(new SharedItem('a'))
  peer.end()
  await turns()
  subscriber.deliver(new SharedItem('b'))
  subscriber.miss(3)
  await peer.read(9)
  t.strictSame(peer.taken, [])
  const left = fakePeer()
  const second = new Subscriber(new Connection(1), left.controller, {
    maxPending: 300,
    onSlow: 'drop-oldest',
    missed,
  })
  second.deliver(new SharedItem('a'))
  second.leave()
  await left.read(9)
  t.strictSame(left.taken, [])
})

t.test(
  'of what is missed, lines and values are told by default, frames are not, and a function says what',
  async t => {
    const told = async <T>(items: readonly T[], options?: Parameters<typeof hub<T>>[0]) => {
      const room = hub<T>({ maxPending: 200, onSlow: 'drop-oldest', ...options })
      const peer = fakePeer()
      const connection = new Connection(1)
      room.subscribe(connection, peer.controller as never)
      for (const item of items) room.publish(item)
      await peer.read(9)
      t.equal(room.losses, items.length - 1)
      return peer
    }
    t.strictSame((await told(['a', 'b', 'c'])).taken, ['[missed 2]', 'c'])
    t.strictSame((await told([{ a: 1 }, { b: 2 }])).taken, [{ missed: 1 }, { b: 2 }])
    t.strictSame((await told([Buffer.from('a'), Buffer.from('b')])).taken, [Buffer.from('b')])
    t.strictSame((await told(['a', 'b'], { missed: n => `-${n}` })).taken, ['-1', 'b'])
    const broken = await told(['a', 'b'], {
      missed: () => {
        throw new Error('broken')
      },
    })
    t.match(broken.failure, { message: 'broken' })
  },
)

t.test(
  '100 subscribers of which 10 read nothing: the others get every line, and what waits is bounded',
  async t => {
    const room = hub<string>({ maxPending: 4096, onSlow: 'drop-oldest' })
    const served = chat(room)
    const clients = Array.from({ length: 100 }, () => connect(served))
    await turns()
    const slow = clients.slice(0, 10)
    for (const client of slow) await client.stalled()
    for (let line = 0; line < 2_000; line++) {
      room.publish(`${line} ${'x'.repeat(58)}`)
      if (line % 50 === 0) await turns()
    }
    for (const client of clients.slice(10)) {
      const received = String(await client.receive('\n1999 xxx'))
      t.equal(received.split('\n').length, 2_000)
    }
    const [first] = slow as Clients
    const received = String(await first.receive('\n1999 xxx'))
    const told = [...received.matchAll(/\[missed (\d+)\]/g)].map(([, count]) => Number(count))
    const heard = received.split('\n').length - told.length
    t.equal(
      told.reduce((sum, count) => sum + count, heard),
      2_000,
      'who was slow knows how many it has missed',
    )
    for (const client of clients) client.reset()
    await Promise.all(clients.map(client => client.outcome))
  },
)

/** A bus in memory, which loses what is published while it is down. */
function fakeBus() {
  const members: { events: BusEvents; channels: Set<string> }[] = []
  const bus = { isUp: true }
  const connect: Bus['connect'] = events => {
    const member = { events, channels: new Set<string>() }
    members.push(member)
    return {
      publish: (channel, message) => {
        if (!bus.isUp) return false
        for (const { events, channels } of members)
          if (channels.has(channel)) events.receive(channel, message)
        return true
      },
      subscribe: channel => void member.channels.add(channel),
      unsubscribe: channel => void member.channels.delete(channel),
      close: async () => void members.splice(members.indexOf(member), 1),
    }
  }
  return Object.assign(bus, { connect, members })
}

t.test('hubs of one name in several processes are one, and say what was lost between them', async t => {
  const bus = fakeBus()
  const [here, there] = [hub<string>({ name: 'r', via: bus }), hub<string>({ name: 'r', via: bus })]
  const served = [chat(here), chat(there)] as Pipeline<Buffer, Buffer>[]
  const [a, b] = served.map(each => connect(each)) as Clients
  await turns()
  a.send('one\n')
  t.equal(String(await b.receive('\n')), 'one\n')
  bus.isUp = false
  here.publish('two')
  here.publish('three')
  t.equal(String(await a.receive(10)), 'two\nthree\n', 'it goes on in its own process')
  t.equal(here.losses, 2)
  bus.isUp = true
  here.publish('four')
  t.equal(String(await b.receive('four\n')), '[missed 2]\nfour\n')
  t.equal(there.losses, 2)
  here.topic('x').publish('nobody is there')
  t.equal(here.topic('x').size, 0)
  for (const text of ['no JSON', '{}', '[1]', '["o",1]', '["o",1.5,"x"]', '["o",1,7,"base64"]']) {
    for (const { events } of bus.members) events.receive('r', text)
  }
  for (const { events } of bus.members)
    events.receive('other', encodeMessage({ origin: 'o', sequence: 1, item: 'x' }))
  for (const { events } of bus.members)
    events.receive('r', encodeMessage({ origin: 'o', sequence: 9, item: 'last' }))
  t.equal(String(await b.receive('\n')), 'last\n', 'who comes later has lost nothing')
  a.end()
  b.end()
  await Promise.all([a.outcome, b.outcome])
  t.strictSame(
    bus.members.map(({ channels }) => channels.size),
    [0, 0],
  )
  await here.close()
  await there.close()
  await there.close()
  t.equal(bus.members.length, 0)
})

t.test('of other processes and topics only so many are remembered', async t => {
  const bus = fakeBus()
  const room = hub<string>({ name: 'r', via: bus, maxTopics: 2 })
  const peer = fakePeer()
  const leave = room.subscribe(new Connection(1), peer.controller)
  await peer.read(10_000)
  const receive = (origin: number, sequence: number) =>
    bus.members[0]?.events.receive('r', encodeMessage({ origin: `o${origin}`, sequence, item: 'x' }))
  for (let origin = 0; origin < 1_001; origin++) receive(origin, 1)
  receive(0, 5)
  t.equal(room.losses, 0, 'the first one is forgotten')
  receive(1_000, 3)
  t.equal(room.losses, 1)
  receive(1_000, 1)
  t.equal(room.losses, 1, 'one that begins again has lost nothing')
  for (const topic of ['a', 'b', 'c']) room.topic(topic).publish('x')
  leave()
  await room.close()
  t.pass()
})

t.test('a message carries any item', async t => {
  const item = fc.oneof(
    fc.string(),
    fc.uint8Array().map(bytes => Buffer.from(bytes)),
    fc.record({ a: fc.string() }, { noNullPrototype: true }),
  )
  fc.assert(
    fc.property(fc.string(), fc.nat(), item, (origin, sequence, item) => {
      const message = { origin, sequence, item }
      t.strictSame(decodeMessage(encodeMessage(message)), message)
    }),
    { numRuns: runs(100) },
  )
})

t.test('an item of another kind fails the connection, and what comes behind an end is dropped', async t => {
  const room = hub<unknown>()
  const frames = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(broadcast<Frame>({ room: room as never, missed: () => undefined }))
    .through(toDelimited(';'))
  const client = connect(frames)
  await turns()
  room.publish(7)
  await client.receive()
  client.end()
  t.match(await client.outcome, { reason: 'stage-error', error: { message: /emitted a number/ } })

  let kept: HoldingController<string> | undefined
  const own = stage<string, string>({
    name: 'own',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      start: controller => {
        kept = controller as HoldingController<string>
      },
    }),
  })
  const other = connect(pipeline().through(lines()).through(own).through(toLines()))
  await turns()
  const encoded = kept?.encode('late')
  kept?.terminate()
  t.equal(kept?.isOver, true)
  if (encoded !== undefined) kept?.enqueueEncoded(encoded)
  kept?.give('late')
  t.equal(String(await other.receive()), '')
  other.end()
  await other.outcome
  const last = connect(
    pipeline()
      .through(lines())
      .through(toLines())
      .through(room.stage() as never),
  )
  await turns()
  room.publish(Buffer.from('bytes'))
  t.equal(String(await last.receive(5)), 'bytes', 'with nothing behind the room')
  last.end()
  await last.outcome
  const mapped = connect(
    pipeline()
      .through(lines())
      .through(hub<string>({ history: 1 }).stage({ echo: true }))
      .through(own)
      .through(toLines()),
  )
  mapped.send('x\n')
  t.equal(String(await mapped.receive(2)), 'x\n', 'nor with a stage that is no encoder')
  mapped.end()
  await mapped.outcome
})

t.test('in a worker, a hub talks to the others without being told', async t => {
  process.env.BYWASH_WORKER = '1'
  const room = hub<string>({ history: 2 })
  delete process.env.BYWASH_WORKER
  room.publish('x')
  t.equal(room.losses, process.connected ? 0 : 1, 'lost, unless this process has somebody to send it to')
  const message = encodeMessage({ origin: 'another', sequence: 1, item: 'from another worker' })
  process.emit('message', { bywashRoom: room.name, message }, undefined)
  const first = connect(pipeline().through(lines()).through(room.stage()).through(toLines()))
  t.equal(
    String(await first.receive(22)),
    'x\nfrom another worker\n',
    'who joins first gets the history of all',
  )
  first.end()
  await first.outcome
  await room.close()
})

t.test('who joins for a connection that is over leaves at once', async t => {
  const connection = new Connection(1)
  const served = pipeline().through(lines()).through(toLines())
  const client = connect(served, { connection })
  client.end()
  await client.outcome
  const room = hub<string>()
  room.subscribe(connection, fakePeer().controller)
  t.equal(room.size, 0)
  const watched = new Connection(2)
  const other = connect(served, { connection: watched })
  const { signal } = watched
  room.subscribe(watched, fakePeer().controller)
  t.equal(room.size, 1)
  other.end()
  await other.outcome
  t.equal(signal.aborted, true)
  room.subscribe(watched, fakePeer().controller)
  t.equal(room.size, 0)
})

t.test('workers talk through their primary, and lose what it cannot take', async t => {
  const channel = new EventEmitter()
  type Sent = { bywashRoom: string; message: string }
  const sent: { message: Sent; done: () => void }[] = []
  const worker = Object.assign(channel, {
    connected: true,
    send: (message: unknown, _handle: unknown, _options: unknown, done: () => void) =>
      void sent.push({ message: message as Sent, done }),
  })
  const received: string[] = []
  const bus = workerBus(worker)
  const connection = bus.connect({
    receive: (name, message) => received.push(`${name}: ${message}`),
    lose: () => {},
  })
  connection.subscribe('r')
  t.equal(connection.publish('r', 'x'), true)
  t.strictSame(sent[0]?.message, { bywashRoom: 'r', message: 'x' })
  t.equal(connection.publish('r', 'y'.repeat(1_048_576)), false)
  sent[0]?.done()
  t.equal(connection.publish('r', 'y'.repeat(1_048_576)), true)
  channel.emit('message', { bywashRoom: 'r', message: 'z' })
  channel.emit('message', { bywash: 'ping' })
  channel.emit('message', undefined)
  t.strictSame(received, ['r: z'])
  worker.connected = false
  sent[1]?.done()
  t.equal(connection.publish('r', 'x'), false)
  connection.unsubscribe('r')
  const others = Array.from({ length: 12 }, () => bus.connect({ receive: () => {}, lose: () => {} }))
  t.equal(channel.listenerCount('message'), 1, 'hubs share a listener')
  for (const each of [connection, ...others]) await each.close()
  t.equal(channel.listenerCount('message'), 0)
})

t.test(
  'of a thousand subscribers ten stall: the others lose nothing, and are sent each line at once',
  async t => {
    const [subscribers, stalled, count, maxPending] = [1_000, 10, 200, 4_096]
    const line = 'x'.repeat(63)
    for (const onSlow of ['drop-oldest', 'disconnect'] as const) {
      const room = hub<string>({ maxPending, onSlow })
      const { source } = room as unknown as { source: StatusSource }
      const list = pipeline().through(lines()).through(room.stage()).through(toLines())
      const members = Array.from({ length: subscribers }, (_, index) => {
        const taken = { bytes: 0, writes: 0 }
        const duplex = new Duplex({
          writableHighWaterMark: 1_024,
          read() {},
          write(chunk: Buffer, _encoding, callback) {
            taken.writes++
            taken.bytes += chunk.length
            if (index >= stalled) callback()
          },
        })
        t.teardown(() => duplex.destroy())
        void list.handle(duplex)
        return { taken, duplex }
      })
      while (room.size < subscribers) await turns()
      let held = 0
      for (let sent = 0; sent < count; sent++) {
        room.publish(line)
        await turns()
        held = Math.max(held, source.hub?.().maxHeldBytes ?? 0)
      }
      const fast = members.slice(stalled).map(({ taken: { bytes, writes } }) => `${bytes} ${writes}`)
      t.strictSame([...new Set(fast)], [`${count * 64} ${count}`], 'all that was said, a write for each line')
      t.ok(held > 0 && held <= maxPending, `${held} bytes wait for one at most`)
      const waiting = members.slice(0, stalled).map(({ duplex }) => duplex.writableLength)
      t.ok(Math.max(...waiting) <= 1_024 + 64, 'beside what its transport holds')
      const { heldBytes, lagging } = source.hub?.() ?? {}
      t.strictSame(
        [lagging, heldBytes === 0],
        onSlow === 'disconnect' ? [0, true] : [stalled, false],
        'and nothing for one that was disconnected',
      )
      t.equal(room.losses > 0, onSlow === 'drop-oldest', 'what the others miss is counted')
    }
  },
)

t.test('maxPending of the connection holds for what a room sends, too', async t => {
  const room = hub<string>()
  const list = pipeline().through(lines()).through(room.stage()).through(toLines())
  const first = connect(list)
  const duplex = new Duplex({ read() {}, write() {} })
  const outcome = list.handle(duplex, { maxPending: 3 })
  while (room.size < 2) await turns()
  room.publish('longer than that')
  t.equal(String(await first.receive('\n')), 'longer than that\n')
  await turns()
  duplex.destroy()
  t.match(await outcome, { reason: 'slow-consumer' })
  first.end()
  await first.outcome
})
