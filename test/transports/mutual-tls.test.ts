import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { certificateAlert } from '../../lib/engine/tls/certificate-alert.js'
import { type Connection, type HandshakeError, pipeline, type TlsInfo, tap } from '../../lib/index.js'
import { echo } from '../../lib/presets/index.js'
import { fakeClock } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { identity, pem } from './certificates.js'
import { connectTls, refusalOf } from './tls-client.js'

const tls = { ...identity('server'), ca: pem('authority') }

/** What becomes of a client with these certificates. */
async function attempt(t: Test, options: object, client: object) {
  const { port, ended, listener } = await serveLocally(t, echo.pipeline(), { tls: options as typeof tls })
  const code = await refusalOf(connectTls(t, port, client))
  const [outcome] = await ended(1)
  const error = outcome?.error as HandshakeError | undefined
  return { code, reason: outcome?.reason, message: error?.message, refused: listener.refused }
}

t.test('a client with a certificate of the authority is served', async t => {
  const { port, ended } = await serveLocally(t, echo.pipeline(), { tls })
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const client = await connectTls(t, port, { ...identity('client'), maxVersion })
    client.end('hello')
    t.equal((await client.receive()).toString(), 'hello', maxVersion)
  }
  t.match(await ended(2), [{ reason: 'end' }, { reason: 'end' }])
})

t.test('a stage and onOutcome see what TLS has settled, and whose certificate it was', async t => {
  const seen: (TlsInfo | undefined)[] = []
  const look = tap('look', (_chunk: Buffer, connection) => seen.push(connection.tls))
  const early: unknown[] = []
  const { port, ended } = await serveLocally(t, pipeline().through(look), {
    tls,
    onOpen: connection => early.push(connection.tls),
    onOutcome: (_, connection) => seen.push(connection.tls),
  })
  const client = await connectTls(t, port, identity('client'))
  client.end('hello')
  await client.receive()
  await ended(1)
  t.strictSame(early, [undefined], 'the handshake comes later')
  const [first, last] = seen
  t.match(first, {
    servername: 'localhost',
    alpnProtocol: undefined,
    protocol: 'TLSv1.3',
    cipher: /^TLS_/,
    peerCertificate: { subject: { CN: /./ }, fingerprint256: /^[\dA-F:]+$/ },
  })
  t.equal(last, first, 'it is made once, and kept')
})

