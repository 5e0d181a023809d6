import { once } from 'node:events'
import { type Duplex, PassThrough } from 'node:stream'
import { MessageChannel, Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import type { ListenOptions, Outcome } from '../../../../lib/index.js'
import type { ServerAcceptor } from '../../../../lib/listener/server-acceptor.js'
import { bindWorkers } from '../../../../lib/listener/workers/bind-workers.js'
import type { PrimaryMessage } from '../../../../lib/listener/workers/messages.js'
import { WorkerPool } from '../../../../lib/listener/workers/pool.js'
import { type IpcProcess, PrimaryAcceptor } from '../../../../lib/listener/workers/primary-acceptor.js'
import { startThread } from '../../../../lib/listener/workers/threads/bind-threads.js'
import { ConnectionTable } from '../../../../lib/listener/workers/threads/connection-table.js'
import { KernelAcceptor } from '../../../../lib/listener/workers/threads/kernel-acceptor.js'
import { SharedAddressCounts } from '../../../../lib/listener/workers/threads/shared-address-counts.js'
import { SharedListener } from '../../../../lib/listener/workers/threads/shared-listener.js'
import { ThreadAcceptor } from '../../../../lib/listener/workers/threads/thread-acceptor.js'
import { ThreadDispatcher } from '../../../../lib/listener/workers/threads/thread-dispatcher.js'
import { ownThread, ThreadLink } from '../../../../lib/net/thread-link.js'
import { tapSettings } from '../../../../lib/status/taps/tap-options.js'
import { fakeClock } from '../../../../lib/testing/index.js'
import { freePort } from '../../../free-port.js'
import { SCRIPT_FLAGS, scriptPath } from '../../../script-path.js'
import { connectTcp } from '../../../tcp-client.js'
import { FakeWorker } from '../fake-worker.js'
import { localSettings } from './local-settings.js'

const ADDRESS = { address: '127.0.0.1', family: 'IPv4', port: 1 }
/** tsx does not load TypeScript in threads of Node 20, so `npm test`, which compiles it, runs these. */
const skip = SCRIPT_FLAGS.length > 0 && 'needs the suite as `npm test` compiles it'
const KERNEL = { count: 1, spread: 'kernel' } as const

/** Both ends of a link, in one thread. */
function linked(t: Test) {
  const { port1, port2 } = new MessageChannel()
  const handled = new SharedArrayBuffer(8)
  const [primary, thread] = [
    new ThreadLink({ port: port1, handled }),
    new ThreadLink({ port: port2, handled }, 1),
  ]
  t.teardown(() => port1.close())
  return { primary, thread }
}

t.test('a link says when a message was handled, and closes on both sides', async t => {
  const { primary, thread } = linked(t)
  const sent: number[] = []
  for (const number of [1, 2]) primary.send({ number }, undefined, undefined, () => sent.push(number))
  t.strictSame(sent, [])
  t.strictSame(await once(thread, 'message'), [{ number: 1 }])
  await once(thread, 'message')
  t.equal(primary.connected, true)
  t.strictSame(sent, [1, 2])
  const closed = Promise.all([once(primary, 'disconnect'), once(thread, 'disconnect')])
  thread.send({}, undefined, undefined, () => sent.push(3))
  primary.disconnect()
  await closed
  t.equal(thread.connected, false)
  thread.send({}, undefined, undefined, () => sent.push(4))
  t.strictSame(sent, [1, 2, 3, 4], 'what cannot arrive any more is over')
  thread.channel.unref()
})

t.test('the main thread is no worker', async t => {
  t.equal(ownThread(), undefined)
})

/** Runs test/listener/workers/threads/thread.ts where the primary would run its own script. */
function asScript(t: Test, ...args: readonly string[]): void {
  t.intercept(process, 'argv', {
    value: [process.argv[0], scriptPath('test/listener/workers/threads/thread'), ...args],
  })
}

t.test('a thread serves, and ends with its listener', { skip }, async t => {
  const [port, otherPort] = [await freePort(), await freePort()]
  asScript(t, 'serve', String(port), String(otherPort))
  const outcomes: Outcome[] = []
  const options = { host: '127.0.0.1', port, onOutcome: (outcome: Outcome) => void outcomes.push(outcome) }
  const [listener, other] = await Promise.all([
    bindWorkers(localSettings(options), KERNEL, () => Promise.reject()),
    bindWorkers(localSettings({ host: '127.0.0.1', port: otherPort }), KERNEL, () => Promise.reject()),
  ])
  t.equal(listener.worker, undefined)
  t.equal(listener.address.port, port)
  const client = await connectTcp(t, port)
  await client.send('hello\n')
  t.equal(String(await client.receive('\n')), 'hello\n')
  t.equal(listener.connections, 1)
  t.equal(listener.refused, 0)
  const status = await listener.status()
  t.match(status, { state: 'open', connections: { open: 1 }, workers: [{ number: 1, state: 'serving' }] })
  t.equal(status.traffic.total.bytesIn, 6)
  await listener.suspend()
  t.equal((await listener.status()).state, 'suspended')
  await listener.resume()
  const later = await connectTcp(t, port)
  await later.send('x\n')
  await later.receive('\n')
  t.throws(() => listener.serve(client.socket), { message: /serves only the connections that it accepts/ })
  for (const [more, words] of [
    [{ count: 2 }, "2 with 'spread' 'kernel'"],
    [{ maxHeapSize: 16_777_216 }, "1 with 'spread' 'kernel' and 'maxHeapSize' 16777216"],
  ] as const) {
    const local = localSettings({ host: '127.0.0.1', port: 0 })
    await t.rejects(
      bindWorkers(local, { ...KERNEL, ...more }, () => Promise.reject()),
      {
        message: `listen(): 'workers' is ${words} here and 1 with 'spread' 'kernel' for another listener, but all listeners of a program share its workers; give them the same.`,
      },
    )
  }
  const closed = listener.close()
  for (const each of [client, later]) {
    await each.receive()
    each.end()
  }
  t.strictSame(await closed, { forced: 0 })
  t.strictSame(await other.close(), { forced: 0 })
  await listener.resume()
  t.strictSame(outcomes, [], 'they are those of the thread')
})

t.test('a listener whose threads cannot start is none', { skip }, async t => {
  asScript(t, 'fail')
  await t.rejects(
    bindWorkers(localSettings({ host: '127.0.0.1', port: 0 }), KERNEL, () => Promise.reject()),
    { message: /^worker 1 could not be started in 5 tries: .* \(thread \d+\) ended with exit code 7$/ },
  )
})

t.test('a room of a thread publishes through the primary', { skip }, async t => {
  asScript(t, 'publish')
  const thread = startThread(1)
  const messages: unknown[] = []
  thread.on('message', message => void messages.push(message))
  await once(thread, 'message')
  t.match(messages, [{ bywashRoom: 'room', message: /,"hello"\]$/ }])
  const ended = once(thread, 'exit')
  thread.disconnect()
  await ended
})

