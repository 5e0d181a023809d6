import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import t, { type Test } from 'tap'
import { defaultMaxConnections } from '../../lib/listener/open-files.js'

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
  for (const [limit, connections] of [
    [Infinity, 10_000],
    [1_048_576, 10_000],
    [10_064, 10_000],
    [10_063, 9_999],
    [1024, 960],
    [128, 64],
    [64, 32],
    [1, 1],
    [0, 1],
  ] as const) {
    t.equal(defaultMaxConnections(limit), connections, String(limit))
  }
})

t.test('the limit is the soft one of the system', async t => {
  limits(
    t,
    () =>
      'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096    files\n',
  )
  t.equal(defaultMaxConnections(), 960)
})

t.test('without a limit, or where the system does not tell it, there are 10,000', async t => {
  limits(t, () => 'Max open files            unlimited            unlimited            files\n')
  t.equal(defaultMaxConnections(), 10_000)
  limits(t, () => {
    throw new Error('ENOENT')
  })
  t.equal(defaultMaxConnections(), 10_000)
})
