import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { nextId } from '../../lib/connection.js'
import { connectionSettings } from '../../lib/engine/connection-options.js'
import { type Connection, type ListenOptions, listen, type Outcome } from '../../lib/index.js'
import type { Dispatcher } from '../../lib/listener/dispatcher.js'
import { listenSettings } from '../../lib/listener/listen-options.js'
import { ServerAcceptor } from '../../lib/listener/server-acceptor.js'
import { uppercase } from '../../lib/presets/index.js'
import { FakeSocket } from '../../lib/testing/fake-socket.js'
import { identity } from '../transports/certificates.js'

/** A listener that serves connections from elsewhere, with their outcomes; 1 is its first connection, and 0 a refused one. */
async function listener(options: ListenOptions = {}) {
  const before = nextId()
  const outcomes: [number: number, reason: Outcome['reason']][] = []
  const served = await listen(uppercase.pipeline(), {
    host: '127.0.0.1',
    port: 0,
    onOutcome: ({ reason }, { id }: Connection) => outcomes.push([id && id - before, reason]),
    ...options,
  })
  return { served, outcomes }
}

t.test('a listener serves the sockets of another server, with numbers of its own', async t => {
  const { served, outcomes } = await listener()
  const other = createServer({ allowHalfOpen: true }, socket => served.serve(socket)).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const own = connect(served.address.port, '127.0.0.1')
  own.end('own\n')
  t.match(await text(own), /OWN\n$/)
  const foreign = connect((other.address() as { port: number }).port, '127.0.0.1')
  foreign.end('foreign\n')
  t.match(await text(foreign), /FOREIGN\n$/)
  t.strictSame(outcomes, [
    [1, 'end'],
    [2, 'end'],
  ])
  other.close()
  await served.close()
})

t.test('any Duplex is inside the limits of the listener, and its close()', async t => {
  const { served, outcomes } = await listener({ maxConnections: 1 })
  const [first, second, third] = [new FakeSocket(), new FakeSocket(), new FakeSocket()]
  served.serve(first)
  first.send('half a ')
  while (first.waiting > 0) await first.changed()
  served.serve(second)
  await once(second, 'finish')
  t.match(String(second.received), 'error: too many connections\n')
  second.send(null)
  t.equal(served.connections, 1)
  t.equal(served.refused, 1)
  const closed = served.close()
  first.send('line\n')
  await once(first, 'finish')
  t.match(String(first.received), /HALF A LINE\n$/)
  first.send(null)
  t.strictSame(await closed, { forced: 0 })
  served.serve(third)
  await once(third, 'finish')
  t.equal(String(third.received), 'error: the server is closed\n')
  third.send(null)
  await once(third, 'close')
  t.strictSame(outcomes, [
    [0, 'refused'],
    [1, 'shutdown'],
    [0, 'refused'],
  ])
})

t.test('a stage never changes the chunks of a Duplex in place: others may hold them', async t => {
  const { served } = await listener()
  const chunk = Buffer.from('abc\n')
  let answer = ''
  const duplex = new Duplex({
    read() {},
    write(bytes, _encoding, callback) {
      answer += bytes
      callback()
    },
  })
  served.serve(duplex)
  duplex.push(chunk)
  duplex.push(null)
  await once(duplex, 'close')
  t.match(answer, /ABC\n$/)
  t.equal(String(chunk), 'abc\n')
  await served.close()
})

t.test('what cannot be served is refused', async t => {
  const { served } = await listener()
  for (const wrong of [undefined, {}, new Duplex({ objectMode: true }), new Duplex({ encoding: 'utf8' })]) {
    t.throws(() => served.serve(wrong as Duplex), {
      message: /serve\(\) takes a Duplex of bytes, such as a socket/,
    })
  }
  await served.close()
  const secure = await listener({ tls: identity('server') })
  t.throws(() => secure.served.serve(new FakeSocket()), {
    message: /a listener with TLS serves sockets only/,
  })
  await secure.served.close()
})

t.test('a listener with workers serves only what it accepts', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const acceptor = new ServerAcceptor(server, listenSettings({}), connectionSettings('listen()', {}))
  acceptor.open({ servesAnyDuplex: false } as Dispatcher)
  t.throws(() => acceptor.take(new FakeSocket()), { message: /serves only the connections that it accepts/ })
  server.close()
})
