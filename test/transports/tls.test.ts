import { createPrivateKey } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { readdirSync } from 'node:fs'
import t from 'tap'
import {
  asyncMap,
  type Connection,
  HandshakeError,
  InvalidOptionError,
  lines,
  listen,
  type Outcome,
  pipeline,
  stage,
  tap,
  toLines,
  uppercase,
} from '../../lib/index.js'
import type { TlsOptions } from '../../lib/options/tls-options.js'
import { echo } from '../../lib/presets/index.js'
import { type FakeClock, fakeClock } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { connectTcp } from '../tcp-client.js'
import { identity, pem } from './certificates.js'
import { connectTls, refusalOf, secure } from './tls-client.js'

const tls: TlsOptions = identity('server')
const bytes = { accepts: 'bytes', emits: 'bytes' } as const
const shout = () =>
  pipeline()
    .through(lines({ maxLength: 16 }))
    .through(uppercase())
    .through(toLines())

/** A fake clock that tells when the deadline of a handshake is set, which is when a connection has been accepted. */
function handshakeClock() {
  const clock = fakeClock()
  const events = new EventEmitter()
  const watched: FakeClock = Object.create(clock, {
    setTimeout: {
      value: (callback: () => void, milliseconds: number) => {
        if (milliseconds === 5_000) setImmediate(() => events.emit('accepted'))
        return clock.setTimeout(callback, milliseconds)
      },
    },
  })
  return { clock: watched, accepted: () => once(events, 'accepted') }
}

const faultOf = ({ reason, error }: Outcome) => ({
  reason,
  error: error instanceof HandshakeError ? error.message.replace('TLS handshake failed: ', '') : error,
})

t.test(
  'a client that knows the authority is served, and the bytes are counted as the stages see them',
  async t => {
    const { port, ended, listener } = await serveLocally(t, shout(), { tls })
    const client = await connectTls(t, port)
    t.equal(client.socket.authorized, true)
    t.equal(client.socket.getPeerCertificate().subject.CN, 'server')
    t.equal(client.socket.getProtocol(), 'TLSv1.3')
    client.end('one\ntwo\n')
    t.equal((await client.receive()).toString(), 'ONE\nTWO\n')
    t.match(await ended(1), [{ reason: 'end', error: undefined, bytesRead: 8, bytesWritten: 8 }])
    t.strictSame([listener.connections, listener.refused], [0, 0])
  },
)

t.test('a client that half-closes gets the answers that come later', async t => {
  const gate = new EventEmitter()
  const taken = once(gate, 'taken')
  const released = once(gate, 'released')
  const wait = async (chunk: Buffer) => {
    gate.emit('taken')
    await released
    return chunk
  }
  const held = pipeline().through(asyncMap('wait', wait, bytes))
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { port, ended } = await serveLocally(t, held, { tls })
    const client = await connectTls(t, port, { maxVersion })
    client.end('late')
    await taken
    // What the client has sent behind its bytes, its end, comes before anything that is sent from now on.
    setImmediate(() => gate.emit('released'))
    t.equal((await client.receive()).toString(), 'late', maxVersion)
    t.match(await ended(1), [{ reason: 'end' }])
  }
})

t.test('a farewell comes behind the answers, and an end behind it', async t => {
  const clock = fakeClock()
  const { port, ended } = await serveLocally(t, shout(), { tls, clock })
  const client = await connectTls(t, port)
  await client.send(`good\n${'x'.repeat(100_000)}`)
  t.equal((await client.receive('16 bytes\n')).toString(), 'GOOD\nerror: line is longer than 16 bytes\n')
  // It has sent more than is read behind a farewell, so the server waits for as long as it lingers.
  clock.advance(2_000)
  t.equal((await client.receive()).toString(), '')
  client.end()
  t.match(await ended(1), [{ reason: 'frame-too-long' }])
})

