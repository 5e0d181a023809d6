import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { connect, Server, Socket } from 'node:net'
import t, { type Test } from 'tap'
import {
  asyncMap,
  BindError,
  type BywashError,
  type Clock,
  type Connection,
  InvalidOptionError,
  type ListenOptions,
  lines,
  listen,
  map,
  type Pipeline,
  pipeline,
  StageOrderError,
  stage,
  tap,
  toLines,
} from '../../lib/index.js'
import { listenSettings } from '../../lib/listener/listen-options.js'
import { OPEN_FILES } from '../../lib/open-files.js'
import { echo, uppercase, welcome } from '../../lib/presets/index.js'
import { type FakeClock, fakeClock } from '../../lib/testing/index.js'
import { RUNS_ALL } from '../runs.js'
import { connectTcp, exchange } from '../tcp-client.js'
import { serveLocally } from './local-listener.js'

const MIB = 1024 * 1024
/** How many clients come at once. */
const CROWD = RUNS_ALL ? 1000 : 200
const bytes = { accepts: 'bytes', emits: 'bytes' } as const

/** A pipeline that answers nothing before `release` is called; `taken` resolves when a chunk has come to it. */
function held() {
  const gate = new EventEmitter()
  const [taken, released] = [once(gate, 'taken'), once(gate, 'released')]
  const wait = async (chunk: Buffer) => {
    gate.emit('taken')
    await released
    return chunk
  }
  return {
    pipeline: pipeline().through(asyncMap('wait', wait, bytes)),
    taken,
    release: () => void gate.emit('released'),
  }
}

/** A pipeline whose stage throws at the first chunk. */
function failing() {
  return pipeline().through(
    map(
      'broken',
      (_chunk: Buffer): Buffer => {
        throw new RangeError('out of order')
      },
      bytes,
    ),
  )
}

/** A stage that answers any chunk with 64 MiB, more than the kernel keeps for a client that does not read. */
function large() {
  return map('large', (_chunk: Buffer): Buffer => Buffer.alloc(64 * MIB), bytes)
}

/** A fake clock that tells when a deadline is set. */
function watchedClock() {
  const clock = fakeClock()
  const events = new EventEmitter()
  const watched: FakeClock = Object.create(clock, {
    setTimeout: {
      value: (callback: () => void, milliseconds: number) => {
        const timer = clock.setTimeout(callback, milliseconds)
        events.emit(String(milliseconds))
        return timer
      },
    },
  })
  return { clock: watched, deadline: (milliseconds: number) => once(events, String(milliseconds)) }
}

