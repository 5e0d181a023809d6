import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { type Connection, sharedCount } from '../../../lib/connection.js'
import type { Dispatcher, ListenerFacts } from '../../../lib/listener/dispatcher.js'
import { takeName } from '../../../lib/listener/workers/listener-names.js'
import type {
  PrimaryMessage,
  ServedConnection,
  WorkerMessage,
} from '../../../lib/listener/workers/messages.js'
import { type IpcProcess, PrimaryAcceptor } from '../../../lib/listener/workers/primary-acceptor.js'
import type { TapEvent } from '../../../lib/status/taps/tap-event.js'
import { type TapSettings, tapSettings } from '../../../lib/status/taps/tap-options.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { sampleStatus } from '../../status/sample-status.js'
import { identity } from '../../transports/certificates.js'

const ADDRESS = { address: '127.0.0.1', family: 'IPv4', port: 1 }

/** Stands in for the process of a worker. */
class FakeProcess extends EventEmitter implements IpcProcess {
  readonly sent: WorkerMessage[] = []
  unrefs = 0
  readonly channel = { unref: () => void this.unrefs++ }

  send(message: WorkerMessage, _handle: undefined, _options: undefined, onSent: () => void): void {
    this.sent.push(message)
    onSent()
  }

  receive(message: PrimaryMessage, socket?: Socket): void {
    this.emit('message', message, socket)
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

function joined(process = new FakeProcess()) {
  const listener = takeName({ host: '127.0.0.1', port: 0, backlog: 1 })
  const acceptor = new PrimaryAcceptor(listener, 3, process, fakeClock())
  const served: Connection[] = []
  const heads: (string | undefined)[] = []
  /** What the primary had heard last when a connection was served. */
  const lastSent: unknown[] = []
  const secured: unknown[] = []
  const closes: unknown[] = []
  const taps: { settings: TapSettings; onEvent: (event: TapEvent) => void; closed: number }[] = []
  const dispatcher = {
    serve(_: Socket, connection: Connection, head?: Buffer) {
      served.push(connection)
      heads.push(head?.toString())
      lastSent.push(process.sent.at(-1)?.bywash)
    },
    tap: async (settings: TapSettings, onEvent: (event: TapEvent) => void) => {
      const tap = { settings, onEvent, closed: 0 }
      taps.push(tap)
      return { connections: 0, close: () => void tap.closed++ }
    },
    setSecureContext: (tls: unknown) => void secured.push(tls),
    status: async ({ name, address, state, worker }: ListenerFacts) =>
      sampleStatus({ name, address, state, workers: [], observedFor: worker ?? 0 }),
  } as unknown as Dispatcher
  acceptor.open(dispatcher, options => void closes.push(options))
  const socket = new FakeSocket()
  const serve = (id: number, more: Partial<ServedConnection> = {}) => {
    process.receive({ bywash: 'serve', listener, id, number: id - 3, ...more }, socket as unknown as Socket)
  }
  return { process, acceptor, listener, served, heads, lastSent, secured, closes, taps, socket, serve }
}

t.test('a worker says that it is ready, and hears where its primary listens', async t => {
  const { process, acceptor, listener, secured } = joined()
  t.strictSame(process.sent, [{ bywash: 'ready', listener }])
  const tls = identity('server')
  process.receive({ bywash: 'bound', listener, address: ADDRESS, tls })
  await acceptor.bound
  t.strictSame(acceptor.address, ADDRESS)
  t.equal(acceptor.worker, 3)
  t.equal(acceptor.refused, 0)
  process.receive({ bywash: 'secure', listener, tls })
  t.strictSame(secured, [tls, tls])
})

t.test('a worker says that it has a connection before it serves it, and when it is over', async t => {
  const { process, acceptor, listener, served, lastSent, socket, serve } = joined()
  serve(7)
  t.strictSame(lastSent, ['taken'])
  t.strictSame(process.sent.at(-1), { bywash: 'taken', listener, id: 7 })
  t.match(served, [{ id: 7, remoteAddress: '127.0.0.1' }])
  t.equal(socket.allowHalfOpen, true)
  acceptor.onGone(served[0] as Connection, 'end')
  t.strictSame(process.sent.at(-1), { bywash: 'over', listener, id: 7, reason: 'end' })
})

t.test('the ends of a connection are those that the primary has read', async t => {
  const { served, heads, serve } = joined()
  serve(7, { ends: { remoteAddress: '192.0.2.1', remotePort: 1 }, head: 'aGVsbG8=' })
  serve(8, { ends: { remoteAddress: '2001:db8::1' } })
  t.match(served, [{ remoteAddress: '192.0.2.1', remotePort: 1 }, { remoteAddress: '2001:db8::1' }])
  t.strictSame(heads, ['hello', undefined])
})

t.test('the primary says how many connections there were, to those who ask in their order', async t => {
  const { process, listener, served, serve } = joined()
  const answers: string[] = []
  for (const id of [4, 5]) {
    serve(id)
    const shared = sharedCount(served[id - 4] as Connection)
    shared?.askTotal(total => answers.push(`${shared.number}: ${total}`))
  }
  t.match(process.sent.at(-1), { bywash: 'count', listener })
  process.receive({ bywash: 'total', listener, total: 10 })
  process.receive({ bywash: 'total', listener, total: 11 })
  process.receive({ bywash: 'total', listener, total: 12 })
  t.strictSame(answers, ['1: 10', '2: 11'])
})

t.test('a worker that is asked for its status sends what its dispatcher makes', async t => {
  const { process, listener } = joined()
  process.receive({ bywash: 'bound', listener, address: ADDRESS })
  process.receive({ bywash: 'look', listener })
  await new Promise(setImmediate)
  t.match(process.sent.at(-1), {
    bywash: 'status',
    listener,
    status: { name: '', address: ADDRESS, state: 'open', observedFor: 3 },
  })
})

t.test('a worker sends what a tap of the primary tells, until that ends', async t => {
  const { process, listener, taps } = joined()
  const settings = tapSettings({ id: 7 })
  process.receive({ bywash: 'tap', listener, tap: 5, settings })
  t.same(taps[0]?.settings, settings)
  const event = { event: 'attached', at: 0, id: 7, address: null } as const
  taps[0]?.onEvent(event)
  t.strictSame(process.sent.at(-1), { bywash: 'tapped', listener, tap: 5, event })
  process.receive({ bywash: 'untap', listener, tap: 5 })
  process.receive({ bywash: 'untap', listener, tap: 5 })
  process.receive({ bywash: 'untap', listener, tap: 6 })
  await new Promise(setImmediate)
  t.equal(taps[0]?.closed, 1)
})

t.test('a worker answers questions whether it lives', async t => {
  const { process } = joined()
  process.receive({ bywash: 'ping' })
  t.strictSame(process.sent.at(-1), { bywash: 'pong' })
})

t.test('a worker that is told to close reports what it cut off, and lets the process end', async t => {
  const other = joined()
  const { process, acceptor, listener, closes } = joined(other.process)
  process.receive({ bywash: 'close', listener, timeout: 5 })
  process.receive({ bywash: 'close', listener, timeout: 0 })
  t.strictSame(closes, [{ timeout: 5 }, { timeout: 0 }])
  const closed = acceptor.close(Promise.resolve(2))
  await new Promise(setImmediate)
  t.strictSame(process.sent.at(-1), { bywash: 'closed', listener, forced: 2 })
  process.receive({ bywash: 'dismissed', listener })
  await closed
  const last = other.acceptor.close(Promise.resolve(0))
  await new Promise(setImmediate)
  other.process.receive({ bywash: 'dismissed', listener: other.listener })
  await last
  t.strictSame(process.eventNames(), [])
})

t.test('a worker that closes by itself says so first, and takes nothing more', async t => {
  const { process, acceptor, listener, served, socket, serve } = joined()
  let finish = (_forced: number) => {}
  const closed = acceptor.close(new Promise(resolve => (finish = resolve)))
  t.strictSame(process.sent.at(-1), { bywash: 'leaving', listener })
  serve(1)
  t.equal(socket.destroyed, true, 'another one gets it')
  t.strictSame(served, [])
  process.receive({ bywash: 'close', listener, timeout: 5 })
  finish(0)
  await new Promise(setImmediate)
  t.equal(process.sent.at(-1)?.bywash, 'closed')
  process.receive({ bywash: 'dismissed', listener })
  await closed
})

t.test('a worker ignores the signals of a terminal as long as it serves', async t => {
  const { process } = joined()
  t.equal(process.listenerCount('SIGINT'), 1)
  t.equal(process.listenerCount('SIGTERM'), 1)
  t.equal(process.listenerCount('SIGHUP'), 1)
  process.emit('SIGINT')
})

t.test('suspend() and resume() are for the primary', async t => {
  const { acceptor } = joined()
  await acceptor.retire()
  await acceptor.settled()
  acceptor.change()
  await t.rejects(acceptor.suspend(), { code: 'ERR_BYWASH_BIND', message: /primary/ })
  await t.rejects(acceptor.resume(), { code: 'ERR_BYWASH_BIND', message: /primary/ })
})

t.test('serve() is for listeners without workers', t => {
  t.throws(() => joined().acceptor.take(), { message: /a worker gets its connections from its primary/ })
  t.end()
})

t.test('messages for other listeners, and of the script itself, are left alone', async t => {
  const { process, served, closes } = joined()
  for (const message of [undefined, null, 'close', { bywash: 'close', listener: 'other', timeout: 0 }, {}]) {
    process.emit('message', message)
  }
  t.equal(process.sent.length, 1)
  t.strictSame([served, closes], [[], []])
})
