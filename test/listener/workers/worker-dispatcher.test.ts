import { EventEmitter, once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { connectionSettings } from '../../../lib/engine/connection-options.js'
import { Handshakes } from '../../../lib/engine/tls/handshakes.js'
import { Connection, type ListenOptions, type Outcome, pipeline } from '../../../lib/index.js'
import { listenSettings } from '../../../lib/listener/listen-options.js'
import type { ServerAcceptor } from '../../../lib/listener/server-acceptor.js'
import { takeName } from '../../../lib/listener/workers/listener-names.js'
import { WorkerPool } from '../../../lib/listener/workers/pool.js'
import { WorkerDispatcher } from '../../../lib/listener/workers/worker-dispatcher.js'
import { OPEN_FILES } from '../../../lib/open-files.js'
import { planOf } from '../../../lib/pipeline.js'
import type { Status } from '../../../lib/status/status.js'
import type { TapEvent } from '../../../lib/status/taps/tap-event.js'
import { tapSettings } from '../../../lib/status/taps/tap-options.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { sampleStatus } from '../../status/sample-status.js'
import { identity } from '../../transports/certificates.js'
import { FakeWorker } from './fake-worker.js'

const ADDRESS = { address: '127.0.0.1', family: 'IPv4', port: 1 }

/** A socket, as far as the primary goes: it can be sent and destroyed. */
class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1'
  readonly bytesRead = 0
  destroyed = false
  destroy(): void {
    this.destroyed = true
  }
}

/** A dispatcher whose workers are fakes. */
function withFakeWorkers(options: ListenOptions = {}, count = 1, define?: () => unknown) {
  const clock = fakeClock()
  const outcomes: [number, Outcome][] = []
  const gone: [number, string][] = []
  const onOutcome = (outcome: Outcome, { id }: Connection) => void outcomes.push([id, outcome])
  const settings = listenSettings({ ...options, clock, onOutcome })
  const children: FakeWorker[] = []
  const fork = () => {
    const child = new FakeWorker(children.length + 1)
    children.push(child)
    return child.process
  }
  const pool = new WorkerPool({ count, clock, fork })
  const local = {
    plan: planOf(pipeline(), 'listen()', 'fused'),
    settings,
    connections: connectionSettings('listen()', options),
    handshakes: settings.tls && new Handshakes('tls', settings.tls),
    upgrades: undefined,
    workers: define && { define },
  }
  const name = takeName(settings.bind)
  const acceptor = {
    address: ADDRESS,
    onGone: ({ id }: Connection, reason: string) => void gone.push([id, reason]),
  } as unknown as ServerAcceptor
  const dispatcher = new WorkerDispatcher(name, pool, local, acceptor)
  const serve = (id: number) => {
    const socket = new FakeSocket()
    dispatcher.serve(socket as unknown as Socket, new Connection(id, socket, clock))
    return socket
  }
  const told = (child: FakeWorker | undefined) => child?.heard.map(({ bywash }) => bywash)
  return { clock, dispatcher, children, serve, outcomes, gone, told, local, listener: name }
}

t.test('connections wait for a worker, and are handed over in their order', async t => {
  const { dispatcher, children, serve, told, listener } = withFakeWorkers()
  const sockets = [serve(1), serve(2)]
  t.equal(dispatcher.connections, 2)
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'ready', listener })
  await dispatcher.ready
  t.strictSame(worker.heard, [
    { bywash: 'bound', listener, address: ADDRESS },
    { bywash: 'serve', listener, id: 1, number: 1 },
    { bywash: 'serve', listener, id: 2, number: 2 },
  ])
  t.equal(sockets[0]?.destroyed, false, 'it is kept until the worker has it')
  worker.report({ bywash: 'taken', listener, id: 1 })
  t.equal(sockets[0]?.destroyed, true)
  worker.report({ bywash: 'over', listener, id: 1, reason: 'end' })
  t.equal(dispatcher.connections, 1)
  worker.report({ bywash: 'count', listener })
  t.strictSame(worker.heard.at(-1), { bywash: 'total', listener, total: 2 })
  t.equal(dispatcher.failConnection(), false)
  t.strictSame(told(worker), ['bound', 'serve', 'serve', 'total'])
})

