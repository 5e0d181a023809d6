import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import { builtIn } from '../../../lib/config/registry.js'
import { pipelineOfText } from '../../../lib/config/text/text-pipeline.js'
import {
  type Connection,
  type Controller,
  delimited,
  InvalidOptionError,
  lines,
  type Outcome,
  type Pipeline,
  pipeline,
  prefix,
  stage,
  take,
  toDelimited,
  toLines,
  toStream,
  type UpstreamOptions,
  uppercase,
  upstream,
} from '../../../lib/index.js'
import { confirmEnd } from '../../../lib/net/confirm-end.js'
import { type ProxyHeader, parseProxyHeader } from '../../../lib/net/proxy-header.js'
import { OPEN_FILES } from '../../../lib/open-files.js'
import { Dial } from '../../../lib/stages/backends/dial.js'
import { serversOf } from '../../../lib/stages/backends/server-list.js'
import { systemText } from '../../../lib/stages/backends/system-text.js'
import { connect, fakeClock } from '../../../lib/testing/index.js'
import { turn } from '../../../lib/testing/turns.js'
import { serveLocally } from '../../listener/local-listener.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { socketFolder } from '../../socket-folder.js'
import { connectTcp, type TcpClient } from '../../tcp-client.js'
import { identity, pathOf, pem } from '../../transports/certificates.js'
import { connectTls, secure } from '../../transports/tls-client.js'
import { serveBackend } from './backend.js'

const brief = ({ reason, error }: Outcome) => [reason, error?.message]

/** The address of a port where nobody listens. */
const NOBODY = '127.0.0.1:1'

/** An address as a client of the tests connects to it. */
const proxyTo = (address: Parameters<typeof upstream>[0], options?: UpstreamOptions) =>
  pipeline().through(upstream(address, options))

/** Answers the first line, and does what is asked for with the connection. */
const answering = (transform: (controller: Controller<string>, connection: Connection) => void) =>
  pipeline()
    .through(lines())
    .through(
      stage<string, string>({
        name: 'answering',
        accepts: 'line',
        emits: 'line',
        upgrades: true,
        open: connection => ({
          transform(_, controller) {
            controller.enqueue('ok')
            return transform(controller, connection)
          },
        }),
      }),
    )
    .through(toLines())

const becoming = (address: string) => answering(controller => controller.become(proxyTo(address)))

const secured = (address: string) =>
  answering(async (controller, connection) => {
    await connection.startTls(identity('server'))
    controller.become(proxyTo(address))
  })

