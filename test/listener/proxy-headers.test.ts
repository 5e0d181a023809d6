import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type Connection, listen, pipeline, tap } from '../../lib/index.js'
import { reconfigure } from '../../lib/listener/bind.js'
import { retireListener } from '../../lib/listener/listener.js'
import { encodeProxyHeader } from '../../lib/net/proxy-header.js'
import { OPEN_FILES } from '../../lib/open-files.js'
import { echo } from '../../lib/presets/index.js'
import { FakeSocket } from '../../lib/testing/fake-socket.js'
import { fakeClock } from '../../lib/testing/index.js'
import { turn } from '../../lib/testing/turns.js'
import { runs } from '../runs.js'
import { socketFolder } from '../socket-folder.js'
import { clientOf, connectTcp, isBound, type TcpClient } from '../tcp-client.js'
import { identity } from '../transports/certificates.js'
import { secure } from '../transports/tls-client.js'
import { serveLocally } from './local-listener.js'

const ENDS = {
  source: { address: '192.0.2.1', port: 4711 },
  destination: { address: '198.51.100.7', port: 443 },
}
const V1 = encodeProxyHeader(1, ENDS)
const V2 = encodeProxyHeader(2, ENDS)
const LOCAL = Buffer.concat([V2.subarray(0, 12), Buffer.from([0x20, 0, 0, 0])])

/** Serves an echo behind PROXY headers, and notes the addresses of the connections whose bytes a stage has seen. */
async function serveProxied(t: Test, options: Parameters<typeof serveLocally>[2] = {}) {
  const seen: unknown[][] = []
  const known = new WeakSet<Connection>()
  const note = tap('note', (_chunk: Buffer, connection) => {
    const { remoteAddress, remotePort, localAddress, localPort } = connection
    if (!known.has(connection)) seen.push([remoteAddress, remotePort, localAddress, localPort])
    known.add(connection)
  })
  const refused: [address: string, message: string | undefined][] = []
  const served = await serveLocally(t, pipeline().through(note), {
    proxyProtocol: ['127.0.0.0/8'],
    ...options,
    onOutcome: ({ reason, error }, { remoteAddress }) => {
      if (reason === 'refused') refused.push([remoteAddress ?? 'none', error?.message])
    },
  })
  return { ...served, seen, refused }
}

/** Sends bytes, and gives all that comes back up to the server's end. */
async function answerTo(client: TcpClient, bytes: Uint8Array | string): Promise<string> {
  client.end(bytes)
  return String(await client.receive().catch(error => error))
}

for (const [version, header] of [
  [1, V1],
  [2, V2],
] as const) {
  t.test(`version ${version}: the addresses of the header are those of the connection`, async t => {
    const { port, seen, ended } = await serveProxied(t)
    const client = await connectTcp(t, port)
    t.equal(await answerTo(client, Buffer.concat([header, Buffer.from('hello')])), 'hello')
    t.strictSame(seen, [['192.0.2.1', 4711, '198.51.100.7', 443]])
    t.match(await ended(1), [{ reason: 'end', bytesRead: 5, bytesWritten: 5 }], 'the header does not count')
  })

  t.test(`version ${version}: the header and what follows may come in any two chunks`, async t => {
    const { port, seen } = await serveProxied(t)
    const bytes = Buffer.concat([header, Buffer.from('after')])
    for (let cut = 1; cut < bytes.length; cut++) {
      const client = await connectTcp(t, port)
      await client.send(bytes.subarray(0, cut))
      // What was cut off comes in another read.
      await turn()
      t.equal(await answerTo(client, bytes.subarray(cut)), 'after', `cut at ${cut}`)
      t.equal(seen.pop()?.[0], '192.0.2.1')
    }
  })
}

t.test('a connection of the proxy itself, LOCAL or UNKNOWN, keeps its own addresses', async t => {
  const { port, seen } = await serveProxied(t)
  for (const header of [LOCAL, Buffer.from('PROXY UNKNOWN\r\n'), encodeProxyHeader(2, {})]) {
    const client = await connectTcp(t, port)
    t.equal(await answerTo(client, Buffer.concat([header, Buffer.from('ping')])), 'ping')
    const [address, remotePort, ...local] = seen.pop() ?? []
    t.equal(`${address}:${remotePort}`, client.address)
    t.strictSame(local, ['127.0.0.1', port])
  }
})

