import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { connect } from 'node:tls'
import t from 'tap'
import { pipeline } from '../../lib/index.js'
import { identity, pem } from '../transports/certificates.js'
import { secure } from '../transports/tls-client.js'
import { underFault } from './oracle.js'

const CLIENT = { ca: pem('authority'), servername: 'localhost' }

/** A bystander that speaks TLS. */
async function open(port: number) {
  const socket = connect({ host: '127.0.0.1', port, ...CLIENT })
  await once(socket, 'secureConnect')
  return socket
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const versions = { minVersion: version, maxVersion: version } as const

  t.test(`31: a bad ${version} record behind the handshake`, async t => {
    const target = {
      pipeline: 'lines',
      options: { tls: identity('server'), idleTimeout: 60_000 },
      open,
      reasons: { 'client-reset': 20 },
    } as const
    await underFault(t, target, async ({ client, ended }) => {
      for (let count = 1; count <= 20; count++) {
        const tcp = await client()
        const { socket, send, receive } = await secure(tcp, versions)
        socket.on('error', () => {})
        await send('hello\n')
        t.equal((await receive(6)).toString(), 'hello\n')
        tcp.socket.write('no TLS record at all\n')
        const { message } = (await ended(count)).at(-1) ?? {}
        t.match(message, /SSL|wrong version/, 'with its cause, at once: no time has passed')
      }
    })
  })
}

t.test('31: renegotiations are refused', async t => {
  const target = { pipeline: 'lines', options: { tls: identity('server') }, open } as const
  await underFault(t, target, async ({ client, ended }) => {
    const { socket } = await secure(await client(), { maxVersion: 'TLSv1.2' })
    socket.renegotiate({}, () => {})
    const [refusal] = await once(socket, 'error')
    t.match(refusal, /no renegotiation/, 'the first one already')
    await ended(1)
  })
})

t.test("31: a Duplex that says 'error' without being destroyed", async t => {
  for (const moment of ['open', 'ended', 'half-closed']) {
    // Its FIN never leaves.
    const duplex = new Duplex({ autoDestroy: false, read() {}, final() {} })
    const handled = pipeline().handle(duplex)
    await new Promise(setImmediate)
    if (moment !== 'open') duplex.push(null)
    if (moment === 'half-closed') await once(duplex, 'end')
    const error = new Error('the transport failed')
    duplex.emit('error', error)
    t.match(await handled, { reason: 'client-reset', error }, moment)
    t.ok(duplex.destroyed)
  }
})