for (const plan of PLANS) {
  t.test(`${plan}: the end of each direction passes by itself`, async t => {
    const backend = await serveBackend(t)
    const { port, ended } = await serveLocally(t, proxyTo(backend.address), { plan })
    const one = await connectTcp(t, port)
    const server = await backend.accept()
    await one.send('request')
    one.end()
    t.equal((await server.receive()).toString(), 'request', 'the end of the client is that of the requests')
    await server.send('late ')
    server.end('answer')
    t.equal((await one.receive()).toString(), 'late answer')
    t.strictSame(brief((await ended(1))[0] as Outcome), ['end', undefined])

    const other = await connectTcp(t, port)
    const first = await backend.accept()
    first.end('all')
    t.equal((await other.receive()).toString(), 'all', 'the end of the server is that of the answers')
    await other.send('still ')
    other.end('sending')
    t.equal((await first.receive()).toString(), 'still sending')
    const outcome = (await ended(2))[1] as Outcome
    t.match(outcome, { reason: 'end', error: undefined, bytesRead: 13, bytesWritten: 3 })
  })

  t.test(`${plan}: bytes pass unchanged, however they are cut`, async t => {
    const backend = await serveBackend(t)
    const list = proxyTo(backend.address)
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 90_000 }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(chunks, chunks, async (sent, answered) => {
        const client = connect(list, { plan })
        for (const chunk of sent) client.send(chunk)
        client.end()
        const server = await backend.accept()
        const [requests] = await Promise.all([
          server.receive(),
          (async () => {
            for (const chunk of answered) await server.send(chunk)
            server.end()
          })(),
        ])
        if (!requests.equals(Buffer.concat(sent))) throw new Error('the requests differ')
        if (!(await client.receive()).equals(Buffer.concat(answered))) throw new Error('the answers differ')
        if ((await client.outcome).reason !== 'end') throw new Error('no good end')
      }),
      { numRuns: runs(60) },
    )
  })

  t.test(`${plan}: stages before it see requests, and stages behind it answers`, async t => {
    const backend = await serveBackend(t)
    const list = pipeline()
      .through(lines())
      .through(uppercase())
      .through(toLines())
      .through(upstream(backend.address))
      .through(lines())
      .through(prefix('> '))
      .through(toLines())
    const client = connect(list, { plan })
    client.send('get a\nget')
    const server = await backend.accept()
    t.equal((await server.receive('\n')).toString(), 'GET A\n')
    client.end(' b')
    t.equal((await server.receive()).toString(), 'GET B\n')
    server.end('one\ntwo')
    t.equal((await client.receive()).toString(), '> one\n> two\n')
  })

  t.test(`${plan}: a server that does not read holds the client back, and loses nothing`, async t => {
    const backend = await serveBackend(t)
    const client = connect(proxyTo(backend.address), { plan })
    const server = await backend.accept()
    const size = 24 * 1_048_576
    const chunk = Buffer.alloc(65_536, 'x')
    for (let sent = 0; sent < size; sent += chunk.length) client.send(chunk)
    client.end()
    const { waiting } = await client.stalled()
    t.ok(waiting > 0, `${waiting} bytes wait with the client`)
    const all = await server.receive()
    t.equal(all.length, size)
    server.end('done')
    t.equal((await client.receive()).toString(), 'done')
  })

  t.test(`${plan}: a client that does not read holds the server back, and loses nothing`, async t => {
    const backend = await serveBackend(t)
    const client = connect(proxyTo(backend.address), { plan })
    const server = await backend.accept()
    await client.stalled()
    const size = 24 * 1_048_576
    let taken = false
    void server.send(Buffer.alloc(size, 'x')).then(() => {
      taken = true
    })
    const { unread } = await client.stalled()
    t.equal(taken, false, 'the server waits')
    t.ok(unread < 1_048_576, `${unread} bytes wait for the client`)
    t.equal((await client.receive(size)).length, size)
    client.send('more')
    t.equal((await server.receive(4)).toString(), 'more')
    client.reset()
    await server.closed
  })

  t.test(`${plan}: a server that resets resets the client, behind what came before`, async t => {
    const backend = await serveBackend(t)
    const { port, ended } = await serveLocally(t, proxyTo(backend.address), { plan })
    const client = await connectTcp(t, port)
    const server = await backend.accept()
    await server.send('half an ans')
    t.equal((await client.receive(11)).toString(), 'half an ans')
    server.reset()
    t.match(await client.closed, { code: 'ECONNRESET' }, 'which is no end in good order')
    const [outcome] = await ended(1)
    t.match(brief(outcome as Outcome), [
      'upstream-error',
      /'upstream' lost 127.0.0.1:\d+: it has reset the connection/,
    ])
  })

  for (const [kind, list, hello, tls] of [
    ['', proxyTo],
    [', in a list that became the proxy', becoming, 'go\n'],
    [' over TLS', proxyTo, undefined, 'all'],
    [' over TLS, to which it went in mid-connection', secured, 'go\n', 'later'],
  ] as const) {
    t.test(`${plan}: a client that resets behind its last bytes has not ended${kind}`, async t => {
      const ends = new EventEmitter()
      const backend = createServer({ allowHalfOpen: true }, socket => {
        // A plain socket would take this reset for an end.
        socket.on('end', () => confirmEnd(socket, () => ends.emit('over', 'end')))
        socket.on('data', chunk => socket.write(chunk))
        socket.on('error', ({ code }: NodeJS.ErrnoException) => ends.emit('over', code))
        t.teardown(() => socket.destroy())
      }).listen(0, '127.0.0.1')
      await once(backend, 'listening')
      t.teardown(() => backend.close())
      const { port: behind } = backend.address() as AddressInfo
      const options = tls === 'all' ? { plan, tls: identity('server') } : { plan }
      const { port, ended } = await serveLocally(t, list(`127.0.0.1:${behind}`), options)
      for (const resets of [true, false]) {
        let client = tls === 'all' ? await connectTls(t, port) : await connectTcp(t, port)
        if (hello !== undefined) {
          await client.send(hello)
          t.equal((await client.receive(3)).toString(), 'ok\n')
        }
        if (tls === 'later') client = await secure(client)
        await client.send('whole')
        t.equal((await client.receive(5)).toString(), 'whole')
        const over = once(ends, 'over')
        if (resets) {
          // In one tick, so that both have come when the listener reads.
          client.socket.write('half a requ')
          client.reset()
        } else client.end('a request')
        t.strictSame(await over, [resets ? 'ECONNRESET' : 'end'])
        if (resets) t.match((await ended(1))[0], { reason: 'client-reset' })
      }
    })
  }

  t.test(`${plan}: a client that has reset before its list becomes a proxy has not ended`, async t => {
    const backend = await serveBackend(t)
    const late = answering(async controller => {
      for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate)
      controller.become(proxyTo(backend.address))
    })
    const { port, ended } = await serveLocally(t, late, { plan })
    const client = await connectTcp(t, port)
    client.socket.write('go\nhalf a requ')
    client.reset()
    t.match((await ended(1))[0], { reason: 'client-reset' })
  })

  t.test(`${plan}: a client that goes away takes its connection to the server with it`, async t => {
    const backend = await serveBackend(t)
    const { port, ended } = await serveLocally(t, proxyTo(backend.address), { plan })
    const client = await connectTcp(t, port)
    const server = await backend.accept()
    await client.send('half a requ')
    t.equal((await server.receive(11)).toString(), 'half a requ')
    client.reset()
    t.match(await server.closed, { code: 'ECONNRESET' }, 'half a request does not look complete')
    t.equal((await ended(1))[0]?.reason, 'client-reset')
  })

  t.test(`${plan}: addresses are tried in turn; where none answers there is a farewell`, async t => {
    const backend = await serveBackend(t)
    const client = connect(proxyTo([NOBODY, { host: '127.0.0.1', port: 1 }, backend.address]), { plan })
    client.send('x')
    const server = await backend.accept()
    t.equal((await server.receive(1)).toString(), 'x')
    client.reset()
    await server.closed

    const refused = connect(proxyTo(`${NOBODY}, ./nobody.sock`), { plan })
    refused.send('x')
    const answer = await refused.receive()
    t.equal(answer.toString(), 'error: the server behind this one is not available\n')
    refused.end()
    t.strictSame(brief(await refused.outcome), [
      'upstream-error',
      "Stage 'upstream' cannot connect to 127.0.0.1:1: nobody listens there; ./nobody.sock: no such file or directory.",
    ])
  })

  t.test(`${plan}: a server that says nothing behind the client's end is given up`, async t => {
    const backend = await serveBackend(t)
    for (const [answer, resets] of [
      ['', false],
      ['half', true],
    ] as const) {
      const clock = fakeClock()
      const { port, ended } = await serveLocally(t, proxyTo(backend.address), { plan, clock })
      const client = await connectTcp(t, port)
      const server = await backend.accept()
      if (answer !== '') await server.send(answer)
      t.equal((await client.receive(answer.length)).toString(), answer)
      client.end('x')
      t.equal((await server.receive()).toString(), 'x')
      // Half a close takes as many turns of the event loop as it may.
      const late = ended(1)
      const timer = setInterval(() => clock.advance(10_000), 1)
      const [outcome] = await late
      clearInterval(timer)
      t.match(brief(outcome as Outcome), [
        'upstream-error',
        /has waited 10 s for 127.0.0.1:\d+, which neither/,
      ])
      if (resets) t.match(await client.closed, { code: 'ECONNRESET' })
      else t.match((await client.receive()).toString(), /^error: the server behind/)
    }
  })

  t.test(`${plan}: a listener that closes waits for the answers`, async t => {
    const backend = await serveBackend(t)
    const { port, listener, ended } = await serveLocally(t, proxyTo(backend.address), { plan })
    const client = await connectTcp(t, port)
    const server = await backend.accept()
    await client.send('last')
    await server.receive(4)
    const closed = listener.close()
    t.equal((await server.receive()).toString(), '', 'the server is told that nothing more comes')
    server.end('answer')
    t.equal((await client.receive()).toString(), 'answer')
    client.end()
    t.strictSame(await closed, { forced: 0 })
    t.equal((await ended(1))[0]?.reason, 'shutdown')
  })

  t.test(`${plan}: both ends of a connection may pass while the listener closes`, async t => {
    const backend = await serveBackend(t)
    const { port, listener, ended } = await serveLocally(t, proxyTo(backend.address), { plan })
    const client = await connectTcp(t, port)
    const server = await backend.accept()
    server.end('all')
    await client.receive()
    const closed = listener.close()
    await server.receive()
    client.end()
    await closed
    t.equal((await ended(1))[0]?.reason, 'shutdown')
  })

  t.test(`${plan}: toStream() runs it too`, async t => {
    const backend = await serveBackend(t)
    const stream = toStream(upstream(backend.address), { plan })
    stream.end('ping')
    const server = await backend.accept()
    t.equal((await server.receive()).toString(), 'ping')
    server.end('pong')
    t.equal(Buffer.concat(await stream.toArray()).toString(), 'pong')
    const broken = toStream(upstream(NOBODY), { plan })
    await t.rejects(broken.toArray(), { code: 'ERR_BYWASH_UPSTREAM', reason: 'upstream-error' })
  })
}