t.test('a header without a valid form is refused at once, by name, and counted', async t => {
  const { port, refused, listener, ended } = await serveProxied(t)
  const cases: [bytes: string | Buffer, fault: string][] = [
    ['GET / HTTP/1.1\r\n', 'is missing'],
    ['hello\n', 'is missing'],
    ['PROXY TCP4 999.1.1.1 1.1.1.1 1 2\r\n', 'does not have two TCP4 addresses and two ports'],
    [`PROXY ${'x'.repeat(200)}`, 'is a line without CRLF in its first 107 bytes'],
    [Buffer.concat([V2.subarray(0, 12), Buffer.of(0x31)]), 'has an unknown version'],
  ]
  for (const [index, [bytes, fault]] of cases.entries()) {
    const client = await connectTcp(t, port)
    await client.send(bytes)
    t.equal(String(await client.receive()), `error: PROXY header ${fault}\n`)
    client.end()
    await ended(index + 1)
    t.strictSame(refused.pop() ?? [], ['127.0.0.1', `The PROXY header ${fault} ('proxyProtocol').`])
  }
  t.equal(listener.refused, cases.length)
  t.equal(listener.connections, 0)
})

t.test('an end before the header is complete is refused', async t => {
  const { port, ended } = await serveProxied(t)
  for (const bytes of [V1, V2]) {
    for (const cut of [1, bytes.length - 1]) {
      const client = await connectTcp(t, port)
      t.equal(await answerTo(client, bytes.subarray(0, cut)), 'error: PROXY header is not complete\n')
    }
  }
  for (const { reason } of await ended(4)) t.equal(reason, 'refused')
})

t.test('who goes away without a header, as a health check does, is neither refused nor counted', async t => {
  const { port, listener, ended } = await serveProxied(t, { proxyProtocol: ['127.0.0.1', 'unix'] })
  t.equal(await answerTo(await connectTcp(t, port), ''), '')
  await ended(1)
  const resets = new FakeSocket()
  listener.serve(resets)
  resets.send(V2.subarray(0, 5))
  while (resets.waiting > 0) await turn()
  resets.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
  await ended(2)
  // One that was gone before it was accepted: the system knows only our address.
  listener.serve(Object.assign(new FakeSocket(), { localAddress: '127.0.0.1' }))
  const nothing = { reason: 'client-reset', bytesRead: 0, bytesWritten: 0, duration: 0 }
  t.match(await ended(3), [
    { ...nothing, error: undefined },
    { ...nothing, error: { code: 'ECONNRESET' } },
    { ...nothing, error: undefined },
  ])
  t.equal(listener.refused, 0)
  t.equal(listener.connections, 0)
})

t.test('a header has 3 s in all, however its bytes come', async t => {
  const clock = fakeClock()
  const { port, refused, ended } = await serveProxied(t, { clock })
  const before = OPEN_FILES.hasRoom
  const client = await connectTcp(t, port)
  for (const byte of V1.subarray(0, 3)) {
    await client.send(Buffer.of(byte))
    while (clock.pending === 0) await turn()
    clock.advance(999)
  }
  t.strictSame(refused, [])
  clock.advance(3)
  t.equal(String(await client.receive()), 'error: PROXY header took longer than 3 s\n')
  client.end()
  await ended(1)
  t.equal(clock.pending, 0)
  t.equal(OPEN_FILES.hasRoom, before)
})

t.test('only proxies that the option names may bring a header, and all must', async t => {
  const { port, refused, ended } = await serveProxied(t, { proxyProtocol: ['192.0.2.0/24', '2001:db8::/32'] })
  t.equal(await answerTo(await connectTcp(t, port), V1), 'error: address not allowed\n')
  await ended(1)
  t.strictSame(refused, [
    ['127.0.0.1', "Connections from 127.0.0.1 are not from a proxy that 'proxyProtocol' names."],
  ])
})

t.test('allow, deny and the limit of an address go by the address in the header', async t => {
  const { port, refused, seen, ended } = await serveProxied(t, {
    proxyProtocol: '127.0.0.1' as never,
    deny: ['192.0.2.0/24'],
    maxConnectionsPerAddress: 1,
  })
  t.equal(await answerTo(await connectTcp(t, port), V2), 'error: address not allowed\n')
  await ended(1)
  t.strictSame(refused.pop(), ['192.0.2.1', 'Connections from 192.0.2.1 are not allowed.'])
  const from = (address: string) =>
    Buffer.concat([encodeProxyHeader(2, { ...ENDS, source: { address, port: 1 } }), Buffer.from('x')])
  const first = await connectTcp(t, port)
  await first.send(from('203.0.113.1'))
  await first.receive(1)
  t.match(await answerTo(await connectTcp(t, port), from('::ffff:203.0.113.1')), /from your address/)
  await ended(2)
  t.equal(refused.pop()?.[0], '203.0.113.1')
  const other = await connectTcp(t, port)
  await other.send(from('203.0.113.2'))
  await other.receive(1)
  first.end()
  await first.receive()
  await ended(3)
  t.equal(await answerTo(await connectTcp(t, port), from('203.0.113.1')), 'x', 'the place is free again')
  t.strictSame(
    seen.map(([address]) => address),
    ['203.0.113.1', '203.0.113.2', '203.0.113.1'],
  )
})

