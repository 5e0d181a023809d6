import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { OpenFiles } from '../lib/open-files.js'

/** Stands in for /proc/self/limits. */
function limits(t: Test, read: () => string): void {
  const { restore } = t.capture(fs, 'readFileSync', read)
  syncBuiltinESMExports()
  t.teardown(() => {
    restore()
    syncBuiltinESMExports()
  })
}

t.test('64 files are left for the rest, or half of them where there are fewer', async t => {
  for (const [limit, capacity, connections] of [
    [Infinity, Infinity, 10_000],
    [1_048_576, 1_048_512, 10_000],
    [10_064, 10_000, 10_000],
    [10_063, 9_999, 9_999],
    [1024, 960, 960],
    [128, 64, 64],
    [64, 32, 32],
    [1, 1, 1],
    [0, 1, 1],
  ] as const) {
    const files = new OpenFiles(limit)
    t.strictSame([files.capacity, files.defaultMaxConnections], [capacity, connections], String(limit))
  }
})

t.test('the limit is the soft one of the system, and is read again', async t => {
  const files = new OpenFiles(64)
  limits(
    t,
    () =>
      'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096    files\n',
  )
  t.equal(new OpenFiles().limit, 1024)
  files.refresh()
  t.equal(files.limit, 1024)
})

t.test('without a limit, or where the system does not tell it, there is none', async t => {
  limits(t, () => 'Max open files            unlimited            unlimited            files\n')
  t.equal(new OpenFiles().defaultMaxConnections, 10_000)
  limits(t, () => {
    throw new Error('ENOENT')
  })
  t.equal(new OpenFiles().limit, Infinity)
})

t.test('there is room until so many descriptors are held', async t => {
  const files = new OpenFiles(66)
  for (let held = 0; held < 33; held++) {
    t.equal(files.hasRoom, true)
    files.hold()
  }
  t.equal(files.hasRoom, false)
  files.release()
  t.equal(files.hasRoom, true)
})

t.test('the last descriptors are known by their number', async t => {
  const files = new OpenFiles(64)
  t.strictSame(
    [-1, 0, 59, 60, 63].map(descriptor => files.isLast(descriptor)),
    [false, false, false, true, true],
  )
})

t.test('a warning says that more connections are allowed than there can be', async t => {
  const files = new OpenFiles(200)
  const [one, two] = [{}, {}]
  t.equal(files.promise(one, 0), undefined, 'the default is no promise')
  t.equal(
    files.promise(one, 1000),
    "'maxConnections' allows 1000 connections per process, but the limit of 200 open files leaves 136; more are refused. " +
      "Raise that limit (ulimit -n, LimitNOFILE=), or lower 'maxConnections'.",
  )
  files.withdraw(one)
  t.equal(files.promise(one, 100), undefined)
  t.match(
    files.promise(two, 100),
    /allows 100 connections per process \(200 with those of other listeners\), but .* leaves 136/,
  )
  t.equal(files.promise(two, 0), undefined, 'one that has the default is not to blame')
})
