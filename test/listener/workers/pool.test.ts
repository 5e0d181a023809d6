import t from 'tap'
import type { WorkerError } from '../../../lib/errors.js'
import { cpuTime } from '../../../lib/listener/workers/cpu-time.js'
import type { WorkerMessage } from '../../../lib/listener/workers/messages.js'
import { type PoolUser, WorkerPool } from '../../../lib/listener/workers/pool.js'
import type { WorkerProcess } from '../../../lib/listener/workers/worker-process.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { FakeWorker } from './fake-worker.js'

/** A pool of fake workers, with one user that writes down what it hears. */
function pooled(count: number) {
  const clock = fakeClock()
  const children: FakeWorker[] = []
  const fork = (number: number) => {
    const child = new FakeWorker(100 * number + children.length)
    children.push(child)
    return child.process
  }
  /** Processor time by process; those that are not in it have used none. */
  const used = new Map<number | undefined, number>()
  const pool = new WorkerPool({ count, clock, fork, cpuTime: pid => used.get(pid) ?? 0 })
  const ready: WorkerProcess[] = []
  const followers: WorkerProcess[] = []
  const messages: WorkerMessage[] = []
  const gone: string[] = []
  const failures: WorkerError[] = []
  const user = {
    name: 'a',
    isClosing: false as boolean,
    onReady: (worker: WorkerProcess) => void ready.push(worker),
    onFollow: (worker: WorkerProcess) => void followers.push(worker),
    onMessage: (_: WorkerProcess, message: WorkerMessage) => void messages.push(message),
    onGone: (_: WorkerProcess, { message }: WorkerError) => void gone.push(message),
    onFailure: (error: WorkerError) => void failures.push(error),
  } satisfies PoolUser
  pool.add(user)
  const last = () => children.at(-1) as FakeWorker
  return { clock, used, pool, user, children, last, ready, followers, messages, gone, failures }
}

t.test('a worker that dies has a successor at once, and later ones wait longer and longer', async t => {
  const { clock, children, last, gone } = pooled(1)
  const delays: number[] = []
  for (let death = 0; death < 9; death++) {
    last().report({ bywash: 'ready', listener: 'a' })
    const before = children.length
    last().die(null, 'SIGKILL')
    let delay = 0
    clock.advance(0)
    for (; children.length === before; delay += 100) clock.advance(100)
    delays.push(delay)
  }
  t.strictSame(delays, [0, 100, 200, 400, 800, 1_600, 3_000, 3_000, 3_000])
  t.equal(gone[0], 'worker 1 (process 100) was killed by SIGKILL')
})

t.test('a worker that has served for 10 s owes nothing to those before it', async t => {
  const { clock, children, last } = pooled(1)
  for (let death = 0; death < 5; death++) {
    last().report({ bywash: 'ready', listener: 'a' })
    // Its pongs.
    for (let seconds = 0; seconds < 10; seconds += 2.5) {
      clock.advance(2_500)
      last().report({ bywash: 'pong' })
    }
    last().die(0)
    clock.advance(0)
    t.equal(children.length, death + 2)
  }
})

/** Lets the last worker fail before it is ready, and waits for its successor. */
function failStart({ clock, last, children }: ReturnType<typeof pooled>, signal: string | null = null): void {
  last().die(signal === null ? 7 : null, signal)
  const before = children.length
  for (let waited = 0; waited < 3_000 && children.length === before; waited += 100) clock.advance(100)
}

t.test('a pool gives up when none of its workers can be started', async t => {
  const pool = pooled(2)
  const { children, last, failures } = pool
  t.capture(process, 'emitWarning')
  ;(children[0] as FakeWorker).die(7)
  pool.clock.advance(0)
  for (let tries = 2; tries <= 5; tries++) failStart(pool)
  t.strictSame(failures, [], 'the other one may still start')
  ;(children[1] as FakeWorker).die(7)
  last().die(null, 'SIGKILL')
  t.equal(failures.length, 0)
  for (let tries = 0; tries < 10 && failures.length === 0; tries++) {
    for (const child of children) if (child.connected) child.die(7)
    pool.clock.advance(3_000)
  }
  t.strictSame(
    failures.map(({ message }) => message.replace(/process \d+/, 'process N')),
    ['worker 2 could not be started in 5 tries: the last, worker 2 (process N) ended with exit code 7'],
  )
  const { length } = children
  pool.clock.advance(10_000)
  t.equal(children.length, length, 'and starts no more')
})