t.test('a client that does not read is read from, for as long as the server takes it', async t => {
  const backend = await serveBackend(t)
  const client = connect(proxyTo(backend.address))
  const server = await backend.accept()
  const stalled = client.stalled()
  void server.send(Buffer.alloc(4_194_304, 'x'))
  await stalled
  client.send('stop!')
  t.equal((await server.receive(5)).toString(), 'stop!', 'a Ctrl-C gets through')
  client.reset()
  await server.closed
})

/** Sends bytes in pieces, and resolves when the socket takes no more of them for many turns of the event loop. */
async function sendUntilStuck({ socket }: TcpClient, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += 100_000) socket.write(bytes.subarray(at, at + 100_000))
  for (let turns = 0, waiting = 0; turns < 100; turns++) {
    await turn()
    if (socket.writableLength !== waiting) turns = 0
    waiting = socket.writableLength
  }
}

for (const reader of ['server', 'client']) {
  t.test(`sockets whose ${reader} does not read get nothing of each other`, async t => {
    const backend = await serveBackend(t)
    const { port } = await serveLocally(t, proxyTo(backend.address))
    const pairs = []
    for (const first of [0, 1]) {
      const client = await connectTcp(t, port)
      client.send('hello')
      const server = await backend.accept()
      await server.receive(5)
      const bytes = Buffer.from(
        Uint32Array.from({ length: 3_000_000 }, (_, index) => 2 * index + first).buffer,
      )
      const [from, to] = reader === 'server' ? [client, server] : [server, client]
      pairs.push({ from, to, bytes })
    }
    await Promise.all(pairs.map(({ from, bytes }) => sendUntilStuck(from, bytes)))
    await Promise.all(
      pairs.map(async ({ to, bytes }) => {
        const received = await to.receive(bytes.length)
        t.ok(received.equals(bytes), `${received.length} bytes`)
      }),
    )
  })
}

