import t, { type Test } from 'tap'
import type { HandshakeError } from '../../lib/index.js'
import { echo } from '../../lib/presets/index.js'
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

t.test('a certificate of another authority is refused, and counted', async t => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const { code: _, ...others } = await attempt(t, tls, { ...identity('stranger'), maxVersion })
    t.match(others, {
      reason: 'refused',
      message: /^TLS handshake failed: the client's certificate is not accepted: [A-Z_]+\.$/,
      refused: 1,
    })
  }
})

t.test('a certificate that was revoked is refused', async t => {
  const options = { ...tls, crl: pem('crl') }
  const { message } = await attempt(t, options, identity('revoked'))
  t.equal(message, "TLS handshake failed: the client's certificate is not accepted: CERT_REVOKED.")
  const { port } = await serveLocally(t, echo.pipeline(), { tls: options })
  t.equal((await connectTls(t, port, identity('client'))).socket.authorized, true, 'the others are not')
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
