import t from 'tap'
import { shutdownOnSignal } from '../../../lib/cli/serving/shutdown-on-signal.js'
import { FakeIo } from '../fake-io.js'

/** A listener that closes when the test says so. */
function fakeListener({ worker }: { readonly worker?: number } = {}) {
  const closes: { readonly timeout?: number }[] = []
  let closed: (forced: number) => void = () => {}
  const forced = new Promise<number>(resolve => {
    closed = resolve
  })
  return {
    worker,
    closes,
    closed: (count: number) => closed(count),
    close: async (options: { readonly timeout?: number } = {}) => {
      closes.push(options)
      return { forced: await forced }
    },
  }
}

t.test('a failure closes the listener, and is exit code 1 though every connection could finish', async t => {
  const failure = new AbortController()
  const listener = fakeListener()
  const io = new FakeIo()
  const stopped = shutdownOnSignal(listener, io, failure.signal)
  t.strictSame(listener.closes, [])
  failure.abort()
  t.strictSame(listener.closes, [{}])
  listener.closed(0)
  t.equal(await stopped, 1)
  t.strictSame([io.listenerCount('SIGINT'), io.listenerCount('SIGTERM')], [0, 0])
})

t.test('what had failed before closes at once', async t => {
  const listener = fakeListener()
  listener.closed(0)
  t.equal(await shutdownOnSignal(listener, new FakeIo(), AbortSignal.abort()), 1)
})

t.test('a failure while it closes changes the exit code only', async t => {
  const failure = new AbortController()
  const listener = fakeListener()
  const io = new FakeIo()
  const stopped = shutdownOnSignal(listener, io, failure.signal)
  io.emit('SIGTERM')
  failure.abort()
  t.strictSame(listener.closes, [{}])
  listener.closed(0)
  t.equal(await stopped, 1)
})

t.test('a worker leaves signals to its primary, and stops when it fails', async t => {
  const failure = new AbortController()
  const listener = fakeListener({ worker: 2 })
  const io = new FakeIo()
  const stopped = shutdownOnSignal(listener, io, failure.signal)
  t.strictSame([io.emit('SIGINT'), io.emit('SIGTERM')], [false, false])
  failure.abort()
  listener.closed(0)
  t.equal(await stopped, 1)
})