t.test('a server may be told who the client is, in front of everything', async t => {
  const backend = await serveBackend(t)
  for (const proxyProtocol of [1, 2] as const) {
    const { port } = await serveLocally(t, proxyTo(backend.address, { proxyProtocol }))
    const client = await connectTcp(t, port)
    await client.send('request')
    client.end()
    const server = await backend.accept()
    const sent = await server.receive()
    const header = parseProxyHeader(sent) as ProxyHeader
    t.strictSame(header.ends, {
      source: { address: '127.0.0.1', port: client.socket.localPort },
      destination: { address: '127.0.0.1', port },
    })
    t.equal(sent.subarray(header.length).toString(), 'request')
    server.end()
    await client.receive()
  }
  const unknown = connect(proxyTo(`tls://${backend.address}`, { proxyProtocol: 1 }))
  const server = await backend.accept()
  t.equal((await server.receive('\r\n')).toString(), 'PROXY UNKNOWN\r\n')
  t.equal((await server.receive(1))[0], 0x16, 'the TLS handshake comes behind it')
  unknown.reset()
  await unknown.outcome
})

t.test('a unix socket has no reset, and is closed', async t => {
  const path = join(socketFolder(t), 'backend.sock')
  const backend = await serveBackend(t, { path })
  const front = join(socketFolder(t), 'front.sock')
  const { listener, ended } = await serveLocally(t, proxyTo({ path }), {
    path: front,
    port: undefined,
    host: undefined,
  } as never)
  const { createConnection } = await import('node:net')
  const { clientOf } = await import('../../tcp-client.js')
  const client = clientOf(createConnection({ path: front, allowHalfOpen: true }))
  const server = await backend.accept()
  await client.send('ping')
  t.equal((await server.receive(4)).toString(), 'ping')
  server.socket.destroy()
  await client.receive()
  client.socket.destroy()
  const [outcome] = await ended(1)
  t.ok(['end', 'client-reset', 'upstream-error'].includes(String(outcome?.reason)))
  await listener.close()
  const clients = connect(proxyTo(path))
  const accepted = await backend.accept()
  clients.reset()
  await accepted.receive().catch(() => {})
  accepted.socket.destroy()
})