t.test('handle() on a TLS socket tells it too, unless it was over before anybody asked', async t => {
  const infos: (TlsInfo | undefined)[] = []
  const connections: Connection[] = []
  const look = tap('look', (_chunk: Buffer, connection) => {
    connections.push(connection)
    if (connections.length === 1) infos.push(connection.tls)
  })
  const outcomes: Promise<unknown>[] = []
  const server = createServer({ ...identity('server'), ALPNProtocols: ['mqtt'] }, socket => {
    socket.allowHalfOpen = true
    outcomes.push(pipeline().through(look).handle(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  for (let count = 0; count < 2; count++) {
    const client = await connectTls(t, port, { ALPNProtocols: ['mqtt'], servername: '' })
    client.end('hello')
    await client.receive()
  }
  await Promise.all(outcomes)
  t.match(infos, [{ servername: undefined, alpnProtocol: 'mqtt', peerCertificate: undefined }])
  t.equal(connections[0]?.tls, infos[0])
  t.equal(connections[1]?.tls, undefined)
  server.close()
})

t.test('a client without a certificate is refused, and counted', async t => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    t.match(await attempt(t, tls, { maxVersion }), {
      code: /^ERR_SSL|^ECONNRESET$/,
      reason: 'refused',
      message: 'TLS handshake failed: the client showed no certificate.',
      refused: 1,
    })
  }
})

for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
  t.test(`${maxVersion}: a client hears in an alert why its certificate is not accepted`, async t => {
    t.match(await attempt(t, tls, { ...identity('stranger'), maxVersion }), {
      code: /ALERT_UNKNOWN_CA$/,
      reason: 'refused',
      message: /^TLS handshake failed: the client's certificate is not accepted: [A-Z_]+\.$/,
      refused: 1,
    })
    t.match(await attempt(t, { ...tls, crl: pem('crl') }, { ...identity('revoked'), maxVersion }), {
      code: /ALERT_CERTIFICATE_REVOKED$/,
      message: "TLS handshake failed: the client's certificate is not accepted: CERT_REVOKED.",
    })
    const expired = { ...tls, ca: [pem('authority'), pem('expired')] }
    t.match(await attempt(t, expired, { ...identity('expired'), maxVersion }), {
      code: /ALERT_CERTIFICATE_EXPIRED$/,
    })
    // A certificate of a server is none of a client.
    t.match(await attempt(t, tls, { ...identity('server'), maxVersion }), {
      code: /ALERT_BAD_CERTIFICATE$/,
    })
  })
}

t.test('TLSv1.3: the alert is encrypted in the cipher of the connection', async t => {
  for (const ciphers of [
    'TLS_AES_128_GCM_SHA256',
    'TLS_AES_256_GCM_SHA384',
    'TLS_CHACHA20_POLY1305_SHA256',
  ]) {
    const { code } = await attempt(t, tls, { ...identity('stranger'), ciphers })
    t.match(code, /ALERT_UNKNOWN_CA$/, ciphers)
  }
  const socket = { getCipher: () => ({ name: 'TLS_AES_128_CCM_SHA256' }) } as TLSSocket
  t.equal(certificateAlert(socket, 'CERT_REVOKED', Buffer.alloc(32)).length, 0)
})

t.test('a revocation list refuses nobody who is not on it', async t => {
  const { port } = await serveLocally(t, echo.pipeline(), { tls: { ...tls, crl: pem('crl') } })
  t.equal((await connectTls(t, port, identity('client'))).socket.authorized, true)
})

/** A client that has heard why its certificate is not accepted, and stays. */
async function refused(t: Test, port: number) {
  const client = await connectTls(t, port, identity('stranger'))
  await t.rejects(client.receive(), { cause: { code: /ALERT_UNKNOWN_CA$/ } })
  return client.tcp
}

/** The open sockets of this process: clients, and what the server has for them. */
const sockets = () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length

async function socketsAre(count: number): Promise<void> {
  while (sockets() !== count) await turn()
}

t.test('TLSv1.3: nothing leaves behind the alert, which has the number of the first record', async t => {
  const { port } = await serveLocally(t, echo.pipeline(), { tls })
  const accepted = await connectTls(t, port, identity('client'))
  await accepted.send('a')
  await accepted.receive(1)
  const { socket } = await refused(t, port)
  t.ok(socket.bytesRead < accepted.tcp.socket.bytesRead, 'it gets no session tickets')
})

t.test('what a refused client has sent meanwhile does not erase the alert', async t => {
  const { port, ended } = await serveLocally(t, echo.pipeline(), { tls })
  const client = await connectTls(t, port, identity('stranger'))
  await client.send(Buffer.alloc(10_000))
  t.match(await refusalOf(Promise.resolve(client)), /ALERT_UNKNOWN_CA$/)
  t.match(await ended(1), [{ reason: 'refused', bytesRead: 0 }])
})

t.test('a refused client that stays is closed', async t => {
  const clock = fakeClock()
  const { port, listener } = await serveLocally(t, echo.pipeline(), { tls, clock })
  const stay = async (t: Test) => {
    await socketsAre(0)
    const client = await refused(t, port)
    t.equal(sockets(), 2)
    return { client, gone: () => socketsAre(1) }
  }
  await t.test('after two seconds', async t => {
    const { gone } = await stay(t)
    clock.advance(2_000)
    await gone()
  })
  await t.test('after a bad record', async t => {
    const { client, gone } = await stay(t)
    await client.send('no record')
    await gone()
  })
  await t.test('after 64 KiB', async t => {
    await socketsAre(0)
    const client = await connectTls(t, port, identity('stranger'))
    client.socket.on('error', () => {}).write(Buffer.alloc(65_537))
    await socketsAre(1)
  })
  await t.test('when the listener is closed', async t => {
    const { gone } = await stay(t)
    await listener.close()
    await gone()
  })
})

t.test('of many refused clients eight are waited for', async t => {
  const { port } = await serveLocally(t, echo.pipeline(), { tls })
  await socketsAre(0)
  for (let count = 0; count < 9; count++) await refused(t, port)
  await socketsAre(9 + 8)
})

t.test('authorities can be replaced: a session of before does not get in', async t => {
  const { port, listener, ended } = await serveLocally(t, echo.pipeline(), { tls })
  const first = await connectTls(t, port, identity('client'))
  const session = new Promise<Buffer>(resolve => first.socket.once('session', resolve))
  await first.send('a')
  await first.receive(1)
  listener.setSecureContext({ ...identity('server'), ca: pem('stranger') })
  await refusalOf(connectTls(t, port, { ...identity('client'), session: await session }))
  t.match(await ended(1), [{ reason: 'refused' }])
  await first.send('b')
  t.equal((await first.receive(1)).toString(), 'b', 'who is in stays in')
})