t.test('much goes through, in both directions at once', async t => {
  const { port, ended } = await serveLocally(t, echo.pipeline(), { tls })
  const client = await connectTls(t, port)
  const block = Buffer.from(Array.from({ length: 65_536 }, (_, index) => index % 251))
  const received = client.receive()
  for (let count = 0; count < 128; count++) await client.send(block)
  client.end()
  const all = await received
  t.equal(all.length, 128 * block.length)
  t.ok(all.equals(Buffer.concat(Array(128).fill(block))))
  t.match(await ended(1), [{ reason: 'end', bytesRead: all.length, bytesWritten: all.length }])
})

t.test('a client that resets its connection is an outcome', async t => {
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls })
  const client = await connectTls(t, port)
  await client.send('a')
  await client.receive(1)
  client.reset()
  t.match(await ended(1), [{ reason: 'client-reset' }])
  t.equal(listener.connections, 0)
})

t.test('a stage sees the addresses of the client', async t => {
  let seen: Connection | undefined
  const look = stage<Buffer, Buffer>({
    name: 'look',
    ...bytes,
    open: connection => {
      seen = connection
      return {}
    },
  })
  const { port } = await serveLocally(t, pipeline().through(look), { tls })
  const client = await connectTls(t, port)
  await client.send('a')
  await client.receive(1)
  const { remoteAddress, remotePort, localPort } = seen as Connection
  t.strictSame([`${remoteAddress}:${remotePort}`, localPort], [client.tcp.address, port])
})

t.test('the versions before 1.2 are refused, and 1.2 where 1.3 is the oldest', async t => {
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls })
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  t.match(await refusalOf(connectTls(t, port, old)), /ALERT_PROTOCOL_VERSION/)
  t.strictSame((await ended(1)).map(faultOf), [{ reason: 'refused', error: 'unsupported protocol.' }])
  t.equal(listener.refused, 1)
  const newest = await serveLocally(t, echo.pipeline(), { tls: { ...tls, minVersion: 'TLSv1.3' } })
  t.match(await refusalOf(connectTls(t, newest.port, { maxVersion: 'TLSv1.2' })), /ALERT_PROTOCOL_VERSION/)
  t.match(await newest.ended(1), [{ reason: 'refused' }])
})

t.test('a protocol is agreed on where the client offers any', async t => {
  const agreed: (string | undefined)[] = []
  const look = tap('look', (_chunk: Buffer, connection) => void agreed.push(connection.tls?.alpnProtocol))
  const { port, ended } = await serveLocally(t, pipeline().through(look), {
    tls: { ...tls, alpnProtocols: ['mqtt', 'echo'] },
  })
  for (const offered of [['echo', 'mqtt'], ['other', 'echo'], undefined]) {
    const client = await connectTls(t, port, offered && { ALPNProtocols: offered })
    client.end('hello')
    await client.receive()
  }
  t.strictSame(agreed, ['mqtt', 'echo', undefined])
  await refusalOf(connectTls(t, port, { ALPNProtocols: ['other'] }))
  t.match((await ended(4)).at(-1), { reason: 'refused' })
  const single = await serveLocally(t, pipeline().through(look), {
    tls: { ...tls, alpnProtocols: 'mqtt' as never },
  })
  const client = await connectTls(t, single.port, { ALPNProtocols: ['mqtt'] })
  client.end('hello')
  await client.receive()
  t.equal(agreed[3], 'mqtt')
})

t.test('what is no handshake is refused and counted, and what only goes away is not', async t => {
  const cases = [
    { sent: 'GET / HTTP/1.1\r\n\r\n', reason: 'refused', error: 'the client spoke HTTP without TLS' },
    { sent: 'hello, is anybody there?\n', reason: 'refused', error: 'the client did not speak TLS' },
    { sent: Buffer.alloc(64), reason: 'refused', error: 'the client did not speak TLS' },
    { sent: '\x16\x03\x01', reason: 'client-reset' },
    { sent: '', reason: 'client-reset' },
  ]
  for (const { sent, ...fault } of cases) {
    const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls })
    const client = await connectTcp(t, port)
    client.end(sent)
    const answer = await client.receive().catch(() => '')
    t.equal(String(answer), fault.reason === 'refused' ? 'error: this port speaks TLS\n' : '')
    const [outcome] = await ended(1)
    t.match(faultOf(outcome as Outcome), fault, JSON.stringify(String(sent)))
    t.match(outcome, { bytesRead: 0, bytesWritten: 0 })
    t.strictSame([listener.connections, listener.refused], [0, fault.reason === 'refused' ? 1 : 0])
  }
})

