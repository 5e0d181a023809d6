import t from 'tap'
import { formatDuration } from '../../lib/options/format-duration.js'

t.test('a duration is written in the largest unit that it is a whole number of', async t => {
  for (const [milliseconds, text] of [
    [0, '0 ms'],
    [1, '1 ms'],
    [1500, '1500 ms'],
    [2000, '2 s'],
    [90_000, '90 s'],
    [300_000, '5 min'],
    [7_200_000, '2 h'],
  ] as const) {
    t.equal(formatDuration(milliseconds), text)
  }
})
