import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { nextId, resetDuplex } from '../lib/connection.js'
import { reasonOf } from '../lib/errors.js'
import {
  asyncMap,
  BywashError,
  Connection,
  farewell,
  fromStream,
  lines,
  listen,
  map,
  type Pipeline,
  pipeline,
  type Stage,
  stage,
  stateKey,
  type TlsInfo,
  tap,
  toLines,
  toStream,
} from '../lib/index.js'
import { echo } from '../lib/presets/index.js'
import { FakeSocket } from '../lib/testing/fake-socket.js'
import { connect, fakeClock, runStage } from '../lib/testing/index.js'
import { serveLocally } from './listener/local-listener.js'
import { connectTcp, exchange } from './tcp-client.js'

t.test('a connection has its number, its addresses and its clock', async t => {
  const clock = fakeClock()
  const endpoints = {
    remoteAddress: '192.0.2.7',
    remotePort: 53012,
    localAddress: '192.0.2.1',
    localPort: 8080,
  }
  const connection = new Connection(7, endpoints, clock)
  t.equal(connection.id, 7)
  t.equal(connection.clock, clock)
  const { remoteAddress, remotePort, localAddress, localPort } = connection
  t.strictSame({ remoteAddress, remotePort, localAddress, localPort }, endpoints)
})

t.test('a connection on a transport without addresses has none, and takes the system clock', async t => {
  const connection = new Connection(1)
  const { remoteAddress, remotePort, localAddress, localPort } = connection
  t.strictSame(
    [remoteAddress, remotePort, localAddress, localPort],
    [undefined, undefined, undefined, undefined],
  )
  const before = connection.clock.now()
  await new Promise<void>(resolve => connection.clock.setTimeout(resolve, 0))
  t.ok(connection.clock.now() >= before)
  connection.clock.clearTimeout(connection.clock.setTimeout(() => t.fail('was cleared'), 0))
})

t.test('stages get one connection for each client, and the numbers rise by one', async t => {
  const seen: Connection[] = []
  const look = tap('look', (_chunk: Buffer, connection) => seen.push(connection))
  const { port, ended } = await serveLocally(t, pipeline().through(look).through(look))
  const before = nextId()
  for (const count of [1, 2]) {
    const client = await connectTcp(t, port)
    await client.send('x')
    await client.receive(1)
    const [first, second] = seen.splice(0)
    t.equal(first?.id, before + count)
    t.equal(first, second)
    t.equal(`${first?.remoteAddress}:${first?.remotePort}`, client.address)
    t.equal(first?.localAddress, '127.0.0.1')
    t.equal(first?.localPort, port)
    client.end()
    await ended(count)
  }
})

t.test('a connection keeps the address of a client that has gone', async t => {
  const addresses: string[] = []
  const { port, ended } = await serveLocally(t, echo.pipeline(), {
    onOutcome: (_, { remoteAddress, remotePort }) => addresses.push(`${remoteAddress}:${remotePort}`),
  })
  const ends = await connectTcp(t, port)
  ends.end()
  await ends.receive()
  await ended(1)
  const resets = await connectTcp(t, port)
  await resets.send('x')
  await resets.receive(1)
  resets.reset()
  await ended(2)
  t.strictSame(addresses, [ends.address, resets.address])
})

t.test('the signal is one and the same, and is aborted when the connection is over', async t => {
  const connection = new Connection(1)
  const client = connect(echo.pipeline(), { connection })
  const { signal } = connection
  t.equal(connection.signal, signal)
  client.send('x')
  await client.receive(1)
  t.notOk(signal.aborted)
  client.end()
  await client.receive()
  await client.outcome
  t.ok(signal.aborted)
  t.equal(connection.signal, signal)
})

t.test('a signal that is asked for when the connection is over is aborted', async t => {
  const connection = new Connection(1)
  const client = connect(echo.pipeline(), { connection })
  client.end()
  await client.receive()
  await client.outcome
  t.ok(connection.signal.aborted)
})

t.test('a connection that is over, and kept, has its addresses and counts, and keeps no socket', async t => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const kept: Connection[] = []
  const sockets: WeakRef<object>[] = []
  const note = (message: unknown) => void sockets.push(new WeakRef((message as { socket: Socket }).socket))
  subscribe('net.server.socket', note)
  t.teardown(() => unsubscribe('net.server.socket', note))
  const { port, ended } = await serveLocally(t, pipeline().through(lines()).through(toLines()), {
    onOutcome: (_outcome, connection) => kept.push(connection),
  })
  const client = await connectTcp(t, port)
  client.end('x\n')
  await client.receive()
  await ended(1)
  for (let turn = 0; turn < 20 && sockets[0]?.deref() !== undefined; turn++) {
    await new Promise(resolve => setImmediate(resolve))
    collect()
  }
  t.equal(sockets.length, 1)
  t.equal(sockets[0]?.deref(), undefined)
  t.match(kept, [{ remoteAddress: '127.0.0.1', counts: [{ in: { bytes: 2 } }, { out: { bytes: 2 } }] }])
})

