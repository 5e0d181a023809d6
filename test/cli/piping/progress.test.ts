import { PassThrough } from 'node:stream'
import t from 'tap'
import { Progress } from '../../../lib/cli/piping/progress.js'
import { fakeClock } from '../../../lib/testing/index.js'

/** A progress of so many bytes on a terminal, and what it shows after some time. */
function progressOf(total: number, columns = 80) {
  const clock = fakeClock()
  const terminal = Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns })
  let done = 0
  const progress = new Progress(terminal, clock, total, () => done)
  return {
    clock,
    stop: () => {
      progress.stop()
      return terminal.read()
    },
    after(milliseconds: number, bytes: number) {
      terminal.read()
      clock.advance(milliseconds - 200)
      terminal.read()
      done = bytes
      clock.advance(200)
      return terminal.read()
    },
  }
}

t.test('shows bytes, rate and time left, over and over on one line', async t => {
  const { after } = progressOf(2 ** 30)
  t.equal(after(1_000, 0), '\r0% 0 B of 1.0 GiB, 0 B/s\u001b[K')
  t.equal(after(1_000, 2 ** 20), '\r0% 1.0 MiB of 1.0 GiB, 512.0 KiB/s, 34m 6s left\u001b[K')
  t.equal(after(2_000, 2 ** 29), '\r50% 512.0 MiB of 1.0 GiB, 128.0 MiB/s, 4s left\u001b[K')
  t.equal(after(4_000, 2 ** 30), '\r100% 1.0 GiB of 1.0 GiB, 128.0 MiB/s, 0s left\u001b[K')
})

t.test('shows hours, and the largest unit', async t => {
  const { after } = progressOf(2 ** 52)
  t.equal(after(1_000, 2 ** 38), '\r0% 256.0 GiB of 4096.0 TiB, 256.0 GiB/s, 4h 33m left\u001b[K')
})

t.test('says at the end how it went, and waits for nothing more', async t => {
  const { clock, after, stop } = progressOf(2_048)
  after(1_000, 1_024)
  t.equal(stop(), '\r1.0 KiB of 2.0 KiB in 1s, 1.0 KiB/s\u001b[K\n')
  t.equal(clock.pending, 0)
})

t.test('nothing at all is done at once', async t => {
  const { after, stop } = progressOf(0)
  t.equal(after(1_000, 0), '\r0% 0 B of 0 B, 0 B/s\u001b[K')
  t.equal(stop(), '\r0 B of 0 B in 1s, 0 B/s\u001b[K\n')
})

t.test('a file that grows never shows more than there is', async t => {
  const { after } = progressOf(10)
  t.equal(after(1_000, 20), '\r100% 20 B of 20 B, 20 B/s, 0s left\u001b[K')
})

t.test('leaves the last column of a narrow terminal free', async t => {
  const { after } = progressOf(2 ** 30, 20)
  t.equal(after(1_000, 2 ** 29), '\r50% 512.0 MiB of 1.\u001b[K')
})