t.test(
  'a connection whose worker dies before it has taken it goes to another one, with its number',
  async t => {
    const { clock, dispatcher, children, serve, outcomes, gone, listener } = withFakeWorkers()
    const [worker] = children as [FakeWorker]
    worker.report({ bywash: 'ready', listener })
    const sockets = [serve(1), serve(2)]
    worker.report({ bywash: 'taken', listener, id: 1 })
    clock.advance(5)
    worker.die(null, 'SIGKILL')
    t.match(outcomes, [[1, { reason: 'worker-died', duration: 5, error: { message: /killed by SIGKILL/ } }]])
    t.strictSame(gone, [[1, 'worker-died']])
    t.equal(dispatcher.connections, 1)
    clock.advance(0)
    const successor = children[1] as FakeWorker
    successor.report({ bywash: 'ready', listener })
    t.match(successor.heard, [{ bywash: 'bound' }, { bywash: 'serve', id: 2 }])
    t.equal(sockets[1]?.destroyed, false)
  },
)

t.test('a worker is told the ends of a connection and what came behind its PROXY header', async t => {
  const { dispatcher, children, clock, listener } = withFakeWorkers({ proxyProtocol: ['127.0.0.1'] })
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'ready', listener })
  const stopped: boolean[] = []
  const ends = { remoteAddress: '192.0.2.1', remotePort: 1, localAddress: '198.51.100.7', localPort: 2 }
  for (const [id, head] of [
    [4, Buffer.from('hello')],
    [5, undefined],
  ] as const) {
    const handle = { reading: true, readStop: () => stopped.push(handle.reading) }
    const socket = Object.assign(new FakeSocket(), { bytesRead: 1, _handle: handle, _readableState: {} })
    dispatcher.serve(socket as unknown as Socket, new Connection(id, ends, clock), head)
  }
  t.strictSame(worker.heard.slice(1), [
    { bywash: 'serve', listener, id: 4, number: 1, ends, head: 'aGVsbG8=' },
    { bywash: 'serve', listener, id: 5, number: 2, ends },
  ])
  t.strictSame(stopped, [false, false], 'what comes now is read by the worker')
})

t.test('a worker that leaves gives back what it has not taken', async t => {
  const { children, serve, listener } = withFakeWorkers({}, 2)
  const [one, two] = children as [FakeWorker, FakeWorker]
  one.report({ bywash: 'ready', listener })
  serve(1)
  two.report({ bywash: 'ready', listener })
  one.report({ bywash: 'leaving', listener })
  t.match(two.heard, [{ bywash: 'bound' }, { bywash: 'serve', id: 1 }])
  one.report({ bywash: 'closed', listener, forced: 3 })
  t.match(one.heard.at(-1), { bywash: 'dismissed' })
})

t.test('a close asks all workers, counts what they cut off, and ends them', async t => {
  const { dispatcher, children, serve, listener, told } = withFakeWorkers({}, 2)
  const [one, two] = children as [FakeWorker, FakeWorker]
  for (const worker of [one, two]) worker.report({ bywash: 'ready', listener })
  serve(1)
  one.report({ bywash: 'taken', listener, id: 1 })
  const closed = dispatcher.close(100)
  t.match(one.heard.at(-1), { bywash: 'close', timeout: 100 })
  one.report({ bywash: 'over', listener, id: 1, reason: 'shutdown' })
  one.report({ bywash: 'closed', listener, forced: 1 })
  t.strictSame(told(two), ['bound', 'close'])
  two.report({ bywash: 'closed', listener, forced: 0 })
  await new Promise(setImmediate)
  for (const worker of [one, two]) {
    t.strictSame(worker.done, ['disconnect'])
    worker.die(0)
  }
  t.equal(await closed, 1)
})

t.test('a close cuts off connections that no worker has, or whose worker hangs or dies', async t => {
  const { clock, dispatcher, children, serve, listener, outcomes } = withFakeWorkers({}, 2)
  const [one, late] = children as [FakeWorker, FakeWorker]
  const waiting = serve(1)
  one.report({ bywash: 'ready', listener })
  t.match(one.heard.at(-1), { bywash: 'serve', id: 1 })
  one.report({ bywash: 'leaving', listener })
  const closed = dispatcher.close(100)
  t.equal(waiting.destroyed, true)
  t.match(outcomes, [[1, { reason: 'shutdown', error: undefined }]])
  late.report({ bywash: 'ready', listener })
  t.match(late.heard, [{ bywash: 'bound' }, { bywash: 'close', timeout: 0 }], 'it comes too late')
  clock.advance(1_100)
  t.strictSame(one.done, ['SIGKILL'])
  for (const child of children) child.die(null, 'SIGKILL')
  t.equal(await closed, 1)
})

