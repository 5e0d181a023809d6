import { Writable } from 'node:stream'
import t from 'tap'
import { flushed } from '../../../lib/cli/log/flushed.js'
import { fakeClock } from '../../../lib/testing/index.js'

function slow() {
  const waiting: (() => void)[] = []
  const stream = new Writable({ write: (_chunk, _encoding, callback) => void waiting.push(callback) })
  return { stream, goOn: () => waiting.shift()?.() }
}

t.test('resolves when all is written, also what was written at the end of what waited', async t => {
  const { stream, goOn } = slow()
  const clock = fakeClock()
  stream.write('waits')
  let isOver = false
  const over = flushed(stream, clock).then(() => {
    isOver = true
  })
  stream.write('and more')
  for (let chunk = 0; chunk < 3; chunk++) {
    await new Promise(setImmediate)
    t.notOk(isOver)
    goOn()
  }
  goOn()
  await over
  t.equal(clock.pending, 0)
})

t.test('resolves at once where nothing waits', async t => {
  const clock = fakeClock()
  const stream = new Writable({ write: (_chunk, _encoding, callback) => callback() })
  await flushed(stream, clock)
  t.equal(clock.pending, 0)
})

t.test('resolves after a second where nobody reads', async t => {
  const { stream } = slow()
  const clock = fakeClock()
  stream.write('never read')
  const over = flushed(stream, clock)
  t.equal(clock.pending, 1)
  clock.advance(1_000)
  await over
})
