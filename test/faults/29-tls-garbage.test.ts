import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { fakeClock } from '../../lib/testing/index.js'
import { identity, pem } from '../transports/certificates.js'
import { secure } from '../transports/tls-client.js'
import { type Scene, underFault } from './oracle.js'

const CLIENT = { ca: pem('authority'), servername: 'localhost', ...identity('client') }

/** A bystander with a certificate. */
async function open(port: number) {
  const socket = connect({ host: '127.0.0.1', port, ...CLIENT })
  await once(socket, 'secureConnect')
  return socket
}

/** Every client is refused, and each for this reason. */
async function underTlsFault(
  t: Test,
  { count, why }: { readonly count: number; readonly why: RegExp },
  provoke: (scene: Scene) => Promise<unknown>,
): Promise<void> {
  const clock = fakeClock()
  const tls = { ...identity('server'), ca: pem('authority') }
  const reasons = { refused: count }
  await underFault(t, { pipeline: 'lines', options: { tls }, clock, open, reasons }, async scene => {
    await provoke(scene)
    const ended = await scene.ended(count)
    for (const { message } of ended) t.match(message, why)
    t.equal((await scene.server.report()).refused, count, 'counted')
  })
}

/** Sends bytes and reads until the server ends. */
async function send({ client }: Scene, bytes: string | Buffer): Promise<void> {
  const { send, receive } = await client()
  const received = receive()
  await send(bytes)
  await received.catch(() => {})
}

t.test('29: TLS garbage', async t => {
  const why = /^TLS handshake failed: /
  // What is no record of a handshake, or one with nonsense in it, which may look like the beginning of a long message.
  const records = Array.from({ length: 20 }, (_, index) =>
    Buffer.concat([Buffer.from([index % 2 === 0 ? 0x80 + index : 0x16, 3, 1, 0, 200]), randomBytes(400)]),
  )
  await underTlsFault(t, { count: records.length, why }, async scene => {
    let isOver = false
    const sent = Promise.all(records.map(record => send(scene, record))).finally(() => {
      isOver = true
    })
    while (!isOver) await scene.pass(1_000)
    await sent
  })
})

t.test('29: plain HTTP', t =>
  underTlsFault(t, { count: 1, why: /the client spoke HTTP without TLS/ }, scene =>
    send(scene, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
  ),
)

t.test('29: dribbled ClientHello', t =>
  underTlsFault(t, { count: 2, why: /it took longer than 5 s \('handshakeTimeout'\)/ }, async scene => {
    const [dribbling, silent] = [await scene.client(), await scene.client()]
    const received = Promise.allSettled([dribbling.receive(), silent.receive()])
    for (const byte of [0x16, 3, 1, 2, 0, 1]) {
      await dribbling.send(Buffer.of(byte))
      await scene.pass(1_000)
    }
    await received
  }),
)

t.test('29: no client certificate under mTLS', async t => {
  await underTlsFault(t, { count: 1, why: /the client showed no certificate/ }, async scene => {
    const client = await secure(await scene.client())
    await client.receive().catch(() => {})
  })
  await underTlsFault(t, { count: 1, why: /certificate is not accepted: [A-Z_]+\.$/ }, async scene => {
    const client = await secure(await scene.client(), identity('stranger'))
    await client.receive().catch(() => {})
  })
})