t.test('a worker that cannot be started is tried again and again while another one serves', async t => {
  const pool = pooled(2)
  const { children, last, failures } = pool
  const emitWarning = t.capture(process, 'emitWarning')
  const other = last()
  other.report({ bywash: 'ready', listener: 'a' })
  ;(children[0] as FakeWorker).die(7)
  pool.clock.advance(0)
  for (let tries = 2; tries <= 12; tries++) {
    failStart(pool)
    other.report({ bywash: 'pong' })
  }
  t.equal(children.length, 14)
  t.strictSame(failures, [])
  t.strictSame(
    emitWarning().map(({ args: [warning] }) => warning),
    [
      'worker 1 could not be started in 5 tries: the last, worker 1 (process 105) ended with exit code 7; ' +
        'the other workers go on without it, and it is tried again',
    ],
    'said once',
  )
  last().report({ bywash: 'ready', listener: 'a' })
  other.die(null, 'SIGKILL')
  pool.clock.advance(0)
  for (let tries = 1; tries <= 6; tries++) failStart(pool)
  t.strictSame(failures, [], 'the one that has come back serves alone')
})

t.test('a start that somebody killed may only have been slow: it takes twenty to give up', async t => {
  const pool = pooled(1)
  for (let tries = 1; tries < 20; tries++) failStart(pool, 'SIGKILL')
  t.strictSame(pool.failures, [])
  failStart(pool, 'SIGKILL')
  t.match(pool.failures, [
    { message: /^worker 1 could not be started in 20 tries: .* was killed by SIGKILL$/ },
  ])
})

t.test('no worker is started any more while every listener closes', async t => {
  const { clock, children, last, user } = pooled(1)
  for (const _ of [1, 2]) {
    last().report({ bywash: 'ready', listener: 'a' })
    last().die(0)
    clock.advance(0)
  }
  t.equal(children.length, 2, 'the next one waits')
  user.isClosing = true
  clock.advance(3_000)
  t.equal(children.length, 2)
})

t.test('a process that the system does not start counts as a try, and other errors are warnings', async t => {
  const { children, gone } = pooled(1)
  const unborn = new FakeWorker(undefined)
  const warning = new Promise(resolve => process.once('warning', resolve))
  children[0]?.emit('error', new Error('kill EPERM'))
  t.match(await warning, { message: 'kill EPERM' })
  t.strictSame(gone, [])
  const failed: string[] = []
  const pool = new WorkerPool({ count: 1, clock: fakeClock(), fork: () => unborn.process })
  pool.add({
    name: 'b',
    isClosing: false,
    onReady: () => {},
    onFollow: () => {},
    onMessage: () => {},
    onGone: (_, { message }) => failed.push(message),
    onFailure: () => {},
  })
  unborn.emit('error', new Error('spawn EAGAIN'))
  t.strictSame(failed, ['worker 1 (process undefined) could not be started: spawn EAGAIN'])
})

t.test('what a worker has reported is heard before its end', async t => {
  const { last, messages, gone } = pooled(1)
  last().emit('exit', 0, null)
  last().report({ bywash: 'over', listener: 'a', id: 1, reason: 'end' })
  t.strictSame(gone, [])
  t.equal(messages.length, 1)
  last().disconnect()
  t.equal(gone.length, 1)
})