t.test('a connection that its worker gives back while the listener closes is cut off', async t => {
  const { dispatcher, children, serve, listener } = withFakeWorkers()
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'ready', listener })
  const [taken, socket] = [serve(1), serve(2)]
  worker.report({ bywash: 'taken', listener, id: 1 })
  const closed = dispatcher.close(1_000)
  t.equal(socket.destroyed, false)
  worker.die(null, 'SIGKILL')
  t.equal(socket.destroyed, true)
  t.equal(taken.destroyed, true)
  t.equal(await closed, 2)
})

t.test('a close before any worker is ready ends the wait for one', async t => {
  const { dispatcher, children } = withFakeWorkers()
  const closed = dispatcher.close(0)
  await dispatcher.ready
  await new Promise(setImmediate)
  for (const child of children) child.die(0)
  t.equal(await closed, 0)
})

t.test('workers that cannot start fail the listener, before it is ready and later', async t => {
  const { clock, dispatcher, children } = withFakeWorkers()
  const failed = t.rejects(dispatcher.ready, { code: 'ERR_BYWASH_WORKER', message: /in 5 tries/ })
  for (let tries = 0; tries < 5; tries++) {
    children.at(-1)?.die(1)
    clock.advance(1_000)
  }
  await failed
  const running = withFakeWorkers()
  running.children[0]?.report({ bywash: 'ready', listener: running.listener })
  await running.dispatcher.ready
  const uncaught = new Promise(resolve => process.once('uncaughtException', resolve))
  for (let deaths = 0; deaths < 6; deaths++) {
    running.children.at(-1)?.die(1)
    running.clock.advance(3_000)
  }
  t.match(await uncaught, { code: 'ERR_BYWASH_WORKER', message: /in 5 tries/ })
})

t.test('new certificates are checked, and sent as text to workers of now and later', async t => {
  const { dispatcher, children, listener } = withFakeWorkers({ tls: identity('server') }, 2)
  const [now, later] = children as [FakeWorker, FakeWorker]
  now.report({ bywash: 'ready', listener })
  t.throws(() => dispatcher.setSecureContext({ cert: 'none', key: 'none' }), /PEM/)
  const { cert, key } = identity('renewed')
  dispatcher.setSecureContext({ cert: Buffer.from(cert), key: [Buffer.from(key)], handshakeTimeout: 1 })
  later.report({ bywash: 'ready', listener })
  const tls = { cert, key: [key], handshakeTimeout: 1 }
  t.strictSame(now.heard.slice(1), [{ bywash: 'secure', listener, tls }])
  t.strictSame(later.heard, [{ bywash: 'bound', listener, address: ADDRESS, tls }])
  t.throws(() => withFakeWorkers().dispatcher.setSecureContext(identity('server')), /does not speak TLS/)
})

t.test('a pipeline cannot be sent to workers', async t => {
  await t.rejects(withFakeWorkers().dispatcher.replace(), { code: 'ERR_BYWASH_INVALID_OPTION' })
})

t.test(
  'there is room while the worker with the fewest connections has descriptors, or this process',
  async t => {
    const { dispatcher, children, serve, listener } = withFakeWorkers({}, 2)
    OPEN_FILES.refresh(2)
    t.teardown(() => OPEN_FILES.refresh())
    t.equal(OPEN_FILES.capacity, 1)
    t.equal(dispatcher.hasRoom, true)
    serve(1)
    t.equal(dispatcher.hasRoom, false, 'it waits in this process')
    children[0]?.report({ bywash: 'ready', listener })
    t.equal(dispatcher.hasRoom, false)
    children[1]?.report({ bywash: 'ready', listener })
    t.equal(dispatcher.hasRoom, true)
    serve(2)
    t.equal(dispatcher.hasRoom, false)
  },
)

/** Asks for a status; the workers that are given answer. */
function asking(dispatcher: WorkerDispatcher, one: FakeWorker, listener: string) {
  const facts = { name: 'x', address: ADDRESS, state: 'open', worker: null } as const
  const answer = (worker: FakeWorker, status: Status) => worker.report({ bywash: 'status', listener, status })
  const asked = async (...answers: readonly (readonly [FakeWorker, Status])[]) => {
    const looks = () => one.heard.filter(({ bywash }) => bywash === 'look').length
    const before = looks()
    const status = dispatcher.status(facts)
    while (looks() === before) await new Promise(resolve => setImmediate(resolve))
    for (const each of answers) answer(...each)
    return { status }
  }
  return { asked }
}