t.test('TLS is spoken to a server, whose certificate is checked', async t => {
  const secure = () => createTlsServer({ ...identity('server'), allowHalfOpen: true } as never)
  const backend = await serveBackend(t, undefined, secure(), 'secureConnection')
  const port = Number(backend.address.split(':')[1])
  const good: readonly [Parameters<typeof upstream>[0], UpstreamOptions][] = [
    [backend.address, { tlsCa: pathOf('authority'), tlsServerName: 'localhost' }],
    [`tls://localhost:${port}`, { tlsCa: pathOf('authority') }],
    [backend.address, { tlsInsecure: true }],
    [`tls://${backend.address}`, { tls: { ca: pem('authority'), servername: 'localhost' } }],
  ]
  for (const [address, options] of good) {
    const client = connect(proxyTo(address, options))
    client.send('ping')
    const server = await backend.accept()
    t.equal((await server.receive(4)).toString(), 'ping')
    server.end('pong')
    t.equal((await client.receive()).toString(), 'pong')
    client.end()
    t.equal((await client.outcome).reason, 'end')
  }
  const path = join(socketFolder(t), 'tls.sock')
  const unix = await serveBackend(t, { path }, secure(), 'secureConnection')
  const local = connect(proxyTo(path, { tlsInsecure: true }))
  const accepted = await unix.accept()
  accepted.end('here')
  t.equal((await local.receive()).toString(), 'here')
  local.end()
  await local.outcome
  const unchecked = connect(proxyTo(backend.address, { tls: true }))
  unchecked.send('x')
  await unchecked.receive()
  unchecked.end()
  t.match(brief(await unchecked.outcome), ['upstream-error', /127.0.0.1:\d+: unable to verify/])
  const wrong = connect(proxyTo(backend.address, { tls: { minVersion: 'TLSv9' as never } }))
  await wrong.receive()
  wrong.end()
  t.match(brief(await wrong.outcome), ['upstream-error', /TLSv9/])
  t.throws(() => upstream(NOBODY, { tlsCa: './no.pem' }), {
    message: "upstream(): cannot read './no.pem': no such file or directory.",
  })
})

t.test('a client of TLS is reset too', async t => {
  const backend = await serveBackend(t)
  const { port, ended } = await serveLocally(t, proxyTo(backend.address), { tls: identity('server') })
  const client = await connectTls(t, port)
  const server = await backend.accept()
  await server.send('half')
  t.equal((await client.receive(4)).toString(), 'half')
  server.reset()
  t.match(await client.closed, { code: 'ECONNRESET' })
  t.equal((await ended(1))[0]?.reason, 'upstream-error')
})

t.test(
  'a server that does not finish its handshake is given up at connectTimeout, and the next is tried',
  async t => {
    const [silent, backend] = [await serveBackend(t), await serveBackend(t)]
    const clock = fakeClock()
    const address = [`tls://${silent.address}`, backend.address]
    const { port, ended } = await serveLocally(t, proxyTo(address, { connectTimeout: '2s' }), { clock })
    const client = await connectTcp(t, port)
    await (await silent.accept()).receive(1)
    clock.advance(2_000)
    const server = await backend.accept()
    server.end('here')
    t.equal((await client.receive()).toString(), 'here')
    client.end()
    t.equal((await ended(1))[0]?.reason, 'end')

    const alone = await serveLocally(t, proxyTo(`tls://${silent.address}`), { clock })
    const other = await connectTcp(t, alone.port)
    const hello = await silent.accept()
    await hello.receive(1)
    clock.advance(5_000)
    t.match((await other.receive()).toString(), /^error: the server behind/)
    other.end()
    const [outcome] = await alone.ended(1)
    t.match(outcome?.error?.message, /no connection within 5 s \('connectTimeout'\)/)
    const cause = outcome?.error?.cause
    t.type(cause, Error)
  },
)

t.test('a client that leaves before the server is connected leaves nothing behind', async t => {
  const silent = await serveBackend(t)
  const { port, ended } = await serveLocally(t, proxyTo(`tls://${silent.address}`))
  const client = await connectTcp(t, port)
  const server = await silent.accept()
  client.reset()
  t.equal((await ended(1))[0]?.reason, 'client-reset')
  await server.receive().catch(() => {})
  server.socket.destroy()
  const early = connect(proxyTo(`tls://${silent.address}`))
  early.reset()
  t.equal((await early.outcome).reason, 'client-reset')
})