t.test('the signal is aborted before a stage is closed', async t => {
  const aborted: boolean[] = []
  const look = stage<Buffer, Buffer>({
    name: 'look',
    accepts: 'bytes',
    emits: 'bytes',
    open: connection => ({ close: () => void aborted.push(connection.signal.aborted) }),
  })
  const client = connect(pipeline().through(look))
  client.send('x')
  await client.receive(1)
  client.reset()
  t.match(await client.outcome, { reason: 'client-reset' })
  t.strictSame(aborted, [true])
})

t.test('a stage that waits for the signal is let go when its client resets', async t => {
  const events = new EventEmitter()
  const [waiting, released] = [once(events, 'waiting'), once(events, 'released')]
  const wait = asyncMap('wait', async (line: string, { signal }) => {
    const aborted = once(signal, 'abort')
    events.emit('waiting')
    await aborted
    events.emit('released')
    return line
  })
  const { port, ended } = await serveLocally(t, pipeline().through(lines()).through(wait).through(toLines()))
  const client = await connectTcp(t, port)
  await client.send('x\n')
  await waiting
  client.reset()
  await released
  t.match(await ended(1), [{ reason: 'client-reset', bytesRead: 2, bytesWritten: 0 }])
})

/** Serves without a handler, so that only a stage may ask for an address. */
async function listenAlone(t: Test, served: Pipeline<Buffer, Buffer>): Promise<number> {
  const listener = await listen(served, { host: '127.0.0.1', port: 0 })
  t.teardown(() => listener.close({ timeout: 0 }))
  return listener.address.port
}

const bytes = { accepts: 'bytes', emits: 'bytes' } as const

t.test('the address of a client that has reset is known however a stage names the connection', async t => {
  const events = new EventEmitter()
  const meet = (connection: Connection | undefined) => {
    connection?.signal.addEventListener('abort', () => events.emit('over', connection.remoteAddress))
    events.emit('met')
    return {}
  }
  const absent = undefined as never
  const stages: Record<string, Stage<Buffer, Buffer>> = {
    'stage, rest': stage({ ...bytes, name: 'see', open: (...[connection]) => meet(connection) }),
    'stage, default': stage({ ...bytes, name: 'see', open: (connection = absent) => meet(connection) }),
    'fromStream, rest': fromStream('see', (...[connection]) => {
      meet(connection)
      return new PassThrough()
    }),
    'fromStream, default': fromStream('see', (connection = absent) => {
      meet(connection)
      return new PassThrough()
    }),
    'map, rest': map<Buffer, Buffer>(
      'see',
      (chunk, ...[connection]) => {
        meet(connection)
        return chunk
      },
      bytes,
    ),
    'map, default': map<Buffer, Buffer>(
      'see',
      (chunk, connection = absent) => {
        meet(connection)
        return chunk
      },
      bytes,
    ),
    'map of lines, rest': pipeline()
      .through(lines())
      .through(
        map('see', (line, ...[connection]) => {
          meet(connection)
          return line
        }),
      )
      .through(toLines()),
    'tap, rest': tap('see', (_chunk, ...[connection]) => meet(connection)),
    'tap, default': tap('see', (_chunk, connection = absent) => meet(connection)),
    'asyncMap, rest': asyncMap<Buffer, Buffer>(
      'see',
      async (chunk, ...[connection]) => {
        meet(connection)
        return chunk
      },
      bytes,
    ),
  }
  for (const [how, see] of Object.entries(stages)) {
    const [met, over] = [once(events, 'met'), once(events, 'over')]
    const client = await connectTcp(t, await listenAlone(t, pipeline().through(see)))
    await client.send('x\n')
    await met
    client.reset()
    t.strictSame(await over, ['127.0.0.1'], how)
  }
})

t.test('no address is asked for where every stage says that it does not ask', async t => {
  type Peer = Socket & { _getpeername: () => object; _handle: object | null }
  const prototype = Socket.prototype as Peer
  const ask = prototype._getpeername
  let asked = 0
  prototype._getpeername = function (this: Peer) {
    // Without a handle it is no system call.
    if (this._handle !== null) asked++
    return ask.call(this)
  }
  t.teardown(() => {
    prototype._getpeername = ask
  })
  const upper = (line: string) => line.toUpperCase()
  const pass = stage<Buffer, Buffer>({ ...bytes, name: 'pass', asks: false, open: () => ({}) })
  const own = pipeline()
    .through(pass)
    .through(lines())
    .through(map('upper', upper, { asks: false }))
    .through(map('bytewise', upper, { bytewise: true }))
    .through(tap('look', () => {}, { asks: false }))
    .through(asyncMap('wait', async line => line, { asks: false }))
    .through(toLines())
    .through(fromStream('stream', () => new PassThrough(), { asks: false }))
  for (const [served, count] of [
    [own, 0],
    [own.through(stage<Buffer, Buffer>({ ...bytes, name: 'curious', open: () => ({}) })), 1],
  ] as const) {
    asked = 0
    t.equal(String(await exchange(t, await listenAlone(t, served), ['a\n'])), 'A\n')
    t.equal(asked, count)
  }
})