/** Resolves with the code of the error that a connection attempt ends in. */
async function refusal(port: number): Promise<string | undefined> {
  const [error] = await once(connect({ host: '127.0.0.1', port }), 'error')
  return error.code
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** Fails the test at a warning of the process, such as of too many listeners. */
function refuseWarnings(t: Test): void {
  const onWarning = (warning: Error) => t.fail(`${warning.name}: ${warning.message}`)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
}

t.test('port 0 becomes the real port, and every network is the default', async t => {
  const listener = await listen(echo.pipeline(), { port: 0 })
  t.teardown(() => listener.close({ timeout: 0 }))
  const { address, family, port } = listener.address
  t.strictSame([address, family], ['0.0.0.0', 'IPv4'])
  t.ok(port > 0)
  t.equal((await exchange(t, port, ['hello'])).toString(), 'hello')
})

t.test('options have the documented defaults', async t => {
  const { onOpen, onOutcome, clock, ...settings } = listenSettings({ maxConnections: 100 })
  t.strictSame(settings, {
    bind: { host: '0.0.0.0', port: 8080, backlog: 65_535 },
    proxies: undefined,
    tls: undefined,
    websocket: undefined,
    workers: undefined,
    socket: { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
    admission: { maxConnections: 100, maxConnectionsPerAddress: Infinity, allow: undefined, deny: undefined },
    shutdownTimeout: 15_000,
    plan: 'fused',
    observe: 'sampled',
    uncaught: 'exit',
    promised: 100,
    signal: undefined,
    tells: false,
  })
  t.equal(listenSettings({}).promised, 0)
  for (const [given = '', host] of [
    ['[::1]', '::1'],
    ['[fe80::1%lo]', 'fe80::1%lo'],
    ['fe80::1%lo', 'fe80::1%lo'],
    ['fe80', 'fe80'],
    ['[x]', '[x]'],
  ]) {
    t.match(listenSettings({ host: given }).bind, { host })
  }
  t.equal(listenSettings({ maxConnections: 5, workers: 2 }).promised, 3)
  t.type(onOpen, 'function')
  t.type(onOutcome, 'function')
  t.type(clock.now(), 'number')
})

t.test('every wrong option is refused at once with a message that says what is allowed', async t => {
  const refused: [unknown, string][] = [
    [
      { hots: '127.0.0.1' },
      "listen() has no option 'hots'. It takes host, port, path, mode, fd, proxyProtocol, tls, websocket, backlog",
    ],
    [{ host: '' }, `listen(): 'host' is an address or a host name, such as '127.0.0.1'; got "".`],
    [
      { host: 'fe80::1' },
      "listen(): 'host' is a link-local address, which each network has, so it needs its interface, such as 'fe80::1%eth0'; got \"fe80::1\".",
    ],
    [{ host: '[FE80::1]' }, 'such as \'FE80::1%eth0\'; got "[FE80::1]".'],
    [{ host: 4 }, "listen(): 'host' is an address or a host name, such as '127.0.0.1'; got 4."],
    [{ port: -1 }, "listen(): 'port' is a whole number, from 0 to 65535; got -1."],
    [{ port: 65_536 }, "listen(): 'port' is a whole number, from 0 to 65535; got 65536."],
    [{ port: '80x' }, `listen(): 'port' is a whole number, from 0 to 65535; got "80x".`],
    [{ port: '' }, `listen(): 'port' is a whole number, from 0 to 65535; got "".`],
    [{ port: '70000' }, "listen(): 'port' is a whole number, from 0 to 65535; got 70000."],
    [{ idleTimeout: '5' }, `listen(): 'idleTimeout' is a time with a unit, such as 5s or 5ms; got "5".`],
    [{ idleTimeout: null }, "listen(): 'idleTimeout' is a whole number, from 0 to 2147483647; got null."],
    [
      { workers: 'many' },
      `listen(): 'workers' is a whole number, from 1 to 1024, 'auto', or an object with 'count', 'spread' and 'maxHeapSize'; got "many".`,
    ],
    [{ port: null }, "listen(): 'port' is a whole number, from 0 to 65535; got null."],
    [{ backlog: 0 }, "listen(): 'backlog' is a whole number, from 1 to 65535; got 0."],
    [{ backlog: 0.5 }, "listen(): 'backlog' is a whole number, from 1 to 65535; got 0.5."],
    [{ noDelay: 'yes' }, "'noDelay'"],
    [{ keepAlive: 1 }, "'keepAlive'"],
    [
      { keepAliveInitialDelay: -1 },
      "listen(): 'keepAliveInitialDelay' is a whole number, from 0 to 2147483647; got -1.",
    ],
    [
      { shutdownTimeout: Number.NaN },
      "listen(): 'shutdownTimeout' is a whole number, from 0 to 2147483647; got NaN.",
    ],
    [{ plan: 'fast' }, `listen(): 'plan' is one of "fused", "streams"; got "fast".`],
    [{ signal: {} }, "'signal'"],
    [{ onOutcome: 'log' }, `listen(): 'onOutcome' is a function; got "log".`],
    [{ clock: {} }, "listen(): 'clock.now' is a function; got undefined."],
    [{ farewell: 'bye' }, `listen(): 'farewell' is a function; got "bye".`],
    [{ halfCloseTimeout: 0 }, "listen(): 'halfCloseTimeout' is a whole number, from 1 to 2147483647; got 0."],
    [
      { halfCloseTimeout: 2_147_483_648 },
      "listen(): 'halfCloseTimeout' is a whole number, from 1 to 2147483647; got 2147483648.",
    ],
    [{ onError: true }, "listen(): 'onError' is a function; got true."],
  ]
  for (const [options, message] of refused) {
    const name = JSON.stringify(options)
    const given = { host: '127.0.0.1', port: 0, ...(options as ListenOptions) }
    const error: unknown = await listen(echo.pipeline(), given).then(
      listener => listener.close(),
      cause => cause,
    )
    t.type(error, InvalidOptionError, name)
    t.match(error, { code: 'ERR_BYWASH_INVALID_OPTION' }, name)
    t.ok(String(error).includes(message), `${name}: ${error}`)
  }
})

t.test('in place of options there may be the port alone, and nothing else', async t => {
  const chosen = await listen(echo.pipeline(), 0)
  const { port } = chosen.address
  await chosen.close()
  for (const wanted of [port, String(port)]) {
    const listener = await listen(echo.pipeline(), wanted)
    t.equal(listener.address.port, port)
    await listener.close()
  }
  const whole = "listen(): 'port' is a whole number, from 0 to 65535"
  for (const [options, message] of [
    [70_000, `${whole}; got 70000.`],
    ['/run/echo.sock', `${whole}; got "/run/echo.sock".`],
    ['', `${whole}; got "".`],
    [true, `${whole}; got true.`],
    [() => {}, `${whole}; got a function.`],
    [null, 'listen() takes an object of options; got null.'],
    [[9000], 'listen() takes an object of options; got a list.'],
  ] as [never, string][]) {
    await t.rejects(listen(echo.pipeline(), options), { name: 'InvalidOptionError', message })
  }
  await t.rejects(listen(echo.pipeline(), 0, '127.0.0.1' as never), {
    message: "listen() takes a pipeline and options, as in listen(shout, { port: 9000, host: '127.0.0.1' }).",
  })
})

t.test('a text may stand for a number, as in the environment or on the command line', async t => {
  const environment: Record<string, string | undefined> = { PORT: '9000' }
  const settings = listenSettings({
    port: environment.PORT,
    backlog: environment.BACKLOG,
    keepAliveInitialDelay: '5m',
    maxConnections: '10',
    shutdownTimeout: '0',
    workers: '2',
  })
  t.match(settings, {
    bind: { port: 9000, backlog: 65_535 },
    socket: { keepAliveInitialDelay: 300_000 },
    admission: { maxConnections: 10 },
    shutdownTimeout: 0,
    workers: { count: 2, spread: 'primary' },
  })
  t.match(listenSettings({ path: '/run/a', mode: '660' }).bind, { mode: 0o660 })
  t.match(listenSettings({ fd: '3' }).bind, { fd: 3 })
  t.match(listenSettings({ fd: 'systemd' }).bind, { fd: 'systemd' })
})

t.test('the options object is not changed', async t => {
  const options = Object.freeze({ host: '127.0.0.1', port: 0 })
  const listener = await listen(echo.pipeline(), options)
  await listener.close()
  t.strictSame(options, { host: '127.0.0.1', port: 0 })
})

t.test('a pipeline that is not from bytes to bytes is refused before anything is bound', async t => {
  const { port } = await serveLocally(t, echo.pipeline())
  for (const [wrong, ends] of [
    [pipeline().through(lines()), 'from bytes to line'],
    [pipeline('line').through(toLines()), 'from line to bytes'],
  ] as const) {
    // The port is taken: had it been tried, this would be a BindError.
    const listening = listen(wrong as unknown as Pipeline<Buffer, Buffer>, { host: '127.0.0.1', port })
    await t.rejects(listening, StageOrderError)
    await t.rejects(listening, {
      code: 'ERR_BYWASH_STAGE_ORDER',
      message: new RegExp(`^listen\\(\\) takes a pipeline from bytes to bytes, but this one goes ${ends}`),
    })
  }
})

t.test('a taken port is a BindError that names the address and keeps the cause', async t => {
  const { port } = await serveLocally(t, echo.pipeline())
  const listening = listen(echo.pipeline(), { host: '127.0.0.1', port })
  await t.rejects(listening, BindError)
  await t.rejects(listening, {
    code: 'ERR_BYWASH_BIND',
    message: `bind failed: 127.0.0.1:${port} is already in use; choose another port, or stop the program that has it`,
    cause: { code: 'EADDRINUSE' },
  })
})

t.test("an address that is not the machine's is a BindError", async t => {
  await t.rejects(listen(echo.pipeline(), { host: '192.0.2.1', port: 0 }), {
    code: 'ERR_BYWASH_BIND',
    message: 'bind failed: 192.0.2.1 is not an address of this machine',
    cause: { code: 'EADDRNOTAVAIL' },
  })
})

t.test('what else the system may answer to a bind is a BindError that says what to do', async t => {
  for (const [code, message] of [
    ['ENOTFOUND', 'there is no host named ::1'],
    ['EAI_AGAIN', 'there is no host named ::1'],
    ['EACCES', 'no permission to bind [::1]:80; choose a port from 1024 up'],
    ['EINVAL', 'the words of the system'],
  ] as const) {
    const cause = Object.assign(new Error('the words of the system'), { code })
    const { restore } = t.capture(Server.prototype, 'listen', function (this: Server) {
      process.nextTick(() => this.emit('error', cause))
      return this
    })
    const error: unknown = await listen(echo.pipeline(), { host: '::1', port: 80 }).catch(error => error)
    restore()
    t.type(error, BindError, code)
    t.match(error, { code: 'ERR_BYWASH_BIND', message: `bind failed: ${message}` })
    t.equal((error as Error).cause, cause)
  }
})

t.test(
  'the outcome of a client that ends says what went in, what came out, and how long it took',
  async t => {
    const clock = fakeClock()
    const ids: number[] = []
    const onOutcome = (_: unknown, connection: Connection) => ids.push(connection.id)
    const { port, ended } = await serveLocally(t, welcome.pipeline({ banner: 'hi' }), { clock, onOutcome })
    const client = await connectTcp(t, port)
    await client.receive(2)
    clock.advance(1234)
    client.end('hello')
    t.equal((await client.receive()).toString(), 'hello')
    t.strictSame(await ended(1), [
      { reason: 'end', error: undefined, bytesRead: 5, bytesWritten: 7, duration: 1234 },
    ])
    t.equal(ids.length, 1)
  },
)

t.test('the outcome of a client that a stage ends is terminated', async t => {
  const once = stage<Buffer, Buffer>({
    name: 'once',
    ...bytes,
    open: () => ({
      transform: (chunk, controller) => {
        controller.enqueue(chunk)
        controller.terminate()
      },
    }),
  })
  const { port, ended } = await serveLocally(t, pipeline().through(once))
  const client = await connectTcp(t, port)
  await client.send('bye')
  t.equal((await client.receive()).toString(), 'bye')
  client.end()
  t.match(await ended(1), [{ reason: 'terminated', error: undefined, bytesRead: 3, bytesWritten: 3 }])
})

t.test('the outcome of a client that resets is client-reset, and nobody is told of an error', async t => {
  const errors: BywashError[] = []
  const { port, ended } = await serveLocally(t, echo.pipeline(), { onError: error => errors.push(error) })
  const client = await connectTcp(t, port)
  await client.send('hello')
  await client.receive(5)
  client.reset()
  t.match(await ended(1), [
    { reason: 'client-reset', error: { code: 'ECONNRESET' }, bytesRead: 5, bytesWritten: 5 },
  ])
  t.strictSame(errors, [])
})

t.test('the outcome of a stage that throws is stage-error, and onError is told once', async t => {
  const errors: [BywashError, Connection][] = []
  const opened: Connection[] = []
  const onOpen = (connection: Connection) => opened.push(connection)
  const onError = (error: BywashError, connection: Connection) => errors.push([error, connection])
  const { port, ended } = await serveLocally(t, failing(), { onOpen, onError })
  const client = await connectTcp(t, port)
  await client.send('hello')
  t.equal((await client.receive()).toString(), '', 'the client is not told of our faults')
  client.end()
  const [outcome] = await ended(1)
  t.match(outcome, {
    reason: 'stage-error',
    error: { code: 'ERR_BYWASH_STAGE', stage: 'broken', cause: { message: 'out of order' } },
    bytesRead: 5,
    bytesWritten: 0,
  })
  t.equal(errors.length, 1)
  t.equal(errors[0]?.[0], outcome?.error)
  t.equal(errors[0]?.[1], opened[0])
})

t.test('a stage that throws in close is a stage-error as well', async t => {
  const errors: BywashError[] = []
  const careless = stage<Buffer, Buffer>({
    name: 'careless',
    ...bytes,
    open: () => ({
      close: () => {
        throw new Error('too late')
      },
    }),
  })
  const { port, ended } = await serveLocally(t, pipeline().through(careless), {
    onError: error => errors.push(error),
  })
  t.equal((await exchange(t, port, ['x'])).toString(), 'x')
  t.match(await ended(1), [{ reason: 'stage-error', error: { stage: 'careless' } }])
  t.match(errors, [{ stage: 'careless', message: /too late/ }])
})

t.test('the outcome of a line that is too long is frame-too-long, and onError is not told', async t => {
  const errors: BywashError[] = []
  const onError = (error: BywashError) => errors.push(error)
  const { port, ended } = await serveLocally(t, uppercase.pipeline({ banner: '' }), { onError })
  const client = await connectTcp(t, port)
  await client.send('x'.repeat(4097))
  const farewell = await client.receive()
  client.end()
  t.match(await ended(1), [
    {
      reason: 'frame-too-long',
      error: { code: 'ERR_BYWASH_FRAME_TOO_LONG', stage: 'lines', maxLength: 4096 },
      bytesRead: 4097,
      bytesWritten: farewell.length,
    },
  ])
  t.strictSame(errors, [])
})

t.test('the farewell is what the option says, for the connection that failed', async t => {
  const farewell = (error: BywashError, connection: Connection) => `${connection.remotePort}: ${error.code}`
  const { port } = await serveLocally(t, failing(), { farewell })
  const client = await connectTcp(t, port)
  await client.send('x')
  t.equal((await client.receive()).toString(), `${client.socket.localPort}: ERR_BYWASH_STAGE`)
})

t.test('a client that has ended and gets no answer from a stage is stage-error', async t => {
  const { clock, deadline } = watchedClock()
  const { pipeline, release } = held()
  t.teardown(release)
  const { port, ended, outcomes } = await serveLocally(t, pipeline, { clock, halfCloseTimeout: 5000 })
  const client = await connectTcp(t, port)
  const set = deadline(5000)
  client.end('x')
  await set
  clock.advance(4999)
  t.strictSame(outcomes, [])
  clock.advance(1)
  t.match(await ended(1), [
    { reason: 'stage-error', error: { stage: 'wait' }, bytesRead: 1, bytesWritten: 0 },
  ])
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('a client that has ended and does not read is half-close-timeout after 10 seconds', async t => {
  const { clock, deadline } = watchedClock()
  const { port, ended } = await serveLocally(t, pipeline().through(large()), { clock })
  const client = await connectTcp(t, port)
  const set = deadline(10_000)
  client.end('x')
  await set
  clock.advance(10_000)
  t.match(await ended(1), [{ reason: 'half-close-timeout', bytesWritten: 64 * MIB }])
})

t.test('a client that has ended and reads slowly gets everything', async t => {
  const { clock, deadline } = watchedClock()
  const { port, ended } = await serveLocally(t, pipeline().through(large()), { clock })
  const client = await connectTcp(t, port)
  const set = deadline(10_000)
  client.end('x')
  await set
  await client.receive(50 * MIB)
  clock.advance(10_000)
  t.equal((await client.receive(14 * MIB)).length, 14 * MIB)
  t.match(await ended(1), [{ reason: 'end' }])
})

t.test('a slow stage that makes progress after the end of input is waited for', async t => {
  const { clock, deadline } = watchedClock()
  const released = new EventEmitter()
  const stepwise = asyncMap('stepwise', async (line: string) => {
    await once(released, line)
    return line
  })
  const { port, ended } = await serveLocally(
    t,
    pipeline().through(lines()).through(stepwise).through(toLines()),
    {
      clock,
      halfCloseTimeout: 5000,
    },
  )
  const client = await connectTcp(t, port)
  const set = deadline(5000)
  client.end('one\ntwo\n')
  await set
  released.emit('one')
  await client.receive('one\n')
  clock.advance(5000)
  released.emit('two')
  t.equal((await client.receive()).toString(), 'two\n')
  t.match(await ended(1), [{ reason: 'end' }])
})

t.test('after a farewell the server waits 2 seconds for the end of the client, then closes', async t => {
  const { clock, deadline } = watchedClock()
  const { port, ended } = await serveLocally(t, failing(), { clock, farewell: () => 'bye' })
  const client = await connectTcp(t, port)
  const set = deadline(2000)
  await client.send('x')
  t.equal((await client.receive()).toString(), 'bye')
  await set
  clock.advance(2000)
  t.match(await ended(1), [{ reason: 'stage-error' }])
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('a client that resets while it is told of a failure keeps the reason', async t => {
  const { clock, deadline } = watchedClock()
  const { port, ended } = await serveLocally(t, failing(), { clock })
  const client = await connectTcp(t, port)
  const set = deadline(2000)
  await client.send('x')
  await client.receive()
  await set
  client.reset()
  t.match(await ended(1), [{ reason: 'stage-error' }])
})

t.test('close() refuses new clients, answers what has come, and ends the connections', async t => {
  const { pipeline, taken, release } = held()
  const { listener, port, ended } = await serveLocally(t, pipeline)
  const idle = await connectTcp(t, port)
  const busy = await connectTcp(t, port)
  await busy.send('one')
  await taken
  const closed = listener.close()
  t.equal(await refusal(port), 'ECONNREFUSED')
  t.equal((await idle.receive()).toString(), '')
  idle.end()
  t.match(await ended(1), [{ reason: 'shutdown', bytesRead: 0 }])
  release()
  t.equal((await busy.receive()).toString(), 'one')
  busy.end()
  t.strictSame(await closed, { forced: 0 })
  t.match((await ended(2))[1], { reason: 'shutdown', error: undefined, bytesRead: 3, bytesWritten: 3 })
})

t.test('close() waits for the rest of a line that has begun', async t => {
  const { listener, port, ended } = await serveLocally(t, uppercase.pipeline({ banner: '' }))
  const client = await connectTcp(t, port)
  await client.send('one\ntw')
  await client.receive('ONE\n')
  const closed = listener.close()
  t.equal(await refusal(port), 'ECONNREFUSED')
  await client.send('o\n')
  t.equal((await client.receive()).toString(), 'TWO\n')
  client.end()
  t.strictSame(await closed, { forced: 0 })
  t.match(await ended(1), [{ reason: 'shutdown', bytesRead: 8, bytesWritten: 8 }])
})

t.test('close() destroys the connections that are left after shutdownTimeout, and counts them', async t => {
  const clock = fakeClock()
  const { listener, port, ended, outcomes } = await serveLocally(t, uppercase.pipeline({ banner: '' }), {
    clock,
    shutdownTimeout: 700,
    frameTimeout: 0,
  })
  const clients = await Promise.all([connectTcp(t, port), connectTcp(t, port), connectTcp(t, port)])
  for (const client of clients) {
    await client.send('x\ny')
    await client.receive(2)
  }
  const closed = listener.close()
  clients[0]?.end()
  await ended(1)
  clock.advance(699)
  t.match(outcomes, [{ reason: 'end' }])
  t.equal(listener.connections, 2)
  clock.advance(1)
  t.strictSame(await closed, { forced: 2 })
  t.match(outcomes, [{ reason: 'end' }, { reason: 'shutdown' }, { reason: 'shutdown' }])
  t.equal(listener.connections, 0)
  t.equal(clock.pending, 0, 'no timer is left')
})

t.test('a second close() with a shorter timeout ends the wait of the first', async t => {
  const clock = fakeClock()
  const { listener, port, outcomes } = await serveLocally(t, echo.pipeline(), { clock })
  const client = await connectTcp(t, port)
  await client.send('x')
  await client.receive(1)
  const first = listener.close()
  const second = listener.close({ timeout: 0 })
  clock.advance(0)
  t.strictSame(await Promise.all([first, second]), [{ forced: 1 }, { forced: 1 }])
  t.match(outcomes, [{ reason: 'shutdown' }])
})

t.test('two calls of close() that run out at once count a connection once', async t => {
  const clock = fakeClock()
  const { listener, port } = await serveLocally(t, echo.pipeline(), { clock })
  const client = await connectTcp(t, port)
  await client.send('x')
  await client.receive(1)
  const closed = [listener.close({ timeout: 0 }), listener.close({ timeout: 0 })]
  clock.advance(0)
  t.strictSame(await Promise.all(closed), [{ forced: 1 }, { forced: 1 }])
})

t.test('close() may be called again when the listener is closed', async t => {
  const { listener } = await serveLocally(t, echo.pipeline())
  t.strictSame(await listener.close(), { forced: 0 })
  t.strictSame(await listener.close(), { forced: 0 })
})

t.test('close() refuses a wrong option and goes on serving', async t => {
  const { listener, port } = await serveLocally(t, echo.pipeline())
  await t.rejects(listener.close({ timeout: -1 }), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: "close(): 'timeout' is a whole number, from 0 to 2147483647; got -1.",
  })
  await t.rejects(listener.close({ timeout: '5' }), {
    message: `close(): 'timeout' is a time with a unit, such as 5s or 5ms; got "5".`,
  })
  await t.rejects(listener.close(5 as never), { message: 'close() takes an object of options; got 5.' })
  const misspelt: object = { time: 0 }
  await t.rejects(listener.close(misspelt), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: "close() has no option 'time'. It takes timeout.",
  })
  t.equal((await exchange(t, port, ['x'])).toString(), 'x')
})

t.test('a signal closes the listener as close() does', async t => {
  const controller = new AbortController()
  const clock = fakeClock()
  const { listener, port, ended } = await serveLocally(t, echo.pipeline(), {
    clock,
    signal: controller.signal,
    shutdownTimeout: 700,
  })
  const client = await connectTcp(t, port)
  await client.send('x')
  await client.receive(1)
  controller.abort()
  t.equal(await refusal(port), 'ECONNREFUSED')
  t.equal((await client.receive()).toString(), '')
  client.end()
  t.match(await ended(1), [{ reason: 'shutdown' }])
  t.equal(listener.connections, 0)
})

t.test('a signal that is aborted already refuses to listen', async t => {
  const { port } = await serveLocally(t, echo.pipeline())
  // The port is taken: had it been tried, this would be a BindError.
  const signal = AbortSignal.abort(new Error('not today'))
  await t.rejects(listen(echo.pipeline(), { host: '127.0.0.1', port, signal }), { message: 'not today' })
})

t.test('a closed listener lets go of its signal', async t => {
  const { signal } = new AbortController()
  refuseWarnings(t)
  const removed: string[] = []
  t.capture(signal, 'removeEventListener', (type: string) => removed.push(type))
  const listener = await listen(echo.pipeline(), { host: '127.0.0.1', port: 0, signal })
  await listener.close()
  t.strictSame(removed, ['abort'])
})

t.test('connections counts those that are open', async t => {
  const { listener, port, ended } = await serveLocally(t, echo.pipeline())
  t.equal(listener.connections, 0)
  const clients = await Promise.all([connectTcp(t, port), connectTcp(t, port)])
  for (const client of clients) {
    await client.send('x')
    await client.receive(1)
  }
  t.equal(listener.connections, 2)
  clients[0]?.end()
  await ended(1)
  t.equal(listener.connections, 1)
  clients[1]?.reset()
  await ended(2)
  t.equal(listener.connections, 0)
})

t.test('a client that goes while its answer is still made ends its connection alone', async t => {
  const { pipeline, taken, release } = held()
  const { port, ended } = await serveLocally(t, pipeline)
  const gone = await connectTcp(t, port)
  const stays = await connectTcp(t, port)
  await gone.send('x')
  // A reset on the heels of unread bytes looks to the server like FIN.
  await taken
  await stays.send('y')
  gone.reset()
  t.match(await ended(1), [{ reason: 'client-reset', bytesWritten: 0 }])
  release()
  t.equal((await stays.receive(1)).toString(), 'y')
})

t.test('a client that sends much before it reads gets everything', async t => {
  const sent = randomBytes(16 * MIB)
  for (const plan of ['fused', 'streams'] as const) {
    const { port } = await serveLocally(t, echo.pipeline().through(tap('look', () => {})), { plan })
    const client = await connectTcp(t, port)
    const taken = client.send(sent)
    const first = await client.receive(1)
    const rest = await client.receive(sent.length - 1)
    await taken
    t.ok(Buffer.concat([first, rest]).equals(sent), `plan ${plan}`)
  }
})

t.test('a stage that takes its time loses nothing of what a client sends at once', async t => {
  const sent = randomBytes(8 * MIB)
  const later = async (chunk: Buffer) => {
    await new Promise(setImmediate)
    return chunk
  }
  for (const plan of ['fused', 'streams'] as const) {
    const { port } = await serveLocally(t, pipeline().through(asyncMap('later', later, bytes)), { plan })
    t.ok((await exchange(t, port, [sent])).equals(sent), `plan ${plan}`)
  }
})

t.test(`${CROWD} clients at once are served, and leave no descriptor behind`, async t => {
  refuseWarnings(t)
  const hasProc = existsSync('/proc/self/fd')
  for (const plan of ['fused', 'streams'] as const) {
    const { listener, port, ended } = await serveLocally(t, uppercase.pipeline({ banner: '' }), { plan })
    await exchange(t, port, ['warm up'])
    await ended(1)
    const before = hasProc ? openDescriptors() : 0
    const clients = await Promise.all(Array.from({ length: CROWD }, () => connectTcp(t, port)))
    for (const [index, client] of clients.entries()) await client.send(`client ${index}\n`)
    for (const [index, client] of clients.entries()) {
      t.equal((await client.receive('\n')).toString(), `CLIENT ${index}\n`)
    }
    t.equal(listener.connections, CROWD)
    for (const client of clients) {
      client.end()
      await client.receive()
    }
    await Promise.all([ended(CROWD + 1), ...clients.map(client => client.closed)])
    t.equal(listener.connections, 0)
    if (hasProc) t.equal(openDescriptors(), before, `plan ${plan}`)
  }
})

t.test('200 clients that reset as soon as they are connected are all closed', async t => {
  refuseWarnings(t)
  for (const plan of ['fused', 'streams'] as const) {
    let opened = 0
    let closed = 0
    const count = stage<Buffer, Buffer>({
      name: 'count',
      ...bytes,
      open: () => {
        opened++
        return { close: () => void closed++ }
      },
    })
    const { listener, port, outcomes } = await serveLocally(t, pipeline().through(count), { plan })
    for (let client = 0; client < 200; client++) (await connectTcp(t, port)).reset()
    // Connections are accepted in order, so when the last is served all were accepted.
    t.equal((await exchange(t, port, ['last'])).toString(), 'last')
    await listener.close()
    t.equal(closed, opened, `plan ${plan}`)
    t.equal(outcomes.length, opened)
    t.ok(opened >= 1)
  }
})

t.test('a connection that fails while it opens is closed', async t => {
  const clock: Clock = fakeClock()
  const outcomes: string[] = []
  const broken = stage<Buffer, Buffer>({
    name: 'broken',
    ...bytes,
    open: () => {
      throw new Error('no room')
    },
  })
  const listener = await listen(pipeline().through(broken), {
    host: '127.0.0.1',
    port: 0,
    clock,
    onOutcome: ({ reason }) => outcomes.push(reason),
  })
  t.equal((await exchange(t, listener.address.port, [])).toString(), '')
  await listener.close()
  t.strictSame(outcomes, ['stage-error'])
})

t.test('a signal that is aborted before the address is bound leaves nothing bound', async t => {
  for (const turns of [0, 1, 2, 3, 4]) {
    const controller = new AbortController()
    const listening = listen(echo.pipeline(), { host: '127.0.0.1', port: 0, signal: controller.signal })
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    controller.abort(new Error('not today'))
    const result = await listening.then(
      listener => listener.close({ timeout: 0 }).then(() => 'listening'),
      (cause: Error) => cause.message,
    )
    t.equal(result, 'not today', `aborted after ${turns} turns`)
  }
})

t.test('a connection that could not be accepted is a warning, and the others go on', async t => {
  let server: Server | undefined
  const bind = Server.prototype.listen
  const { restore } = t.capture(Server.prototype, 'listen', function (
    this: Server,
    ...parameters: Parameters<Server['listen']>
  ) {
    server = this
    return bind.apply(this, parameters)
  } as typeof bind)
  const { port } = await serveLocally(t, echo.pipeline())
  restore()
  const warned = once(process, 'warning')
  server?.emit('error', new Error('accept EMFILE'))
  t.match(await warned, [{ message: 'accept EMFILE' }])
  t.equal((await exchange(t, port, ['hello'])).toString(), 'hello')
})

t.test('a signal that is aborted while the address is being bound leaves nothing bound', async t => {
  const controller = new AbortController()
  const bind = Server.prototype.listen
  Server.prototype.listen = function (this: Server, ...parameters: Parameters<Server['listen']>) {
    controller.abort(new Error('not today'))
    return bind.apply(this, parameters)
  } as typeof bind
  t.teardown(() => {
    Server.prototype.listen = bind
  })
  const listening = listen(echo.pipeline(), { host: '127.0.0.1', port: 0, signal: controller.signal })
  await t.rejects(listening, { message: 'not today' })
})

t.test(
  'the address of a client that has reset is known to who may ask, and is not asked for nobody',
  async t => {
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
    const seen: unknown[] = []
    const events = new EventEmitter()
    const note = (connection: Connection) => {
      seen.push(connection.remoteAddress)
      events.emit('over')
    }
    const curious = stage<Buffer, Buffer>({
      ...bytes,
      name: 'curious',
      open: connection => ({ close: () => note(connection) }),
    })
    for (const [served, options] of [
      [pipeline(), { onOutcome: (_outcome: unknown, connection: Connection) => note(connection) }],
      [pipeline().through(curious), {}],
    ] as const) {
      const listener = await listen(served, { host: '127.0.0.1', port: 0, ...options })
      const client = await connectTcp(t, listener.address.port)
      const over = once(events, 'over')
      client.reset()
      await over
      await listener.close()
    }
    t.strictSame(seen, ['127.0.0.1', '127.0.0.1'])
    asked = 0
    const listener = await listen(uppercase.pipeline(), { host: '127.0.0.1', port: 0 })
    t.match((await exchange(t, listener.address.port, ['a\n'])).toString(), /A\n$/)
    await listener.close()
    t.equal(asked, 0)
  },
)

t.test('a close waits for the answer to a client that has ended its side', async t => {
  const { pipeline: slow, taken, release } = held()
  const { port, listener, ended } = await serveLocally(t, slow)
  const client = await connectTcp(t, port)
  client.end('hello')
  await taken
  for (let turns = 0; turns < 20; turns++) await new Promise(resolve => setImmediate(resolve))
  const closed = listener.close()
  for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
  release()
  t.equal(String(await client.receive()), 'hello')
  t.match(await closed, { forced: 0 })
  t.match(await ended(1), [{ reason: 'end' }])
})

t.test(
  'more connections than the limit of open files allows are a warning, until the listener is closed',
  async t => {
    OPEN_FILES.refresh(200)
    t.teardown(() => OPEN_FILES.refresh())
    t.capture(OPEN_FILES, 'refresh')
    const emitWarning = t.capture(process, 'emitWarning')
    const open = async (maxConnections: number) => {
      const listener = await listen(echo.pipeline(), { host: '127.0.0.1', port: 0, maxConnections })
      await listener.close()
      return emitWarning().map(({ args: [warning] }) => warning)
    }
    t.match(await open(137), [
      /^listen\(\): 'maxConnections' allows 137 connections per process, but .* leaves 136;/,
    ])
    t.strictSame(await open(136), [], 'the first one has gone')
  },
)