t.test('a dial that is cancelled at once connects to nobody', async t => {
  const silent = await serveBackend(t)
  const called: string[] = []
  const settings = {
    servers: serversOf(`tls://${silent.address}`),
    connectTimeout: 1_000,
    tls: undefined,
  }
  const dial = new Dial(settings, undefined, fakeClock(), {
    connected: () => called.push('connected'),
    failed: () => called.push('failed'),
  })
  dial.cancel()
  dial.cancel()
  await import('node:tls')
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame([called, silent.open()], [[], 0])
})

t.test('who waits to be connected is given up at halfCloseTimeout', async t => {
  const silent = await serveBackend(t)
  const clock = fakeClock()
  const list = proxyTo(`tls://${silent.address}`, { connectTimeout: '60s' })
  const { port, ended } = await serveLocally(t, list, { clock })
  const client = await connectTcp(t, port)
  client.end('x')
  await (await silent.accept()).receive(1)
  const late = ended(1)
  const timer = setInterval(() => clock.advance(10_000), 1)
  const [outcome] = await late
  clearInterval(timer)
  t.match(outcome?.error?.message, /has waited 10 s for a connection/)
})

t.test('chunks of a turn leave together, and a later stage may end the connection', async t => {
  const backend = await serveBackend(t)
  const list = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(toDelimited('+'))
    .through(upstream(backend.address))
    .through(lines())
    .through(take(1))
    .through(toLines())
  const client = connect(list)
  client.send('a;b;c;')
  const server = await backend.accept()
  t.equal((await server.receive(6)).toString(), 'a+b+c+')
  await server.send('one\ntwo\n')
  t.equal((await client.receive()).toString(), 'one\n')
  client.end()
  t.equal((await client.outcome).reason, 'terminated')
})

t.test('errors are told in words', async t => {
  const error = (message: string, more: object = {}) => Object.assign(new Error(message), more)
  t.strictSame(
    [
      error('', { code: 'ECONNREFUSED' }),
      error('long', { code: 'ERR_SSL', reason: 'wrong version number' }),
      error('x', { code: 'EMFILE', errno: -24 }),
      error('as it is.'),
      error('', { code: 'EODD' }),
    ].map(systemText),
    ['nobody listens there', 'wrong version number', 'too many open files', 'as it is', 'EODD'],
  )
})

t.test('descriptors are counted while they are open', async t => {
  const held: number[] = []
  const { hold, release } = OPEN_FILES
  let open = 0
  OPEN_FILES.hold = () => held.push(++open)
  OPEN_FILES.release = () => held.push(--open)
  t.teardown(() => Object.assign(OPEN_FILES, { hold, release }))
  const backend = await serveBackend(t)
  const client = connect(proxyTo([NOBODY, backend.address]))
  const server = await backend.accept()
  client.end()
  server.end()
  await client.outcome
  while (open > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(held.length, 4)
})

t.test('addresses that are none are refused when the stage is made', async t => {
  const bad = [
    '',
    'nohost',
    'a:0',
    'a:65536',
    'http://a:1',
    'a:1,',
    [],
    [''],
    [7],
    [{ port: '1' }],
    [{ path: '' }],
    [null],
    [{ host: 7, port: 1 }],
    7,
  ]
  for (const address of bad) t.throws(() => upstream(address as never), InvalidOptionError, String(address))
  for (const good of [
    [{ port: 1 }],
    { path: 'here.sock' },
    { path: '/a/b' },
    { host: '::1', port: 1 },
    '[::1]:1',
    'tcp://a:1',
    '/a/b',
  ])
    t.doesNotThrow(() => upstream(good as never))
  t.throws(
    () => upstream(NOBODY, { tls: 7 as never }),
    /'tls' is true, false or the options of tls.connect\(\)/,
  )
  t.equal(upstream(NOBODY).name, 'upstream')
})

t.test('a text says the same', async t => {
  const backend = await serveBackend(t)
  const text = `upstream '${NOBODY},${backend.address}' --connect-timeout 3s`
  const { pipeline: built, problems } = pipelineOfText(text, builtIn())
  t.strictSame(problems, [])
  const client = connect(built as Pipeline<Buffer, Buffer>)
  client.end('x')
  const server = await backend.accept()
  t.equal((await server.receive()).toString(), 'x')
  server.end('y')
  t.equal((await client.receive()).toString(), 'y')
  const wrong = pipelineOfText('upstream nowhere', builtIn())
  t.match(wrong.problems[0]?.message, /'address' is a host and a port/)
})