t.test('a status is that of all workers, and those of dead ones are not lost', async t => {
  const { clock, dispatcher, children, serve, listener } = withFakeWorkers({}, 2)
  const [one, two] = children as [FakeWorker, FakeWorker]
  for (const worker of [one, two]) worker.report({ bywash: 'ready', listener })
  await dispatcher.ready
  for (const id of [1, 2]) serve(id)
  one.report({ bywash: 'over', listener, id: 1, reason: 'end' })
  two.report({ bywash: 'taken', listener, id: 2 })
  const { asked } = asking(dispatcher, one, listener)
  const sample = sampleStatus()
  const idle = sampleStatus({ culprit: { kind: 'input', stage: null, text: 'nothing comes' } })
  const both = await (await asked([one, idle], [two, sample])).status
  t.match(both.workers, [
    { number: 1, state: 'serving', connections: 0 },
    { number: 2, state: 'serving', connections: 1 },
  ])
  const { total } = both.traffic
  t.same([total.opened, total.ended, total.refused], [2, { end: 1 }, {}], 'the primary knows these')
  t.equal(total.bytesIn, 2 * sample.traffic.total.bytesIn)
  t.equal(both.connections.open, 1)
  t.equal(both.culprit.kind, 'stage', 'that of the worker which is slow')
  t.match(both.hubs, [{ name: 'lobby', subscribers: 2 * 1290, maxHeldBytes: 917_504 }])
  t.match(both.upstreams, [{ connects: 2 * 9_310, lastFailure: 'connection refused' }])
  t.equal(both.slowest.length, 18)

  two.die(1)
  const [, , three] = children as [FakeWorker, FakeWorker, FakeWorker]
  t.equal(three, undefined, 'none is started at once')
  const { status } = await asked()
  clock.advance(1_000)
  const left = await status
  t.match(left.workers, [
    { number: 1, state: 'silent' },
    { number: 2, state: 'dead', traffic: { bytesIn: sample.traffic.total.bytesIn } },
  ])
  t.match(left.traffic.total, { bytesIn: total.bytesIn, ended: { end: 1, 'worker-died': 1 } })
  t.equal(left.connections.open, 0)
})

t.test('a status tells of workers that have never answered, and of those that leave', async t => {
  const { clock, dispatcher, children, listener } = withFakeWorkers({}, 2)
  const [one, two] = children as [FakeWorker, FakeWorker]
  for (const worker of [one, two]) worker.report({ bywash: 'ready', listener })
  const { asked } = asking(dispatcher, one, listener)
  one.report({ bywash: 'leaving', listener })
  const { status } = await asked([one, sampleStatus()])
  clock.advance(1_000)
  const { workers, stages } = await status
  t.match(workers, [
    { number: 1, state: 'leaving', culprit: { kind: 'stage' }, process: { pid: 4321 } },
    { number: 2, state: 'silent', culprit: { kind: 'unknown' }, process: null },
  ])
  t.match(workers[1]?.traffic, { opened: 0, bytesIn: 0 })
  t.same(stages, [])
})

t.test('what several workers had counted before they died is added up', async t => {
  const { dispatcher, children, listener } = withFakeWorkers({}, 3)
  const [one, two, three] = children as [FakeWorker, FakeWorker, FakeWorker]
  for (const worker of [one, two, three]) worker.report({ bywash: 'ready', listener })
  const { asked } = asking(dispatcher, one, listener)
  const sample = sampleStatus()
  await (await asked([one, sample], [two, sample], [three, sample])).status
  two.die(1)
  three.die(1)
  const { traffic } = await (await asked([one, sample])).status
  t.equal(traffic.total.bytesIn, 3 * sample.traffic.total.bytesIn)
})

t.test('a connection whose handshake fails in its worker is refused, and was not opened', async t => {
  const { dispatcher, children, serve, listener, gone } = withFakeWorkers()
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'ready', listener })
  serve(1)
  worker.report({ bywash: 'taken', listener, id: 1 })
  worker.report({ bywash: 'over', listener, id: 1, reason: 'refused' })
  const { asked } = asking(dispatcher, worker, listener)
  const { traffic } = await (await asked([worker, sampleStatus()])).status
  t.match(traffic.total, { opened: 0, refused: { handshake: 1 } })
  t.same(traffic.total.ended, {})
  t.strictSame(gone, [[1, 'refused']])
})

