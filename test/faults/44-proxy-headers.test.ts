import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { encodeProxyHeader } from '../../lib/net/proxy-header.js'
import { fakeClock } from '../../lib/testing/index.js'
import type { TcpClient } from '../tcp-client.js'
import { type Scene, underFault } from './oracle.js'

const ENDS = {
  source: { address: '192.0.2.1', port: 4711 },
  destination: { address: '198.51.100.7', port: 443 },
}
const HEADERS = [encodeProxyHeader(1, ENDS), encodeProxyHeader(2, ENDS)]
const PROXIED = { pipeline: 'lines', options: { proxyProtocol: ['127.0.0.1'] }, open } as const

/** A bystander behind a proxy. */
async function open(port: number) {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  await once(socket, 'connect')
  socket.write(HEADERS[1] as Buffer)
  return socket
}

/** Sends bytes and FIN; gives what comes back up to the server's FIN. */
async function answerTo({ end, receive }: TcpClient, bytes: Uint8Array): Promise<string> {
  const received = receive()
  end(bytes)
  return String(await received)
}

t.test('44: a PROXY header that is cut at every byte', async t => {
  const cuts = HEADERS.flatMap(header =>
    Array.from(header.subarray(1), (_, cut) => header.subarray(0, cut + 1)),
  )
  await underFault(
    t,
    { ...PROXIED, reasons: { refused: cuts.length } },
    async ({ client, ended, server }) => {
      for (const cut of cuts) {
        t.equal(await answerTo(await client(), cut), 'error: PROXY header is not complete\n')
      }
      const all = await ended(cuts.length)
      for (const { message } of all) t.equal(message, "The PROXY header is not complete ('proxyProtocol').")
      t.equal((await server.report()).refused, cuts.length, 'counted')
    },
  )
})

t.test('44: a PROXY header in two pieces, with lines behind it', async t => {
  const line = Buffer.from('a line\n')
  const cuts = HEADERS.flatMap(header => Array.from(header, (_, cut) => [header, cut + 1] as const))
  await underFault(t, { ...PROXIED, reasons: { end: cuts.length } }, async ({ client, bystander, ended }) => {
    for (const [header, cut] of cuts) {
      const { send, end, receive } = await client()
      await send(header.subarray(0, cut))
      // The server has read it by then.
      await bystander.rounds(1)
      await send(Buffer.concat([header.subarray(cut), line]))
      t.equal(String(await receive('\n')), 'a line\n')
      end()
      t.equal(String(await receive()), '')
    }
    await ended(cuts.length)
  })
})

t.test('44: a header that is truncated, of another family, or none', async t => {
  const [, v2 = Buffer.alloc(0)] = HEADERS
  const truncated = Buffer.from(v2)
  truncated[15] = 11
  const otherFamily = Buffer.from(v2)
  otherFamily[13] = 0x21
  const lying = Buffer.from(v2)
  lying[14] = 0xff
  const none = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from('a line\n'), Buffer.from([0x16, 3, 1])]
  const wrong = [truncated, otherFamily, lying, ...none, Buffer.from('PROXY TCP4 999.1.1.1 1.1.1.1 1 2\r\n')]
  await underFault(t, { ...PROXIED, reasons: { refused: wrong.length } }, async ({ client, ended }) => {
    for (const bytes of wrong)
      t.match(await answerTo(await client(), bytes), /^error: PROXY header (is|does) /)
    for (const { message } of await ended(wrong.length)) t.match(message, /^The PROXY header /)
  })
})

t.test('44: a header that is missing, dribbled, or 3 s late', async t => {
  const clock = fakeClock()
  await underFault(t, { ...PROXIED, clock, reasons: { refused: 3 } }, async (scene: Scene) => {
    const clients = [await scene.client(), await scene.client(), await scene.client()]
    const [, dribbling, late] = clients as [TcpClient, TcpClient, TcpClient]
    await late.send((HEADERS[0] as Buffer).subarray(0, 20))
    for (const byte of (HEADERS[0] as Buffer).subarray(0, 4)) {
      await dribbling.send(Buffer.of(byte))
      await scene.pass(1_000)
    }
    for (const { receive, end } of clients) {
      t.equal(String(await receive()), 'error: PROXY header took longer than 3 s\n')
      end()
    }
    await scene.ended(3)
  })
})

t.test('44: a stranger who brings a header', t =>
  underFault(
    t,
    { pipeline: 'lines', options: { proxyProtocol: ['127.0.0.1'] }, open, reasons: { refused: 20 } },
    async ({ port, ended }) => {
      for (let index = 0; index < 20; index++) {
        // Another address of this machine, which the list does not name.
        const socket = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
        socket.end(HEADERS[index % 2] as Buffer)
        let answer = ''
        socket.setEncoding('latin1').on('data', text => {
          answer += text
        })
        await once(socket, 'close')
        t.equal(answer, 'error: address not allowed\n')
      }
      await ended(20)
    },
  ),
)