t.test('a worker that gives no sign of life for 10 s is killed; one that answers is not', async t => {
  const { clock, children } = pooled(3)
  const [silent, lively, starting] = children as [FakeWorker, FakeWorker, FakeWorker]
  for (const worker of [silent, lively]) worker.report({ bywash: 'ready', listener: 'a' })
  for (let tick = 1; tick <= 8; tick++) {
    clock.advance(2_500)
    lively.report({ bywash: 'pong' })
    t.strictSame(silent.done, tick < 5 ? [] : Array(tick - 4).fill('SIGKILL'), `after ${tick} ticks`)
  }
  t.strictSame(lively.done, [])
  t.strictSame(starting.heard, [], 'one that is not ready yet is not asked')
})

t.test('a worker that is busy and says nothing is named after 10 s and killed after 60 s', async t => {
  const { clock, used, children, pool, ready, gone } = pooled(2)
  const [busy, idle] = children as [FakeWorker, FakeWorker]
  for (const worker of [busy, idle]) worker.report({ bywash: 'ready', listener: 'a' })
  const warnings: string[] = []
  const onWarning = ({ message }: Error) => void warnings.push(message)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const [busyProcess, idleProcess] = ready as [WorkerProcess, WorkerProcess]
  idleProcess.connections = 100
  for (let tick = 1; tick <= 24; tick++) {
    t.equal(pool.leastLoaded('a'), tick <= 4 ? busyProcess : idleProcess, 'it gets no more connections')
    used.set(busy.pid, tick)
    clock.advance(2_500)
    idle.report({ bywash: 'pong' })
  }
  t.strictSame([busy.done, idle.done], [[], []])
  clock.advance(2_500)
  t.strictSame(busy.done, ['SIGKILL'], 'it has stopped to work')
  await new Promise(setImmediate)
  t.strictSame(warnings, ['worker 1 (process 100) is busy for 10 s; after 60 s it is killed'])
  busy.die(null, 'SIGKILL')
  t.strictSame(gone, ['worker 1 (process 100) was killed by SIGKILL: it did nothing for 60 s'])
})

t.test('a worker that is busy for ever is killed after 60 s', async t => {
  const { clock, used, last, gone } = pooled(1)
  last().report({ bywash: 'ready', listener: 'a' })
  for (let tick = 1; tick <= 25; tick++) {
    t.strictSame(last().done, [])
    used.set(last().pid, tick)
    clock.advance(2_500)
  }
  t.strictSame(last().done, ['SIGKILL'])
  last().die(null, 'SIGKILL')
  t.strictSame(gone, ['worker 1 (process 100) was killed by SIGKILL: it was busy for 60 s'])
})

t.test('the system says how much processor time a process has used, or nothing', async t => {
  t.equal(cpuTime(undefined), undefined)
  if (process.platform !== 'linux') return
  const before = cpuTime(process.pid) as number
  while (cpuTime(process.pid) === before);
  t.ok((cpuTime(process.pid) as number) > before)
})

t.test('a worker that is busy is not killed: whatever it says is a sign of life', async t => {
  const { clock, children } = pooled(1)
  const [busy] = children as [FakeWorker]
  busy.report({ bywash: 'ready', listener: 'a' })
  for (let id = 1; id <= 8; id++) {
    clock.advance(2_500)
    busy.report({ bywash: 'over', listener: 'a', id, reason: 'end' })
  }
  t.strictSame(busy.done, [])
  clock.advance(12_500)
  t.strictSame(busy.done, ['SIGKILL'], 'and silence is none')
})

t.test(
  'the worker with the fewest connections is chosen, and of several the one that waited longest',
  async t => {
    const { children, pool, ready } = pooled(3)
    t.equal(pool.choose('a'), undefined, 'none is ready')
    for (const child of children) child.report({ bywash: 'ready', listener: 'a' })
    const [one, two, three] = ready as [WorkerProcess, WorkerProcess, WorkerProcess]
    t.strictSame(
      [pool.choose('a'), pool.choose('a'), pool.choose('a'), pool.choose('a')],
      [one, two, three, one],
    )
    one.connections = 2
    two.connections = 1
    three.connections = 2
    t.equal(pool.choose('a'), two)
    children[1]?.report({ bywash: 'leaving', listener: 'a' })
    t.equal(pool.choose('a'), three, 'one that leaves is not')
    t.equal(pool.choose('b'), undefined, 'nor one that does not know the listener')
  },
)

