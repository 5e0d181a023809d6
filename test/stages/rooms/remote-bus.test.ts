import { EventEmitter } from 'node:events'
import { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { hub, nats, redis } from '../../../lib/index.js'
import { loadPackage, readBusAddress, requirePackage } from '../../../lib/stages/rooms/bus-client.js'
import { type NatsModule, natsClient } from '../../../lib/stages/rooms/nats.js'
import { type RedisModule, redisClients } from '../../../lib/stages/rooms/redis.js'
import { type BusClient, remoteBus } from '../../../lib/stages/rooms/remote-bus.js'
import { fakeClock } from '../../../lib/testing/index.js'

/** Lets everything happen that is due. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Collects the warnings of the process. */
function warnings(t: Test): string[] {
  const said: string[] = []
  const note = ({ message }: Error) => void said.push(message)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  return said
}

/** A server in memory, whose connections fail while `error` is set. */
function fakeServer() {
  const clock = fakeClock()
  const log: string[] = []
  const unconfirmed: { confirm: () => void; refuse: () => void }[] = []
  let end: (reason: unknown) => void = () => {}
  let receive: (channel: string, message: string) => void = () => {}
  const server = { error: undefined as unknown, refuses: false, hangs: false, attempts: 0 }
  const open = async (events: typeof receive): Promise<BusClient> => {
    server.attempts++
    if (server.error !== undefined) throw server.error
    receive = events
    const closed = new Promise<unknown>(resolve => {
      end = resolve
    })
    return {
      publish: (channel, message) => {
        if (server.refuses) throw new Error('too long')
        log.push(`${channel}: ${message}`)
        return new Promise<void>((resolve, reject) => {
          unconfirmed.push({ confirm: resolve, refuse: () => reject(new Error('refused')) })
        })
      },
      ping: () => (server.hangs ? new Promise<void>(() => {}) : Promise.resolve()),
      abort: reason => {
        log.push('abort')
        end(reason)
      },
      subscribe: channel => void log.push(`+${channel}`),
      unsubscribe: channel => void log.push(`-${channel}`),
      closed,
      close: async () => {
        log.push('close')
        end(undefined)
      },
    }
  }
  let lost = 0
  const received: string[] = []
  const connect = () =>
    remoteBus('redis://bus', open, clock).connect({
      receive: (channel, message) => void received.push(`${channel}: ${message}`),
      lose: count => {
        lost += count
      },
    })
  return Object.assign(server, {
    clock,
    log,
    received,
    unconfirmed,
    connect,
    lost: () => lost,
    end: (reason?: unknown) => end(reason),
    send: (channel: string, message: string) => receive(channel, message),
  })
}

t.test('what is published before the first connection waits for it, and so do subscriptions', async t => {
  const said = warnings(t)
  const server = fakeServer()
  const connection = server.connect()
  connection.subscribe('r')
  t.equal(connection.publish('r', 'early'), true)
  t.equal(connection.publish('r', 'y'.repeat(1_048_576)), false, 'more than may wait')
  t.strictSame(server.log, [])
  await turns()
  t.strictSame(server.log, ['+r', 'r: early'])
  connection.publish('r', 'late')
  connection.unsubscribe('r')
  connection.subscribe('s')
  server.send('s', 'hello')
  t.strictSame(server.log.slice(2), ['r: late', '-r', '+s'])
  t.strictSame(server.received, ['s: hello'])
  await connection.close()
  t.equal(server.lost(), 2, 'what the server has not confirmed is lost')
  await turns()
  t.equal(server.clock.pending, 0, 'it does not come back')
  t.strictSame(said, [])
})

t.test('a close before the first connection sends what was published', async t => {
  const server = fakeServer()
  const connection = server.connect()
  connection.publish('r', 'only')
  await connection.close()
  t.strictSame(server.log, ['r: only', 'close'])
})

t.test('so much may wait for the server to confirm it, and no more', async t => {
  const server = fakeServer()
  const connection = server.connect()
  await turns()
  const half = 'x'.repeat(524_288)
  t.strictSame(
    [half, half, 'y'].map(message => connection.publish('r', message)),
    [true, true, false],
  )
  server.unconfirmed[0]?.confirm()
  server.unconfirmed[1]?.refuse()
  await turns()
  t.equal(server.lost(), 1, 'what the server refuses')
  t.equal(connection.publish('r', half), true)
  server.refuses = true
  t.equal(connection.publish('r', 'too long for it'), false)
  server.refuses = false
  server.end()
  await turns()
  t.equal(server.lost(), 2)
  server.unconfirmed[2]?.refuse()
  await turns()
  t.equal(server.lost(), 2, 'and each is counted once')
  await connection.close()
})

t.test(
  'it connects again, later each time, and says once that the bus is away and that it is back',
  async t => {
    const said = warnings(t)
    const server = fakeServer()
    server.error = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
    const connection = server.connect()
    connection.subscribe('r')
    connection.publish('r', 'early')
    await turns()
    t.equal(server.lost(), 1)
    t.equal(connection.publish('r', 'away'), false)
    for (let attempts = 1; attempts <= 8; attempts++) {
      const delay = Math.min(10_000, 200 * 2 ** (attempts - 1))
      server.clock.advance(delay / 2 - 1)
      await turns()
      t.equal(server.attempts, attempts, `attempt ${attempts + 1} comes after ${delay / 2} ms`)
      server.clock.advance(delay / 2 + 1)
      await turns()
      t.equal(server.attempts, attempts + 1, `and within ${delay} ms`)
    }
    server.error = undefined
    server.clock.advance(10_000)
    await turns()
    t.strictSame(server.log, ['+r'], 'it subscribes again')
    server.refuses = true
    server.end()
    await turns()
    connection.publish('r', 'away')
    server.clock.advance(9_999)
    server.clock.advance(1)
    await turns()
    t.equal(server.attempts, 11, 'after a short connection the delay stays')
    server.clock.advance(10_000)
    server.end(new Error('read ECONNRESET'))
    await turns()
    server.clock.advance(200)
    await turns()
    t.equal(server.attempts, 12, 'after a long one the next attempt comes soon')
    t.strictSame(said, [
      'redis://bus is away (ECONNREFUSED): until it is back, rooms work in this process alone',
      'redis://bus is back; 2 items were lost for other processes',
      'redis://bus is away (the connection was closed): until it is back, rooms work in this process alone',
      'redis://bus is back; 1 item was lost for other processes',
      'redis://bus is away (read ECONNRESET): until it is back, rooms work in this process alone',
      'redis://bus is back; 0 items were lost for other processes',
    ])
    await connection.close()
    t.equal(server.clock.pending, 0)
  },
)

t.test('a bus that hangs without closing is away when it does not answer a ping', async t => {
  const said = warnings(t)
  const server = fakeServer()
  const connection = server.connect()
  await turns()
  for (let pings = 0; pings < 3; pings++) {
    server.clock.advance(10_000)
    await turns()
  }
  t.strictSame(server.log, [], 'one that answers stays')
  server.hangs = true
  t.equal(connection.publish('r', 'x'), true)
  server.clock.advance(14_999)
  await turns()
  t.equal(server.lost(), 0)
  server.clock.advance(1)
  await turns()
  t.strictSame(server.log, ['r: x', 'abort'])
  t.equal(server.lost(), 1, 'what it has not confirmed is lost')
  t.equal(connection.publish('r', 'y'), false)
  server.hangs = false
  server.clock.advance(200)
  await turns()
  t.strictSame(said, [
    'redis://bus is away (it does not answer): until it is back, rooms work in this process alone',
    'redis://bus is back; 2 items were lost for other processes',
  ])
  server.clock.advance(10_000)
  server.end()
  await turns()
  t.equal(server.clock.pending, 1, 'no ping goes to a connection that is gone')
  await connection.close()
  t.equal(server.clock.pending, 0)
})

t.test('what waits for the first connection may be refused there', async t => {
  const server = fakeServer()
  server.refuses = true
  const connection = server.connect()
  connection.publish('r', 'long')
  await turns()
  t.equal(server.lost(), 1)
  await connection.close()
})

t.test('a close between two attempts ends them', async t => {
  const said = warnings(t)
  const server = fakeServer()
  server.error = new Error('refused')
  const connection = server.connect()
  await turns()
  await connection.close()
  t.equal(server.clock.pending, 0)
  t.equal(said.length, 1)
})

t.test('a hub counts what its bus loses, and after its close works alone', async t => {
  const server = fakeServer()
  const room = hub<string>({
    name: 'r',
    via: { connect: events => ({ ...server.connect(), ...losing(events.lose) }) },
  })
  room.publish('x')
  t.equal(room.losses, 3)
  await room.close()
  room.publish('y')
  t.equal(room.losses, 3)
})

function losing(lose: (count: number) => void) {
  return {
    publish: () => {
      lose(3)
      return true
    },
    close: async () => {},
  }
}

t.test('the URL of a bus is checked, and shown without its secrets', async t => {
  const kind = { owner: 'redis()', schemes: ['redis', 'rediss'], port: 6379 } as const
  t.strictSame(readBusAddress(kind, 'redis://me:a%20b@[::1]/3', {}), {
    host: '::1',
    port: 6379,
    username: 'me',
    password: 'a b',
    tls: undefined,
    shown: 'redis://[::1]',
  })
  t.match(readBusAddress(kind, 'rediss://:100%@h:7', {}), {
    password: '100%',
    port: 7,
    tls: {},
    shown: 'rediss://h:7',
  })
  t.match(readBusAddress(kind, 'redis://h', { tls: { ca: 'x' } }), { tls: { ca: 'x' } })
  const wrong = (call: () => unknown, message: RegExp) =>
    t.throws(call, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  for (const url of ['127.0.0.1:6379', 'http://h', 'redis://', ''])
    wrong(
      () => redis(url),
      /^redis\(\): the URL is one such as redis:\/\/127.0.0.1:6379, or begins with rediss/,
    )
  wrong(() => nats('redis://h'), /^nats\(\): the URL is one such as nats:/)
  wrong(() => redis('redis://h', { tls: 'yes' as never }), /'tls' is an object with options of tls.connect/)
  wrong(() => redis('redis://h', { ttl: 1 } as never), /has no option 'ttl'/)
  wrong(() => hub({ name: 'x', via: 'mqtt://h' }), /'via' is the URL of a Redis or NATS server/)
  for (const url of ['redis://h', 'rediss://h', 'nats://h', 'tls://h', 'REDIS://h'])
    t.equal(hub({ name: 'x', via: url }).losses, 0, url)
})

t.test('a package that is not installed is named, with the command that installs it', async t => {
  t.throws(() => requirePackage('redis()', 'no-such-package'), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: /needs the package 'no-such-package', .* npm install no-such-package/,
  })
  await t.rejects(loadPackage('no-such-package'))
  const { Redis }: RedisModule = await loadPackage<typeof import('ioredis')>('ioredis')
  t.type(Redis, 'function')
  const module: NatsModule =
    await loadPackage<typeof import('@nats-io/transport-node')>('@nats-io/transport-node')
  t.type(module.connect, 'function')
})

const ADDRESS = { host: 'h', port: 1, username: '', password: '', tls: undefined, shown: 'redis://h:1' }

/** The module `ioredis`, without a network. */
function fakeRedis() {
  const clients: FakeClient[] = []
  const failure: { error?: Error; hangs?: boolean } = {}
  class FakeClient extends EventEmitter {
    readonly stream = new Socket()
    readonly log: string[] = []
    status = 'wait'
    fails = false
    constructor(readonly options: { retryStrategy?: () => unknown }) {
      super()
      clients.push(this)
      this.stream.on('close', () => this.disconnect())
    }
    async connect() {
      if (failure.error === undefined) return
      this.emit('error', failure.error)
      throw new Error('Connection is closed.')
    }
    disconnect() {
      this.log.push('disconnect')
      this.status = 'end'
      this.emit('end')
    }
    async #call(name: string, ...words: string[]) {
      if (this.fails) throw new Error('NOPERM')
      this.log.push([name, ...words].join(' '))
    }
    ping = () => (failure.hangs ? new Promise<void>(() => {}) : this.#call('ping'))
    publish = (channel: string, message: string) => this.#call('publish', channel, message)
    subscribe = (channel: string) => this.#call('subscribe', channel)
    unsubscribe = (channel: string) => this.#call('unsubscribe', channel)
  }
  return { clients, failure, load: async () => ({ Redis: FakeClient }) as unknown as RedisModule }
}

t.test('redis: one client publishes, one subscribes, and both end together', async t => {
  const { clients, load } = fakeRedis()
  const received: string[] = []
  const open = redisClients({ ...ADDRESS, username: 'u', password: 'p', tls: {} }, load)
  const client = await open((channel, message) => void received.push(`${channel}: ${message}`))
  await client.publish('r', 'x')
  client.subscribe('r')
  client.unsubscribe('r')
  const [publisher, subscriber] = clients
  t.match(publisher?.options, { username: 'u', password: 'p', tls: {}, enableOfflineQueue: false })
  t.equal((publisher as { options: { retryStrategy?: () => unknown } }).options.retryStrategy?.(), null)
  t.strictSame(publisher?.log, ['ping', 'publish bywash:r x'])
  t.strictSame(subscriber?.log, ['ping', 'subscribe bywash:r', 'unsubscribe bywash:r'])
  subscriber?.emit('message', 'bywash:r', 'y')
  t.strictSame(received, ['r: y'])
  await client.close()
  t.equal(await client.closed, undefined)
  t.strictSame(
    clients.map(({ log }) => log.at(-1)),
    ['disconnect', 'disconnect'],
  )
  const again = await redisClients(ADDRESS, load)(() => {})
  clients[2]?.emit('error', new Error('read ECONNRESET'))
  clients[2]?.disconnect()
  t.match(await again.closed, { message: 'read ECONNRESET' })
  t.equal(clients[3]?.status, 'end')
})

t.test('redis: what may not be subscribed to, or not be connected to, is the reason', async t => {
  const { clients, failure, load } = fakeRedis()
  const client = await redisClients(ADDRESS, load)(() => {})
  for (const each of clients) each.fails = true
  client.subscribe('r')
  client.unsubscribe('r')
  t.match(await client.closed, { message: 'NOPERM' })
  failure.error = new Error('connect ECONNREFUSED')
  await t.rejects(
    redisClients(ADDRESS, load)(() => {}),
    { message: 'connect ECONNREFUSED' },
  )
  t.equal(clients.at(-1)?.status, 'end')
})

t.test('redis: a server that takes a connection and does not answer is not there', async t => {
  const clock = fakeClock()
  const { clients, failure, load } = fakeRedis()
  failure.hangs = true
  const opening = redisClients(ADDRESS, load, clock)(() => {})
  await turns()
  clock.advance(5_000)
  await t.rejects(opening, { message: 'it does not answer' })
  t.strictSame(
    clients.map(({ stream }) => stream.destroyed),
    [true, true],
  )
  failure.hangs = false
  const client = await redisClients(ADDRESS, load, clock)(() => {})
  await client.ping()
  client.abort(new Error('it does not answer'))
  t.match(await client.closed, { message: 'it does not answer' })
  t.equal(clock.pending, 0)
})

/** The module `@nats-io/transport-node`, without a network. */
function fakeNats(internals: object = {}) {
  const log: string[] = []
  const options: object[] = []
  type Callback = (error: Error | null, message: { string(): string }) => void
  const callbacks = new Map<string, Callback>()
  let end: (error: unknown) => void = () => {}
  const hangs = { close: false }
  const connect = async (given: object) => {
    options.push(given)
    const closed = new Promise<unknown>(resolve => {
      end = resolve
    })
    return {
      ...internals,
      publish: (subject: string, message: string) => void log.push(`${subject} ${message}`),
      subscribe: (subject: string, { callback }: { callback: Callback }) => {
        callbacks.set(subject, callback)
        return { unsubscribe: () => void callbacks.delete(subject) }
      },
      flush: async () => void log.push('flush'),
      close: async () => {
        log.push('close')
        if (hangs.close) await closed
        end(undefined)
      },
      closed: () => closed,
    }
  }
  return {
    log,
    options,
    callbacks,
    hangs,
    end: (error: unknown) => end(error),
    load: async () => ({ connect }),
  }
}

t.test('nats: what is published in a tick is confirmed together', async t => {
  const fake = fakeNats()
  const received: string[] = []
  const client = await natsClient(
    ADDRESS,
    fake.load,
  )((channel, message) => void received.push(`${channel}: ${message}`))
  await Promise.all([client.publish('r', 'a'), client.publish('r:é.*>', 'b')])
  t.strictSame(fake.log, ['bywash.r a', 'bywash.r:%c3%a9%2e%2a%3e b', 'flush'])
  client.subscribe('r')
  fake.callbacks.get('bywash.r')?.(null, { string: () => 'x' })
  t.strictSame(received, ['r: x'])
  client.unsubscribe('r')
  client.unsubscribe('r')
  t.equal(fake.callbacks.size, 0)
  client.publish('r', 'last')
  await client.close()
  t.strictSame(fake.log.slice(3), ['bywash.r last', 'flush', 'close'])
  t.equal(await client.closed, undefined)
})

t.test('nats: a refused subscription and a lost server are reasons', async t => {
  const fake = fakeNats()
  const client = await natsClient(ADDRESS, fake.load)(() => {})
  client.subscribe('r')
  fake.callbacks.get('bywash.r')?.(new Error('permissions'), { string: () => '' })
  t.match(await client.closed, { message: 'permissions' })
  const other = await natsClient(ADDRESS, fake.load)(() => {})
  fake.end(new Error('gone'))
  t.match(await other.closed, { message: 'gone' })
})

t.test('nats: the URL says who connects, and where', async t => {
  const fake = fakeNats()
  for (const address of [
    ADDRESS,
    { ...ADDRESS, host: '::1', username: 'u', password: 'p', tls: { ca: 'x' } },
    { ...ADDRESS, username: 'secret' },
  ])
    await natsClient(address, fake.load)(() => {})
  t.match(fake.options, [
    { servers: 'h:1', reconnect: false },
    { servers: '[::1]:1', user: 'u', pass: 'p', tls: { ca: 'x' } },
    { servers: 'h:1', token: 'secret' },
  ])
  t.notOk('token' in (fake.options[0] as object))
})

t.test('nats: nothing is written after the end of the server', async t => {
  const socket = new Socket()
  const fake = fakeNats({ protocol: { transport: { socket } } })
  await natsClient(ADDRESS, fake.load)(() => {})
  socket.emit('end')
  t.equal(socket.destroyed, true)
})

t.test('nats: a server that does not answer is given up', async t => {
  const socket = new Socket()
  const fake = fakeNats({ protocol: { transport: { socket } } })
  socket.on('close', () => fake.end(undefined))
  const client = await natsClient(ADDRESS, fake.load)(() => {})
  await client.ping()
  t.strictSame(fake.log, ['flush'])
  client.abort(new Error('it does not answer'))
  t.match(await client.closed, { message: 'it does not answer' })
})

t.test('nats: a server that does not read is not waited for', async t => {
  const clock = fakeClock()
  const socket = new Socket()
  const fake = fakeNats({ protocol: { transport: { socket }, heartbeats: { timer: undefined } } })
  fake.hangs.close = true
  socket.on('close', () => fake.end(undefined))
  const client = await natsClient(ADDRESS, fake.load, clock)(() => {})
  const closing = client.close()
  await turns()
  clock.advance(5_000)
  await closing
  t.equal(socket.destroyed, true)
  t.equal(clock.pending, 0)
})
