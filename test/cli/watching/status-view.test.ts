import fc from 'fast-check'
import t from 'tap'
import { bytes, count, sparkline, time } from '../../../lib/cli/watching/figures.js'
import { statusAddress } from '../../../lib/cli/watching/status-address.js'
import { isStatus, versionOf } from '../../../lib/cli/watching/status-shape.js'
import { drawStatuses, SORTS } from '../../../lib/cli/watching/status-view.js'
import { cutLine } from '../../../lib/cli/watching/styled-line.js'
import { runs } from '../../runs.js'
import { firstStatus, sampleStatus } from '../../status/sample-status.js'

t.test('figures are short', async t => {
  t.strictSame([0, 999, 1234, 12_345, 123_456, 7e6, 5e15].map(count), [
    '0',
    '999',
    '1,234',
    '12.3k',
    '123k',
    '7M',
    '5000T',
  ])
  t.strictSame([0, 1023, 1536, 5 * 2 ** 40].map(bytes), ['0 B', '1023 B', '1.5 KiB', '5 TiB'])
  t.strictSame([0.004, 1.25, 12_000, 185_000, 7_800_000].map(time), [
    '4 µs',
    '1.3 ms',
    '12 s',
    '3 m 5 s',
    '2 h 10 m',
  ])
  t.equal(sparkline([0, 4, 8]), '▁▅█')
  t.equal(sparkline([-100, 0]), '▁▁')
})

t.test('a URL without a port has that of its scheme', async t => {
  t.match(statusAddress('https://[::1]'), {
    isTls: true,
    request: { host: '::1', port: 443, path: '/status' },
  })
  t.match(statusAddress('http://a'), { isTls: false, request: { host: 'a', port: 80 } })
})

t.test('a line is cut where its columns end, whatever its parts', async t => {
  const line = [['abc'], ['def', 'red']] as const
  t.strictSame(cutLine(line, 6), line)
  t.strictSame(cutLine(line, 5), [
    ['abc', undefined],
    ['d…', 'red'],
  ])
  t.strictSame(cutLine(line, 3), [['ab…', undefined]])
  t.strictSame(cutLine([['abc'], ['d'], ['e']], 4), [
    ['abc', undefined],
    ['…', undefined],
  ])
})

t.test('no value that came as JSON fails, and no line is too long', async t => {
  t.ok(isStatus(sampleStatus()))
  t.ok(isStatus(firstStatus()))
  t.equal(versionOf({ version: 'x' }), undefined)
  const text = JSON.stringify([sampleStatus(), firstStatus()])
  const places = [...text.matchAll(/-?\d[\d.]*|null|"[^"]*"|\[\]/g)].map(({ index, 0: { length } }) => [
    index,
    length,
  ])
  const replacement = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom(-1, 1e308, '', '\u001b[2J'))
  fc.assert(
    fc.property(
      fc.nat(places.length - 1),
      replacement,
      fc.constantFrom(...SORTS),
      fc.integer({ min: 40, max: 130 }),
      fc.nat(2),
      (place, value, sort, width, chosen) => {
        const [index = 0, length = 0] = places[place] as number[]
        let statuses: unknown
        try {
          statuses = JSON.parse(text.slice(0, index) + JSON.stringify(value) + text.slice(index + length))
        } catch {
          // It stood for the name of a member.
          return
        }
        if (!Array.isArray(statuses) || !statuses.every(isStatus)) return
        const lines = drawStatuses(statuses, { chosen, sort, filter: '' }, new Map([['x', [1]]]), width)
        for (const line of lines) {
          const shown = line.map(([text]) => text).join('')
          if (shown.length > width) throw new Error(`too long: ${shown}`)
          if (/[^ -~·…µ▁-█▒]/.test(shown)) throw new Error(`unescaped: ${JSON.stringify(shown)}`)
        }
      },
    ),
    { numRuns: runs(1_000) },
  )
})