t.test('a worker that leaves has its successor at once, and its end starts no other', async t => {
  const { clock, children, gone } = pooled(1)
  const [old] = children as [FakeWorker]
  old.report({ bywash: 'ready', listener: 'a' })
  old.report({ bywash: 'leaving', listener: 'a' })
  clock.advance(0)
  t.equal(children.length, 2)
  old.die(1)
  clock.advance(5_000)
  t.equal(children.length, 2)
  t.equal(gone.length, 1)
})

t.test('the last user ends the workers, and one that does not end is killed', async t => {
  const { clock, children, pool, user } = pooled(2)
  const [obedient, stubborn] = children as [FakeWorker, FakeWorker]
  const other = { ...user, name: 'b' }
  pool.add(other)
  await pool.remove(other)
  t.strictSame(obedient.done, [], 'another user is left')
  user.isClosing = true
  stubborn.connected = false
  const left = pool.remove(user)
  t.strictSame(obedient.done, ['disconnect'])
  obedient.emit('exit', 0, null)
  clock.advance(999)
  t.strictSame(stubborn.done, [])
  clock.advance(1)
  t.strictSame(stubborn.done, ['SIGKILL'])
  stubborn.die(null, 'SIGKILL')
  await left
  clock.advance(60_000)
  t.equal(children.length, 2, 'nobody is replaced')
})

t.test('a pool whose workers are all gone ends at once', async t => {
  const { pool, user, last } = pooled(1)
  user.isClosing = true
  last().die(0)
  await t.resolves(pool.remove(user))
})

t.test('a user that comes later hears of the workers that wait for it', async t => {
  const { last, pool, user, ready } = pooled(1)
  last().report({ bywash: 'ready', listener: 'a' })
  last().report({ bywash: 'ready', listener: 'b' })
  t.equal(ready.length, 1)
  pool.add({ ...user, name: 'b' })
  t.equal(ready.length, 2)
})

t.test('messages of the script itself are left alone', async t => {
  const { last, messages } = pooled(1)
  for (const message of [undefined, null, 'text', 1, {}, { type: 'ready' }]) last().emit('message', message)
  t.strictSame(messages, [])
})

t.test('what a worker publishes to a room goes to the others, and is lost where too much waits', async t => {
  const { children } = pooled(3)
  const [a, b, c] = children as [FakeWorker, FakeWorker, FakeWorker]
  const sent: (() => void)[] = []
  b.send = (message, _socket, _options, done) => {
    b.heard.push(message)
    sent.push(done)
  }
  c.connected = false
  const message = { bywashRoom: 'r', message: 'x'.repeat(2 * 1_048_576) }
  for (let count = 0; count < 3; count++) a.emit('message', message)
  t.strictSame(b.heard, [message, message])
  t.strictSame([...a.heard, ...c.heard], [], 'not to itself, nor to one that is gone')
  sent[0]?.()
  a.emit('message', message)
  t.equal(b.heard.length, 3)
})

t.test('a worker that opens what is defined for it is told of every listener, then and later', async t => {
  const { pool, user, last, followers, ready } = pooled(1)
  t.strictSame(pool.followers, [])
  last().report({ bywash: 'follow' })
  t.strictSame(followers, pool.followers)
  t.equal(followers.length, 1)
  pool.add({ ...user, name: 'b' })
  t.equal(followers.length, 2)
  last().report({ bywash: 'ready', listener: 'b' })
  t.equal(ready.length, 1)
  const heard = last().heard.length
  last().report({ bywash: 'ready', listener: 'closed meanwhile' })
  t.strictSame(last().heard.slice(heard), [
    { bywash: 'close', listener: 'closed meanwhile', timeout: 0 },
    { bywash: 'dismissed', listener: 'closed meanwhile' },
  ])
})