t.test('a tap is that of all workers, those that come later included', async t => {
  const { dispatcher, children, serve, listener } = withFakeWorkers({}, 2)
  const [one, two] = children as [FakeWorker, FakeWorker]
  one.report({ bywash: 'ready', listener })
  serve(7)
  serve(8)
  const events: TapEvent[] = []
  const settings = tapSettings({ id: 7 })
  const tap = await dispatcher.tap(settings, event => events.push(event))
  t.equal(tap.connections, 1)
  t.strictSame(one.heard.at(-1), { bywash: 'tap', listener, tap: 1, settings })
  t.same(two.heard, [])
  two.report({ bywash: 'ready', listener })
  t.match(two.heard, [{ bywash: 'bound' }, { bywash: 'tap', tap: 1 }])
  const event = { event: 'attached', at: 0, id: 7, address: null } as const
  two.report({ bywash: 'tapped', listener, tap: 1, event })
  t.strictSame(events, [event])
  tap.close()
  tap.close()
  for (const each of [one, two]) t.strictSame(each.heard.at(-1), { bywash: 'untap', listener, tap: 1 })
  two.report({ bywash: 'tapped', listener, tap: 1, event })
  t.equal(events.length, 1, 'what was under way is dropped')
  t.equal((await dispatcher.tap(tapSettings({ address: '127.0.0.1' }), () => {})).connections, 2)
})

t.test('workers are told what to make of a listener, and of its changes', async t => {
  let definition = 1
  const { dispatcher, children, told, local, listener } = withFakeWorkers({}, 3, () => definition)
  const [one, two, three] = children as [FakeWorker, FakeWorker, FakeWorker]
  for (const worker of [one, two]) worker.report({ bywash: 'follow' })
  t.strictSame(one.heard, [{ bywash: 'define', listener, definition: 1 }])
  definition = 2
  const changed = dispatcher.change({ ...local, workers: undefined })
  t.strictSame(two.heard.at(-1), { bywash: 'change', listener, definition: 2 })
  three.report({ bywash: 'follow' })
  t.strictSame(three.heard, [{ bywash: 'define', listener, definition: 2 }], 'it needs no change')
  const warning = once(process, 'warning')
  one.report({ bywash: 'changed', listener, error: 'no such stage' })
  two.die(1)
  await changed
  t.match(await warning, [{ message: 'worker 1 serves as before the reload: no such stage' }])
  const again = Promise.all([dispatcher.change(local), dispatcher.change(local)])
  for (const worker of [one, three]) worker.report({ bywash: 'changed', listener, error: undefined })
  await again
  t.strictSame(told(three), ['define', 'change', 'change'])
})

t.test('a worker that is busy does not hold up the others, nor the next reload', async t => {
  const { dispatcher, children, clock, local, listener } = withFakeWorkers({}, 2, () => 1)
  const [one, two] = children as [FakeWorker, FakeWorker]
  for (const worker of [one, two]) worker.report({ bywash: 'follow' })
  const changed = dispatcher.change(local)
  one.report({ bywash: 'changed', listener, error: undefined })
  const warning = once(process, 'warning')
  clock.advance(5_000)
  await changed
  t.match(await warning, [{ message: 'worker 2 is busy, and serves as before the reload until it is not' }])
  const again = dispatcher.change(local)
  for (const worker of [one, two, two]) worker.report({ bywash: 'changed', listener, error: undefined })
  await again
})

t.test('workers that run the script are told of no definition', async t => {
  const { dispatcher, children, local } = withFakeWorkers()
  await dispatcher.change(local)
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'follow' })
  t.strictSame(worker.heard, [])
  const changed = dispatcher.change(local)
  worker.report({ bywash: 'changed', listener: dispatcher.name, error: undefined })
  await changed
})

t.test('a primary knows when its last connection has ended', async t => {
  const { dispatcher, children, serve, listener } = withFakeWorkers()
  await dispatcher.empty()
  const [worker] = children as [FakeWorker]
  worker.report({ bywash: 'ready', listener })
  for (const id of [1, 2]) serve(id)
  let isEmpty = false
  const emptied = dispatcher.empty().then(() => {
    isEmpty = true
  })
  for (const id of [1, 2]) {
    await new Promise(setImmediate)
    t.equal(isEmpty, false)
    worker.report({ bywash: 'taken', listener, id })
    worker.report({ bywash: 'over', listener, id, reason: 'end' })
  }
  await emptied
})
