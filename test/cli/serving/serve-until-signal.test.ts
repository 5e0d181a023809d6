import t from 'tap'
import { serveUntilSignal } from '../../../lib/cli/serving/serve-until-signal.js'
import { FakeIo } from '../fake-io.js'

/** A listener that closes when the test says so. */
function fakeListener({ worker }: { readonly worker?: number } = {}) {
  const closes: { readonly timeout?: number }[] = []
  let end: (result: { readonly forced: number }) => void = () => {}
  const closed = new Promise<{ readonly forced: number }>(resolve => {
    end = resolve
  })
  return {
    worker,
    closes,
    closed,
    end: (forced: number) => end({ forced }),
    close: (options: { readonly timeout?: number } = {}) => {
      closes.push(options)
      return closed
    },
  }
}

/** Serves a listener whose start is over when the test says so. */
function serving(listener = fakeListener(), { reloads = true } = {}) {
  let reloadCount = 0
  const reload = reloads ? () => void reloadCount++ : undefined
  const io = new FakeIo()
  const failure = new AbortController()
  let begin: (started: typeof listener | number) => void = () => {}
  let refuse: (error: Error) => void = () => {}
  const started = new Promise<typeof listener | number>((resolve, reject) => {
    begin = resolve
    refuse = reject
  })
  let starting: AbortSignal | undefined
  const start = (signal: AbortSignal) => {
    starting = signal
    return started
  }
  const exited = serveUntilSignal({ start, failed: failure.signal, reload }, io)
  const turn = () => new Promise(setImmediate)
  return {
    io,
    failure,
    listener,
    exited,
    reloadCount: () => reloadCount,
    isAborted: () => starting?.aborted,
    refuse: (error: Error) => refuse(error),
    begin: async (other?: number) => {
      begin(other ?? listener)
      await turn()
    },
    listeners: () => ['SIGINT', 'SIGTERM'].map(signal => io.listenerCount(signal)),
  }
}

t.test('the first signal lets connections finish, and the second does not', async t => {
  const { io, begin, listener, exited, listeners, isAborted } = serving()
  await begin()
  io.emit('SIGTERM')
  t.strictSame(listener.closes, [{}])
  io.emit('SIGINT')
  t.strictSame(listener.closes, [{}, { timeout: 0 }])
  t.equal(isAborted(), false, 'the start was over')
  listener.end(0)
  t.equal(await exited, 1)
  t.strictSame(listeners(), [0, 0])
})

t.test('SIGHUP stops a command too, unless it reloads something', async t => {
  const { io, begin, listener, exited } = serving(fakeListener(), { reloads: false })
  await begin()
  io.emit('SIGHUP')
  t.strictSame(listener.closes, [{}])
  listener.end(0)
  t.equal(await exited, 0)
  t.equal(io.listenerCount('SIGHUP'), 0)
})

t.test('SIGHUP reloads; one or more of them during the start when that is over', async t => {
  const { io, begin, listener, exited, reloadCount } = serving()
  io.emit('SIGHUP')
  io.emit('SIGHUP')
  t.equal(reloadCount(), 0)
  await begin()
  t.equal(reloadCount(), 1)
  io.emit('SIGHUP')
  t.equal(reloadCount(), 2)
  t.strictSame(listener.closes, [])
  io.emit('SIGTERM')
  listener.end(0)
  t.equal(await exited, 0)
  t.equal(io.listenerCount('SIGHUP'), 0)
})

t.test('SIGHUP during the start of a worker reloads nothing', async t => {
  const { io, begin, listener, exited, reloadCount } = serving(fakeListener({ worker: 1 }))
  io.emit('SIGHUP')
  await begin()
  t.equal(reloadCount(), 0)
  t.equal(io.listenerCount('SIGHUP'), 0)
  listener.end(0)
  t.equal(await exited, 0)
})

t.test('the exit code says whether every connection could finish', async t => {
  for (const [forced, exitCode] of [
    [0, 0],
    [1, 1],
  ] as const) {
    const { io, begin, listener, exited } = serving()
    await begin()
    io.emit('SIGTERM')
    listener.end(forced)
    t.equal(await exited, exitCode)
  }
})

t.test('a failure closes the listener, and is exit code 1 though every connection could finish', async t => {
  const { failure, begin, listener, exited, listeners } = serving()
  await begin()
  t.strictSame(listener.closes, [])
  failure.abort()
  t.strictSame(listener.closes, [{}])
  listener.end(0)
  t.equal(await exited, 1)
  t.strictSame(listeners(), [0, 0])
})

t.test('a failure while it closes changes the exit code only', async t => {
  const { io, failure, begin, listener, exited } = serving()
  await begin()
  io.emit('SIGTERM')
  failure.abort()
  t.strictSame(listener.closes, [{}])
  listener.end(0)
  t.equal(await exited, 1)
})

t.test(
  'a signal or a failure during the start ends it, and what has started all the same is closed',
  async t => {
    for (const [event, exitCode] of [
      ['SIGTERM', 0],
      ['failure', 1],
    ] as const) {
      const { io, failure, begin, listener, exited, isAborted, listeners } = serving()
      if (event === 'failure') failure.abort()
      else io.emit(event)
      t.equal(isAborted(), true)
      await begin()
      t.strictSame(listener.closes, [{}])
      listener.end(0)
      t.equal(await exited, exitCode, event)
      t.strictSame(listeners(), [0, 0])
    }
  },
)

t.test('a start that was ended by a signal is no error', async t => {
  const { io, refuse, exited, listeners } = serving()
  io.emit('SIGINT')
  refuse(new Error('aborted'))
  t.equal(await exited, 0)
  t.strictSame(listeners(), [0, 0])
})

t.test('a second signal does not wait for a start that does not end', async t => {
  const { io, exited, listeners } = serving()
  io.emit('SIGINT')
  io.emit('SIGINT')
  t.equal(await exited, 1)
  t.strictSame(listeners(), [0, 0])
})

t.test('a start that fails is an error, and one that serves nothing has an exit code', async t => {
  const failing = serving()
  failing.refuse(new Error('no'))
  await t.rejects(failing.exited, { message: 'no' })
  t.strictSame(failing.listeners(), [0, 0])
  const idle = serving()
  await idle.begin(2)
  t.equal(await idle.exited, 2)
})

t.test('a worker leaves signals to its primary, and ends with its listener or when it fails', async t => {
  const closed = serving(fakeListener({ worker: 2 }))
  await closed.begin()
  t.strictSame(closed.listeners(), [0, 0])
  closed.listener.end(0)
  t.equal(await closed.exited, 0)

  const failed = serving(fakeListener({ worker: 2 }))
  await failed.begin()
  failed.failure.abort()
  failed.listener.end(0)
  t.equal(await failed.exited, 1)
})