t.test('connections whose header is still to come count as connections', async t => {
  const { port, refused, listener, ended } = await serveProxied(t, { maxConnections: 1 })
  const waiting = await connectTcp(t, port)
  await waiting.send(V1.subarray(0, 1))
  t.equal(await answerTo(await connectTcp(t, port), V1), 'error: too many connections\n')
  await ended(1)
  t.equal(refused.length, 1)
  t.equal(listener.connections, 0, 'it is none of the listener yet')
  t.equal(await answerTo(waiting, Buffer.concat([V1.subarray(1), Buffer.from('x')])), 'x')
})

t.test('a close refuses connections whose header is still to come', async t => {
  const { port, listener, refused, ended } = await serveProxied(t)
  const client = await connectTcp(t, port)
  await client.send(V1.subarray(0, 1))
  // The server has accepted it when it has answered a later one.
  t.equal(await answerTo(await connectTcp(t, port), Buffer.concat([V1, Buffer.from('x')])), 'x')
  t.strictSame(await listener.close(), { forced: 0 })
  await ended(2)
  t.strictSame(refused, [['127.0.0.1', 'The listener is closed.']])
})

t.test('a reload goes on with headers that are still to come', async t => {
  const options = { host: '127.0.0.1', port: 0, proxyProtocol: ['127.0.0.1'] }
  const listener = await listen(echo.pipeline(), options)
  const { port } = listener.address
  const clients: TcpClient[] = []
  for (const bytes of [V1, V2]) {
    const client = await connectTcp(t, port)
    await client.send(bytes.subarray(0, 20))
    clients.push(client)
  }
  const accepted = await connectTcp(t, port)
  t.equal(await answerTo(accepted, Buffer.concat([V1, Buffer.from('x')])), 'x')
  const outcomes: (string | undefined)[] = []
  await reconfigure(listener, echo.pipeline(), {
    ...options,
    onOutcome: ({ reason }, { remoteAddress }) => outcomes.push(`${reason} ${remoteAddress}`),
  })
  const [first, second] = clients as [TcpClient, TcpClient]
  t.equal(await answerTo(first, Buffer.concat([V1.subarray(20), Buffer.from('one')])), 'one')
  t.equal(await answerTo(second, 'two'), 'error: PROXY header is not complete\n')
  while (outcomes.length < 2) await turn()
  t.strictSame(outcomes.sort(), ['end 192.0.2.1', 'refused 127.0.0.1'])
  await reconfigure(listener, echo.pipeline(), { ...options, proxyProtocol: undefined as never })
  t.equal(await answerTo(await connectTcp(t, port), 'plain'), 'plain', 'and without headers from now on')
  await listener.close()
})