t.test('many calls under way may listen to the signal, without a warning of a leak', async t => {
  const warnings: string[] = []
  const note = ({ name }: Error) => warnings.push(name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const { signal } = new Connection(1)
  for (let count = 0; count < 20; count++) signal.addEventListener('abort', () => {})
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(warnings, [])
})

t.test('state is kept for each connection and key, and shared by the stages of a list', async t => {
  const user = stateKey<string>('user')
  const lineCount = stateKey('lines', ({ id }) => ({ id, seen: 0 }))
  const login = map('login', (line: string, connection) => {
    connection.state(lineCount).seen++
    if (line.startsWith('I am ')) connection.setState(user, line.slice(5))
    return line
  })
  const sign = map('sign', (line: string, connection) => {
    const { id, seen } = connection.state(lineCount)
    return `${id} ${seen} ${connection.state(user)}: ${line}`
  })
  const list = pipeline().through(lines()).through(login).through(sign).through(toLines())
  const clients = [connect(list), connect(list)]
  for (const client of clients) client.send('hello\n')
  t.equal(String(await clients[0]?.receive('\n')), '1 1 undefined: hello\n')
  clients[0]?.end('I am ann\nbye\n')
  t.equal(String(await clients[0]?.receive()), '1 2 ann: I am ann\n1 3 ann: bye\n')
  clients[1]?.end('bye\n')
  t.equal(String(await clients[1]?.receive()), '2 1 undefined: hello\n2 2 undefined: bye\n')
  t.strictSame(
    await runStage(pipeline('line').through(login).through(sign), ['I am bob']),
    ['1 1 bob: I am bob'],
    'also in a test of a stage',
  )
})

t.test('keys are told apart by identity, and a value stays when the connection is over', async t => {
  const [one, other] = [stateKey<number>('same name'), stateKey('same name', () => 5)]
  const connection = new Connection(1)
  connection.setState(one, undefined)
  t.equal(connection.state(other), 5)
  connection.setState(other, 6)
  const client = connect(echo.pipeline(), { connection })
  client.end()
  await client.receive()
  await client.outcome
  t.equal(connection.state(one), undefined)
  t.equal(connection.state(other), 6)
  // @ts-expect-error: the key has a type
  connection.setState(other, 'text')
})

t.test('ids are unique in a process, whatever serves the connections', async t => {
  const ids: number[] = []
  const note = tap('note', (_chunk: Buffer, { id }) => ids.push(id))
  const noting = pipeline().through(note)
  const ports = [await serveLocally(t, noting), await serveLocally(t, noting)].map(({ port }) => port)
  for (const port of [...ports, ...ports]) await exchange(t, port, ['x'])
  const duplex = new FakeSocket()
  const outcome = noting.handle(duplex)
  duplex.send('x')
  duplex.send(null)
  await outcome
  const stream = toStream(note)
  stream.end('x')
  await text(stream)
  const [first = 0] = ids
  t.strictSame(
    ids,
    Array.from({ length: 6 }, (_, index) => first + index),
  )
})

const TLS: TlsInfo = { servername: 'a.example', alpnProtocol: 'mqtt', protocol: 'TLSv1.3' }

t.test('a test of a stage may say what TLS has settled', async t => {
  const look = map('look', (_line: string, { tls }) => `${tls?.servername} ${tls?.alpnProtocol}`)
  const list = pipeline().through(lines()).through(look).through(toLines())
  const client = connect(list, { connection: new Connection(1, {}, fakeClock(), TLS) })
  client.end('x\n')
  t.equal(String(await client.receive()), 'a.example mqtt\n')
  t.strictSame(await runStage(look, ['x'], { connection: new Connection(1, {}, fakeClock(), TLS) }), [
    'a.example mqtt',
  ])
  t.strictSame(await runStage(look, ['x']), ['undefined undefined'])
})

t.test('a connection without TLS has no information about it', async t => {
  const seen: unknown[] = []
  const look = tap('look', (_chunk: Buffer, { tls }) => seen.push(tls))
  const { port } = await serveLocally(t, pipeline().through(look))
  await exchange(t, port, ['x'])
  t.strictSame(seen, [undefined])
})

t.test('a duplex whose reset fails is destroyed, as a unix socket is', async t => {
  const duplex = Object.assign(new PassThrough(), {
    resetAndDestroy: () => {
      throw new Error('it has no reset')
    },
  })
  const failed = once(duplex, 'error')
  resetDuplex(duplex, new Error('cut off'))
  t.match(await failed, [{ message: 'cut off' }])
})

t.test('TLS without a cipher has settled nothing', async t => {
  for (const cipher of [null, {}]) {
    const socket = { getPeerCertificate: () => ({}), getCipher: () => cipher }
    t.equal(new Connection(1, socket as never).tls, undefined)
  }
})

t.test('an error that is neither of a stage nor of the client has no farewell', async t => {
  const error = new BywashError('ERR_BYWASH_STAGE', 'The callback rejected')
  t.equal(farewell(error), undefined)
  t.equal(reasonOf(error), 'stage-error')
})
