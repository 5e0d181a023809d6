import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { type Connection, sharedCount } from '../../../lib/connection.js'
import type { Dispatcher } from '../../../lib/listener/dispatcher.js'
import { takeName } from '../../../lib/listener/workers/listener-names.js'
import type { Order, Report } from '../../../lib/listener/workers/messages.js'
import { type Port, PrimaryAcceptor } from '../../../lib/listener/workers/primary-acceptor.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { identity } from '../../transports/certificates.js'

const ADDRESS = { address: '127.0.0.1', family: 'IPv4', port: 1 }

/** Stands in for the process of a worker. */
class FakePort extends EventEmitter implements Port {
  readonly told: Report[] = []
  unreferred = 0
  readonly channel = { unref: () => void this.unreferred++ }

  send(report: Report, _handle: undefined, _options: undefined, sent: () => void): void {
    this.told.push(report)
    sent()
  }

  order(order: Order, socket?: Socket): void {
    this.emit('message', order, socket)
  }
}

class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1'
  allowHalfOpen = false
  destroyed = false
  destroy(): void {
    this.destroyed = true
  }
}

function joined(port = new FakePort()) {
  const listener = takeName({ host: '127.0.0.1', port: 0, backlog: 1 })
  const acceptor = new PrimaryAcceptor(listener, 3, port, fakeClock())
  const served: Connection[] = []
  /** What the primary had heard last when a connection was served. */
  const lastTold: unknown[] = []
  const secured: unknown[] = []
  const closes: unknown[] = []
  const dispatcher = {
    serve(_: Socket, connection: Connection) {
      served.push(connection)
      lastTold.push(port.told.at(-1)?.bywash)
    },
    setSecureContext: (tls: unknown) => void secured.push(tls),
  } as unknown as Dispatcher
  acceptor.open(dispatcher, options => void closes.push(options))
  const socket = new FakeSocket()
  const serve = (id: number) => {
    port.order({ bywash: 'serve', listener, id }, socket as unknown as Socket)
  }
  return { port, acceptor, listener, served, lastTold, secured, closes, socket, serve }
}

t.test('a worker says that it is ready, and hears where its primary listens', async t => {
  const { port, acceptor, listener, secured } = joined()
  t.strictSame(port.told, [{ bywash: 'ready', listener }])
  const tls = identity('server')
  port.order({ bywash: 'bound', listener, address: ADDRESS, tls })
  await acceptor.bound
  t.strictSame(acceptor.address, ADDRESS)
  t.equal(acceptor.worker, 3)
  t.equal(acceptor.refused, 0)
  port.order({ bywash: 'secure', listener, tls })
  t.strictSame(secured, [tls, tls])
})

t.test('a worker says that it has a connection before it serves it, and when it is over', async t => {
  const { port, acceptor, listener, served, lastTold, socket, serve } = joined()
  serve(7)
  t.strictSame(lastTold, ['taken'])
  t.strictSame(port.told.at(-1), { bywash: 'taken', listener, id: 7 })
  t.match(served, [{ id: 7, remoteAddress: '127.0.0.1' }])
  t.equal(socket.allowHalfOpen, true)
  acceptor.onGone(served[0] as Connection, 'end')
  t.strictSame(port.told.at(-1), { bywash: 'over', listener, id: 7, reason: 'end' })
})

t.test('the primary says how many connections there were, to those who ask in their order', async t => {
  const { port, listener, served, serve } = joined()
  const answers: string[] = []
  for (const id of [1, 2]) {
    serve(id)
    sharedCount(served[id - 1] as Connection)?.(total => answers.push(`${id}: ${total}`))
  }
  t.match(port.told.at(-1), { bywash: 'count', listener })
  port.order({ bywash: 'total', listener, total: 10 })
  port.order({ bywash: 'total', listener, total: 11 })
  port.order({ bywash: 'total', listener, total: 12 })
  t.strictSame(answers, ['1: 10', '2: 11'])
})

t.test('a worker answers questions whether it lives', async t => {
  const { port } = joined()
  port.order({ bywash: 'ping' })
  t.strictSame(port.told.at(-1), { bywash: 'pong' })
})

t.test('a worker that is told to close reports what it cut off, and lets the process end', async t => {
  const other = joined()
  const { port, acceptor, listener, closes } = joined(other.port)
  port.order({ bywash: 'close', listener, timeout: 5 })
  port.order({ bywash: 'close', listener, timeout: 0 })
  t.strictSame(closes, [{ timeout: 5 }, { timeout: 0 }])
  const closed = acceptor.close(Promise.resolve(2))
  await new Promise(setImmediate)
  t.strictSame(port.told.at(-1), { bywash: 'closed', listener, forced: 2 })
  port.order({ bywash: 'dismissed', listener })
  await closed
  const last = other.acceptor.close(Promise.resolve(0))
  await new Promise(setImmediate)
  other.port.order({ bywash: 'dismissed', listener: other.listener })
  await last
  t.strictSame(port.eventNames(), [])
})

t.test('a worker that closes by itself says so first, and takes nothing more', async t => {
  const { port, acceptor, listener, served, socket, serve } = joined()
  let finish = (_forced: number) => {}
  const closed = acceptor.close(new Promise(resolve => (finish = resolve)))
  t.strictSame(port.told.at(-1), { bywash: 'leaving', listener })
  serve(1)
  t.equal(socket.destroyed, true, 'another one gets it')
  t.strictSame(served, [])
  port.order({ bywash: 'close', listener, timeout: 5 })
  finish(0)
  await new Promise(setImmediate)
  t.equal(port.told.at(-1)?.bywash, 'closed')
  port.order({ bywash: 'dismissed', listener })
  await closed
})

t.test('a worker ignores the signals of a terminal as long as it serves', async t => {
  const { port } = joined()
  t.equal(port.listenerCount('SIGINT'), 1)
  t.equal(port.listenerCount('SIGTERM'), 1)
  port.emit('SIGINT')
})

t.test('suspend() and resume() are for the primary', async t => {
  const { acceptor } = joined()
  t.throws(() => acceptor.suspend(), { code: 'ERR_BYWASH_BIND', message: /primary/ })
  await t.rejects(acceptor.resume(), { code: 'ERR_BYWASH_BIND', message: /primary/ })
})

t.test('messages for other listeners, and of the script itself, are left alone', async t => {
  const { port, served, closes } = joined()
  for (const message of [undefined, null, 'close', { bywash: 'close', listener: 'other', timeout: 0 }, {}]) {
    port.emit('message', message)
  }
  t.equal(port.told.length, 1)
  t.strictSame([served, closes], [[], []])
})