t.test('with TLS the header comes in front of the handshake, in one chunk with it or not', async t => {
  const { port, seen, refused, ended } = await serveProxied(t, { tls: identity('server') })
  const client = await connectTcp(t, port)
  await client.send(V2)
  const apart = await secure(client)
  t.equal(await answerTo(apart, 'secret'), 'secret')
  t.strictSame(seen.pop(), ['192.0.2.1', 4711, '198.51.100.7', 443])
  // A relay that holds the header back, and sends it together with the first record.
  const relay = createServer({ allowHalfOpen: true }, socket => {
    const target = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.once('data', hello => {
      target.write(Buffer.concat([V1, hello]))
      socket.pipe(target)
    })
    target.pipe(socket)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  const together = await secure(await connectTcp(t, (relay.address() as { port: number }).port))
  t.equal(await answerTo(together, 'secret'), 'secret')
  t.equal(seen.pop()?.[0], '192.0.2.1')
  relay.close()
  const without = await connectTcp(t, port)
  await without.send(Buffer.from('160301', 'hex'))
  t.equal((await without.receive()).toString('hex'), '15030300020231', 'the alert "access denied"')
  without.end()
  await ended(3)
  t.equal(refused.length, 1)
})

t.test('a browser may come through a proxy too', async t => {
  const { port, seen } = await serveProxied(t, { websocket: true, tls: identity('server') })
  const plain = await serveProxied(t, { websocket: true })
  const request = [
    ...['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket'],
    ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''],
  ].join('\r\n')
  // A text of one byte, with a mask of zeros.
  const frame = Buffer.from('8181000000007a', 'hex')
  const speak = async ({ send, receive, end }: TcpClient, first: Uint8Array[]) => {
    for (const bytes of first) await send(bytes)
    t.match(String(await receive('\r\n\r\n')), /^HTTP\/1.1 101 /)
    await send(frame)
    t.equal((await receive(3)).toString('hex').slice(-2), '7a')
    end()
  }
  await speak(await connectTcp(t, plain.port), [Buffer.concat([V1, Buffer.from(request)])])
  await speak(await connectTcp(t, plain.port), [V2, Buffer.from(request)])
  t.strictSame(
    plain.seen.map(([address]) => address),
    ['192.0.2.1', '192.0.2.1'],
  )
  const client = await connectTcp(t, port)
  await client.send(V2)
  await speak(await secure(client), [Buffer.from(request)])
  t.equal(seen[0]?.[0], '192.0.2.1')
})

t.test('on a unix socket, who may connect is trusted if the option says so', async t => {
  const dial = async (path: string) => {
    const socket = connect({ path, allowHalfOpen: true })
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    return clientOf(socket)
  }
  for (const [proxyProtocol, answer] of [
    [['unix', '10.0.0.0/8'], 'x'],
    [['unix'], 'x'],
    [['127.0.0.1'], 'error: address not allowed\n'],
  ] as const) {
    const path = join(socketFolder(t), 'proxied.sock')
    const served = await serveProxied(t, {
      path,
      host: undefined as never,
      port: undefined as never,
      proxyProtocol,
    })
    t.equal(await answerTo(await dial(path), Buffer.concat([V1, Buffer.from('x')])), answer)
    if (answer === 'x') t.equal(served.seen[0]?.[0], '192.0.2.1')
    await served.ended(1)
    if (answer !== 'x')
      t.match(served.refused, [['none', /^Connections from a unix socket are not from a proxy/]])
  }
})

t.test('a Duplex from elsewhere brings a header too, also one that is over already', async t => {
  const { listener, seen, ended } = await serveProxied(t, { proxyProtocol: ['unix'] })
  const duplex = new FakeSocket()
  listener.serve(duplex)
  duplex.send(Buffer.concat([V1, Buffer.from('hel')]))
  duplex.send('lo')
  duplex.send(null)
  await once(duplex, 'close')
  t.equal(String(duplex.received), 'hello')
  t.equal(seen[0]?.[0], '192.0.2.1')
  const [closed, dropped] = [new FakeSocket(), new FakeSocket()]
  closed.destroy()
  await once(closed, 'close')
  listener.serve(closed)
  t.match((await ended(2)).at(-1), { reason: 'client-reset' })
  listener.serve(dropped)
  dropped.destroy()
  t.match((await ended(3)).at(-1), { reason: 'client-reset' })
})

t.test('nothing behind the header is lost, however the bytes are cut', async t => {
  const { listener } = await serveProxied(t, { proxyProtocol: ['unix'] })
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(V1, V2, LOCAL),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      async (header, rest, sizes) => {
        const duplex = new FakeSocket()
        listener.serve(duplex)
        const bytes = Buffer.concat([header, rest])
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = sizes[cut % sizes.length] as number
          duplex.send(bytes.subarray(at, at + size))
          at += size
        }
        duplex.send(null)
        await once(duplex, 'close')
        t.same(duplex.received, Buffer.from(rest))
      },
    ),
    { numRuns: runs(200) },
  )
})

t.test('what is no list of ranges is refused', async t => {
  for (const wrong of [['10.0.0.0/33'], ['all'], [''], [7], [undefined]]) {
    await t.rejects(listen(echo.pipeline(), { port: 0, proxyProtocol: wrong as never }), {
      code: 'ERR_BYWASH_INVALID_OPTION',
      message:
        /'proxyProtocol' is a list of addresses and CIDR ranges, such as '10.0.0.0\/8', '2001:db8::\/32' and 'unix'; got /,
    })
  }
})

t.test('a listener that is retired serves a connection whose header comes later', async t => {
  const listener = await listen(echo.pipeline(), { host: '127.0.0.1', port: 0, proxyProtocol: ['127.0.0.1'] })
  const { port } = listener.address
  const clients = [await connectTcp(t, port), await connectTcp(t, port)]
  for (const client of clients) await client.send(V1.subarray(0, 20))
  await retireListener(listener)
  t.equal(await isBound(port), false, 'the address is free')
  for (const client of clients) {
    t.equal(await answerTo(client, Buffer.concat([V1.subarray(20), Buffer.from('late')])), 'late')
  }
  await listener.closed
  const unused = await listen(echo.pipeline(), { host: '127.0.0.1', port: 0, proxyProtocol: ['127.0.0.1'] })
  await retireListener(unused)
  t.strictSame(await unused.closed, { forced: 0 })
})

t.test('a listener that is retired while no header is awaited is closed', async t => {
  const listener = await listen(echo.pipeline(), { host: '127.0.0.1', port: 0, proxyProtocol: ['127.0.0.1'] })
  await retireListener(listener)
  t.strictSame(await listener.closed, { forced: 0 })
})