t.test('how a thread has ended is said in words', { skip }, async t => {
  asScript(t, 'throw')
  const thrown = startThread(1)
  t.strictSame((await once(thrown, 'exit')).slice(1), [
    null,
    'ended with an uncaught error: RangeError: nothing good in 1',
  ])
  const terminated = startThread(1)
  terminated.kill()
  t.equal((await once(terminated, 'exit'))[2], 'was terminated')
})

t.test('a thread ends when its heap has grown to its limit', { skip }, async t => {
  asScript(t, 'fill')
  const [, , words] = await once(startThread(1, 16_777_216), 'exit')
  t.equal(words, 'ran out of memory: its heap was full')
})

t.test("a thread of somebody else's has no workers", { skip }, async t => {
  for (const spread of ['kernel', 'primary']) {
    const worker = new Worker(scriptPath('test/listener/workers/threads/thread'), { argv: [spread, '0'] })
    const [error] = await once(worker, 'error')
    t.match(error, { message: /^listen\(\): 'workers' is for a program's own process, and this is a thread/ })
  }
})

t.test('a thread accepts itself, and leaves to its primary when it does', async t => {
  const { thread } = linked(t)
  const taken: unknown[] = []
  const server = {
    address: ADDRESS,
    refused: 3,
    isListening: true,
    take: (duplex: Duplex) => void taken.push(duplex),
    change: () => void taken.push('changed'),
    retire: async () => void taken.push('retired'),
    settled: async () => void taken.push('settled'),
  }
  const primary = new PrimaryAcceptor('a', 2, thread as unknown as IpcProcess, fakeClock())
  const acceptor = new ThreadAcceptor('a', server as unknown as ServerAcceptor, primary, thread)
  t.match(acceptor, { address: ADDRESS, refused: 3, worker: 2, isListening: true })
  const duplex = new PassThrough()
  acceptor.take(duplex)
  t.equal(taken[0], duplex)
  const { settings, connections } = localSettings({})
  acceptor.change(settings, connections)
  await acceptor.retire()
  await acceptor.settled()
  t.strictSame(taken.splice(1), ['changed', 'retired', 'settled'])
  await t.rejects(acceptor.suspend(), { message: /it is the primary that accepts/ })
  await t.rejects(acceptor.resume(), { message: /it is the primary that accepts/ })
})

/** A dispatcher whose threads are fakes. */
function withFakeThreads(options: ListenOptions = {}, count = 1) {
  const clock = fakeClock()
  const outcomes: [number, Outcome, string | undefined][] = []
  const local = localSettings({
    ...options,
    clock,
    onOutcome: (outcome, { id, remoteAddress }) => void outcomes.push([id, outcome, remoteAddress]),
  })
  const children: FakeWorker[] = []
  const fork = () => {
    const child = new FakeWorker(children.length + 1)
    children.push(child)
    return child.process
  }
  const pool = new WorkerPool({ count, clock, fork })
  const name = `listener ${Math.random()}`
  const dispatcher = new ThreadDispatcher(name, pool, local, ADDRESS)
  const last = () => children.at(-1) as FakeWorker
  /** Lets a thread ask, as it does when it starts; gives what it was told. */
  const join = (child: FakeWorker) => {
    child.report({ bywash: 'join', listener: name })
    const { place } = child.heard.at(-1) as Extract<PrimaryMessage, { bywash: 'place' }>
    child.report({ bywash: 'ready', listener: name })
    return { place, shared: new SharedListener(place.shared), table: new ConnectionTable(place.table) }
  }
  return { clock, local, pool, dispatcher, children, last, join, outcomes, name }
}

t.test('what a thread had when it died is told, given back, and kept in the counts', async t => {
  const { dispatcher, last, join, outcomes } = withFakeThreads({ maxConnectionsPerAddress: 1 })
  const { place, shared, table } = join(last())
  await dispatcher.ready
  await dispatcher.complete
  const addresses = place.shared.addresses as SharedArrayBuffer
  const counts = new SharedAddressCounts(addresses, place.owner)
  for (const remoteAddress of ['::ffff:192.0.2.1', undefined]) {
    shared.enter(10, table)
    if (remoteAddress !== undefined) counts.take('192.0.2.1', 1)
    table.open()
    table.take(shared.ids, { openedAt: Date.now(), remoteAddress, remotePort: undefined })
  }
  shared.enter(10, table)
  table.refuse('address')
  table.open()
  table.end('end')
  t.equal(dispatcher.connections, 3)
  const tap = await dispatcher.tap(tapSettings({ address: '192.0.2.1' }), () => {})
  t.equal(tap.connections, 1)
  tap.close()
  t.equal(dispatcher.refused, 1)
  t.equal(dispatcher.book.sample().traffic.opened, 3)
  // It dies with the lock of the addresses.
  const words = new Int32Array(addresses)
  words[0] = place.owner
  last().die(1)
  t.equal(words[0], 0)
  t.match(outcomes, [
    [Number, { reason: 'worker-died', error: { message: /ended with exit code 1/ } }, '::ffff:192.0.2.1'],
    [Number, { reason: 'worker-died' }, undefined],
  ])
  t.equal(dispatcher.connections, 0)
  t.equal(counts.take('192.0.2.1', 1), true)
  t.match(dispatcher.book.sample().traffic, {
    opened: 3,
    refused: { address: 1 },
    ended: { end: 1, 'worker-died': 2 },
  })
  t.equal(dispatcher.hasRoom, true)
  t.throws(() => dispatcher.serve(), { message: /accept its connections themselves/ })
})

t.test('a thread that asks before the primary has its listener is answered later', async t => {
  const { pool, last, clock, name, local } = withFakeThreads()
  last().report({ bywash: 'join', listener: 'other' })
  t.strictSame(last().heard, [])
  const other = new ThreadDispatcher('other', pool, local, ADDRESS)
  t.match(last().heard, [{ bywash: 'place', listener: 'other' }])
  void other
  t.not(name, 'other')
  void clock
})

t.test('listen() waits for all threads, and not for those that have died', async t => {
  const { dispatcher, children, join } = withFakeThreads({}, 2)
  let isComplete = false
  void dispatcher.complete.then(() => {
    isComplete = true
  })
  join(children[0] as FakeWorker)
  await dispatcher.ready
  t.equal(isComplete, false)
  ;(children[1] as FakeWorker).die(7)
  await dispatcher.complete
})

t.test('resume() waits for each thread, and says why one cannot', async t => {
  const { dispatcher, children, join, name } = withFakeThreads({}, 2)
  const [one, other] = children as [FakeWorker, FakeWorker]
  join(one)
  void dispatcher.suspend()
  join(other)
  t.match(other.heard.at(-1), { bywash: 'suspend' })
  const resumed = dispatcher.resume()
  t.match(one.heard.at(-1), { bywash: 'resume' })
  one.report({ bywash: 'resumed', listener: name, error: undefined })
  other.report({ bywash: 'resumed', listener: name, error: 'bind failed' })
  await t.rejects(resumed, { message: 'bind failed' })
  void dispatcher.suspend()
  const again = dispatcher.resume()
  one.report({ bywash: 'resumed', listener: name, error: undefined })
  other.die(1)
  await again
})

t.test(
  'a listener that is retired accepts nothing, and is empty when its last connection has ended',
  async t => {
    const { dispatcher, children, join, clock, local, name } = withFakeThreads({}, 2)
    const [one, other] = children as [FakeWorker, FakeWorker]
    const { shared, table } = join(one)
    shared.enter(10, table)
    const acceptor = new KernelAcceptor(ADDRESS, dispatcher, local.settings)
    acceptor.change(local.settings)
    t.equal(acceptor.isListening, true)
    const retired = acceptor.retire()
    t.equal(acceptor.isListening, false)
    t.match(one.heard.at(-1), { bywash: 'suspend' })
    one.report({ bywash: 'suspended', listener: name })
    await retired
    await acceptor.settled()
    let isEmpty = false
    const emptied = dispatcher.empty().then(() => {
      isEmpty = true
    })
    join(other)
    t.match(other.heard.at(-1), { bywash: 'suspend' }, 'one that comes later accepts nothing either')
    clock.advance(100)
    await new Promise(setImmediate)
    t.equal(isEmpty, false)
    shared.leave(table)
    clock.advance(100)
    await emptied
    await dispatcher.empty()
  },
)

t.test('a listener that closes waits for no thread to start', async t => {
  const { dispatcher, last, clock, local } = withFakeThreads({ maxConnections: 1_000_000_000 })
  const warning = new Promise(resolve => process.once('warning', resolve))
  const acceptor = new KernelAcceptor(ADDRESS, dispatcher, local.settings)
  t.match(await warning, { message: /allows 1000000000 connections per process/ })
  acceptor.open()
  const closed = dispatcher.close(0)
  await dispatcher.complete
  last().die(0)
  clock.advance(1_000)
  await acceptor.close(closed)
  t.equal(acceptor.isListening, false)
})
