import t from 'tap'
import {
  type Deadlines,
  DeadlineWatch,
  deadlines,
  type Watched,
} from '../../../lib/engine/drive/deadlines.js'
import { isOverdue } from '../../../lib/engine/drive/frame-watch.js'
import { fakeClock } from '../../../lib/testing/index.js'

const cut = (idleTimeout: number, frameTimeout: number, drainTimeout: number) =>
  deadlines({ idleTimeout, frameTimeout, drainTimeout })

/** A watched item that notes the times of its ticks. */
function watched(now: () => number, isTraceable = true): Watched & { readonly times: number[] } {
  const times: number[] = []
  return { times, isTraceable, tick: () => void times.push(now()) }
}

t.test('deadlines are cut into ticks of at most a second and a quarter of the shortest', async t => {
  const rows: [Deadlines, { interval: number; idle: number; frame: number; drain: number }][] = [
    [cut(300_000, 30_000, 60_000), { interval: 1000, idle: 300, frame: 30, drain: 60 }],
    [cut(0, 30_000, 60_000), { interval: 1000, idle: Infinity, frame: 30, drain: 60 }],
    [cut(100, 30_000, 0), { interval: 25, idle: 4, frame: 1200, drain: Infinity }],
    [cut(0, 0, 1001), { interval: 251, idle: Infinity, frame: Infinity, drain: 4 }],
    [cut(1, 0, 0), { interval: 1, idle: 1, frame: Infinity, drain: Infinity }],
    [cut(0, 0, 0), { interval: Infinity, idle: Infinity, frame: Infinity, drain: Infinity }],
  ]
  for (const [given, expected] of rows) t.match(given, expected, JSON.stringify(given))
})

t.test('one timer looks at all that were added, and stops when the last has gone', async t => {
  const clock = fakeClock()
  const watch = new DeadlineWatch(cut(0, 4000, 0), clock)
  const [one, other] = [watched(clock.now), watched(clock.now)]
  t.equal(clock.pending, 0)
  watch.add(one)
  clock.advance(400)
  watch.add(other)
  t.equal(clock.pending, 1)
  clock.advance(1600)
  t.strictSame(
    [one.times, other.times],
    [
      [1000, 2000],
      [1000, 2000],
    ],
  )
  watch.delete(one)
  t.strictSame([...watch.items], [other])
  clock.advance(1000)
  t.strictSame(
    [one.times, other.times],
    [
      [1000, 2000],
      [1000, 2000, 3000],
    ],
  )
  watch.delete(other)
  t.equal(clock.pending, 0)
})

t.test('the last 256 that have gone are still known', async t => {
  const clock = fakeClock()
  const watch = new DeadlineWatch(cut(0, 0, 0), clock)
  const items = Array.from({ length: 300 }, () => watched(clock.now))
  for (const item of items) watch.add(item)
  for (const item of items.slice(0, 299)) watch.delete(item)
  t.strictSame(new Set(watch.traceable), new Set(items.slice(299 - 256)))
  const inert = watched(clock.now, false)
  watch.add(inert)
  t.ok(watch.traceable.includes(inert))
  watch.delete(inert)
  t.notOk(watch.traceable.includes(inert), 'nothing of it can still run')
})

t.test('what is deleted while it is looked at is not looked at again', async t => {
  const clock = fakeClock()
  const watch = new DeadlineWatch(cut(0, 4000, 0), clock)
  let ticks = 0
  const item: Watched = {
    isTraceable: true,
    tick: () => {
      ticks++
      watch.delete(item)
    },
  }
  watch.add(item)
  clock.advance(10_000)
  t.equal(ticks, 1)
  t.equal(clock.pending, 0)
})

t.test('without a deadline there is no timer', async t => {
  const clock = fakeClock()
  new DeadlineWatch(cut(0, 0, 0), clock).add(watched(clock.now))
  t.equal(clock.pending, 0)
})

t.test('the same deadlines on the same clock share a watch, and no others', async t => {
  const [clock, other] = [fakeClock(), fakeClock()]
  const watch = DeadlineWatch.shared(cut(1, 2, 3), clock)
  t.equal(DeadlineWatch.shared(cut(1, 2, 3), clock), watch)
  t.not(DeadlineWatch.shared(cut(1, 2, 4), clock), watch)
  t.not(DeadlineWatch.shared(cut(1, 2, 3), other), watch)
})

t.test('a timer of the system does not keep the process alive', async t => {
  let unrefs = 0
  const clock = { ...fakeClock(), setTimeout: () => ({ unref: () => unrefs++ }), clearTimeout: () => {} }
  const watch = new DeadlineWatch(cut(0, 4000, 0), clock)
  watch.add(watched(clock.now))
  t.equal(unrefs, 1)
})

t.test('a frame is overdue when it is the same for as many ticks as it may take', async t => {
  const watcher = { watch: undefined }
  const look = (frame: number) => isOverdue(watcher, frame, 2)
  t.strictSame([0, 1, 1, 2, 2].map(look), [false, false, false, false, false], 'another frame begins anew')
  t.equal(look(2), true)
  t.equal(look(2), true, 'and stays so')
  t.equal(look(0), false)
  t.equal(watcher.watch, undefined, 'nothing is kept of a frame that has ended')
  t.equal(look(2), false)
})