t.test('a client that resets its connection in its handshake is an outcome', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const waiting = accepted()
  const client = await connectTcp(t, port)
  await client.send('\x16')
  await waiting
  client.reset()
  t.match(await ended(1), [{ reason: 'client-reset' }])
  t.strictSame([listener.connections, clock.pending], [0, 0])
})

t.test('a handshake has 5 s from the accept on, however its bytes come', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const waiting = accepted()
  const client = await connectTcp(t, port)
  await waiting
  for (const byte of '\x16\x03\x01\x02') {
    await client.send(byte)
    clock.advance(1_000)
  }
  clock.advance(999)
  t.equal(listener.connections, 1, 'it is still there')
  clock.advance(1)
  await client.receive().catch(() => {})
  t.strictSame((await ended(1)).map(faultOf), [
    { reason: 'refused', error: "it took longer than 5 s ('handshakeTimeout')." },
  ])
  t.match(await ended(1), [{ duration: 5_000 }])
  t.strictSame([listener.connections, listener.refused], [0, 1])
})

t.test('a client that is not admitted is told so before any handshake', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls, clock, maxConnections: 1 })
  const waiting = accepted()
  const silent = await connectTcp(t, port)
  await waiting
  t.equal(listener.connections, 1, 'a handshake is a connection')
  t.equal(await refusalOf(connectTls(t, port)), 'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED')
  t.match(await ended(1), [{ reason: 'refused', error: { code: 'ERR_BYWASH_REFUSED' } }])
  silent.end()
  await ended(2)
  const client = await connectTls(t, port)
  await client.send('in')
  t.equal((await client.receive(2)).toString(), 'in')
})

t.test('a close lets a handshake finish, and ends the connection then', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const waiting = accepted()
  const tcp = await connectTcp(t, port)
  await waiting
  const closed = listener.close()
  const client = await secure(tcp)
  t.equal((await client.receive()).length, 0)
  client.end()
  t.strictSame(await closed, { forced: 0 })
  t.match(await ended(1), [{ reason: 'shutdown' }])
})

t.test('a close cuts off a handshake that is not finished in time', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const waiting = accepted()
  const client = await connectTcp(t, port)
  await waiting
  const [first, second] = [listener.close({ timeout: 1_000 }), listener.close({ timeout: 1_000 })]
  clock.advance(1_000)
  t.strictSame([await first, await second], [{ forced: 1 }, { forced: 1 }])
  t.strictSame((await ended(1)).map(faultOf), [{ reason: 'shutdown', error: undefined }])
  t.equal((await client.receive()).length, 0)
})

t.test('handshakes that fail leave nothing behind', async t => {
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls })
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = descriptors()
  for (let round = 0; round < 20; round++) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => connectTcp(t, port)))
    for (const [index, client] of clients.entries()) {
      await client.send('\x16\x03\x01\x02\x00'.slice(0, index % 5))
      if (index % 2 === 0) client.reset()
      else client.end('garbage, garbage')
    }
    await Promise.all(
      clients.map(async ({ receive, closed }) => {
        await receive().catch(() => {})
        await closed
      }),
    )
  }
  const outcomes = await ended(200)
  t.equal(outcomes.length, 200)
  t.equal(outcomes.filter(({ reason }) => reason === 'refused').length, listener.refused)
  t.equal(listener.connections, 0)
  t.equal(descriptors(), before)
})

