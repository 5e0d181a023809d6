import fc from 'fast-check'
import t from 'tap'
import { countLineFeeds } from '../../lib/engine/count-line-feeds.js'

t.test('counts the line feeds of any bytes, whatever was counted before', () => {
  const bytes = fc.uint8Array({ maxLength: 100 }).map(Buffer.from)
  const feeds = fc.array(fc.constantFrom(0x0a, 0x0a, 0x0b, 0x8a, 0x61), { maxLength: 100 }).map(Buffer.from)
  fc.assert(
    fc.property(fc.oneof(bytes, feeds), input => {
      const expected = input.filter(byte => byte === 0x0a).length
      return countLineFeeds(input) === expected
    }),
    { numRuns: 2000 },
  )
  return Promise.resolve()
})

t.test('counts in pieces what is longer than its memory', async t => {
  for (const length of [0, 65_535, 65_536, 65_537, 200_000]) {
    t.equal(countLineFeeds(Buffer.alloc(length, '\n')), length)
    t.equal(countLineFeeds(Buffer.alloc(length, 'x')), 0)
  }
})