t.test('options that are wrong say which, before anything is bound', async t => {
  const secret = createPrivateKey(tls.key as string).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'sesame',
  }) as string
  const cases: [unknown, RegExp][] = [
    [null, /^listen\(\): tls is an object with 'cert' and 'key'; got null\.$/],
    [true, /^listen\(\): tls is an object with 'cert' and 'key'; got true\.$/],
    [{ key: tls.key }, /'cert' is missing; TLS needs a certificate and its key\.$/],
    [{ cert: tls.cert }, /'key' is missing/],
    [{ ...tls, cert: 'x' }, /'cert' is no certificate in PEM: no start line\.$/],
    [{ ...tls, cert: [] }, /'cert' is no certificate in PEM: the list is empty\.$/],
    [{ ...tls, key: 'x' }, /'key' is no private key in PEM, or has another 'passphrase': /],
    [{ ...tls, key: secret }, /'key' is no private key in PEM, or has another 'passphrase': /],
    [{ ...tls, key: secret, passphrase: 'open' }, /'key' is no private key in PEM, or has another/],
    [{ ...tls, key: pem('client-key') }, /the certificate and key cannot be used: key values mismatch\.$/],
    [{ ...tls, ca: '' }, /'ca' is no certificate in PEM/],
    [{ ...tls, ca: [] }, /'ca' is no certificate in PEM/],
    [{ ...tls, minVersion: 'TLSv1' }, /'minVersion' is one of "TLSv1\.2", "TLSv1\.3"; got "TLSv1"\.$/],
    [{ ...tls, alpnProtocols: [] }, /'alpnProtocols' has 1 to 255 protocols; got 0/],
    [{ ...tls, alpnProtocols: ['h2', 'é'] }, /'alpnProtocols' is a list of protocols, such as .*; got "é"/],
    [{ ...tls, alpnProtocols: [7] }, /'alpnProtocols' is a list of protocols, such as .*; got 7/],
    [{ ...tls, handshakeTimeout: 0 }, /'handshakeTimeout' is a whole number, from 1/],
    [{ ...tls, certificate: 'x' }, /listen\(\): tls has no option 'certificate'\. It takes cert, key, /],
  ]
  for (const [options, message] of cases) {
    const failing = listen(echo.pipeline(), { port: 0, tls: options as TlsOptions })
    await t.rejects(failing, { code: 'ERR_BYWASH_INVALID_OPTION', message }, String(message))
  }
  const { port } = await serveLocally(t, echo.pipeline(), {
    tls: { ...tls, key: secret, passphrase: 'sesame' },
  })
  t.equal((await connectTls(t, port)).socket.authorized, true)
})

t.test('a certificate can be replaced while connections are open', async t => {
  const { port, listener } = await serveLocally(t, echo.pipeline(), { tls })
  const open = await connectTls(t, port)
  listener.setSecureContext(identity('renewed'))
  const later = await connectTls(t, port)
  t.equal(later.socket.getPeerCertificate().subject.CN, 'renewed')
  t.throws(
    () => listener.setSecureContext({ ...identity('server'), cert: pem('client') }),
    InvalidOptionError,
  )
  t.equal((await connectTls(t, port)).socket.getPeerCertificate().subject.CN, 'renewed')
  for (const client of [open, later]) {
    await client.send('still')
    t.equal((await client.receive(5)).toString(), 'still')
  }
})

t.test('a handshake that is under way finishes with the certificate that it began with', async t => {
  const { clock, accepted } = handshakeClock()
  const { port, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const waiting = accepted()
  const tcp = await connectTcp(t, port)
  await waiting
  listener.setSecureContext(identity('renewed'))
  t.equal((await secure(tcp)).socket.getPeerCertificate().subject.CN, 'server')
})

t.test('a listener that does not speak TLS takes no certificate', async t => {
  const { listener } = await serveLocally(t, echo.pipeline())
  t.throws(() => listener.setSecureContext(tls), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: "setSecureContext(): this listener does not speak TLS; give listen() 'tls'.",
  })
})
