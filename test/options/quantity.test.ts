import fc from 'fast-check'
import t from 'tap'
import { formatQuantity, parseQuantity, type Unit, unitRule } from '../../lib/options/quantity.js'

t.test('a number by itself is bytes, or what the option counts', async t => {
  for (const unit of [undefined, 'bytes', 'bytes/s'] as const) {
    t.equal(parseQuantity('4096', unit), 4096)
    t.equal(parseQuantity('0', unit), 0)
    t.equal(parseQuantity('-7', unit), -7)
    t.equal(parseQuantity('9007199254740991', unit), Number.MAX_SAFE_INTEGER)
  }
  t.ok(Object.is(parseQuantity('-0'), 0), 'and there is one zero')
})

t.test('a time by itself is none, since it could be seconds or milliseconds; only 0 is', async t => {
  for (const text of ['5', '-5', '1500', '1.5']) {
    t.equal(parseQuantity(text, 'ms'), undefined, text)
    t.equal(unitRule(text, 'ms'), `a time with a unit, such as ${text}s or ${text}ms`)
  }
  for (const text of ['0', '00', '-0']) t.equal(parseQuantity(text, 'ms'), 0, text)
  for (const value of ['0', '5s', '5x', 'soon', '', ' 5', 5, null]) t.equal(unitRule(value, 'ms'), undefined)
  t.equal(unitRule('5', 'bytes'), undefined)
})

t.test('sizes are in powers of 1024, durations down to the millisecond', async t => {
  const table: [string, Unit, number][] = [
    ['1B', 'bytes', 1],
    ['4KiB', 'bytes', 4_096],
    ['4 KiB', 'bytes', 4_096],
    ['1.5MiB', 'bytes', 1_572_864],
    ['2GiB', 'bytes', 2_147_483_648],
    ['-4KiB', 'bytes', -4_096],
    ['64KiB/s', 'bytes/s', 65_536],
    ['64KiB', 'bytes/s', 65_536],
    ['500ms', 'ms', 500],
    ['30s', 'ms', 30_000],
    ['1.1s', 'ms', 1_100],
    ['0.001s', 'ms', 1],
    ['5m', 'ms', 300_000],
    ['1h', 'ms', 3_600_000],
  ]
  for (const [text, unit, value] of table) t.equal(parseQuantity(text, unit), value, `${text} as ${unit}`)
})

t.test('what is not exact, or no quantity, is none', async t => {
  const table: [string, Unit | undefined][] = [
    ['', 'bytes'],
    ['KiB', 'bytes'],
    ['4kb', 'bytes'],
    ['4KB', 'bytes'],
    ['4K', 'bytes'],
    ['4KiB/s', 'bytes'],
    ['4KiB', 'ms'],
    ['4s', 'bytes'],
    ['4s', undefined],
    ['4constructor', 'bytes'],
    ['4m5s', 'ms'],
    ['1.5', 'ms'],
    ['0.3KiB', 'bytes'],
    ['1.0001s', 'ms'],
    ['.5s', 'ms'],
    ['1e3', 'ms'],
    ['0x10', 'bytes'],
    ['+5', 'ms'],
    ['5  s', 'ms'],
    [' 5s', 'ms'],
    ['5s\n', 'ms'],
    ['9007199254740992', 'bytes'],
    ['8388608GiB', 'bytes'],
    ['1'.repeat(1_000), 'bytes'],
  ]
  for (const [text, unit] of table) t.equal(parseQuantity(text, unit), undefined, `'${text}' as ${unit}`)
})

t.test('a quantity is written with the largest unit that needs no fraction', async t => {
  t.equal(formatQuantity(65_536, 'bytes'), '64KiB')
  t.equal(formatQuantity(65_535, 'bytes'), '65535')
  t.equal(formatQuantity(1_048_576, 'bytes/s'), '1MiB/s')
  t.equal(formatQuantity(15_000, 'ms'), '15s')
  t.equal(formatQuantity(1_500, 'ms'), '1500ms')
  t.equal(formatQuantity(0, 'ms'), '0')
  t.equal(formatQuantity(65_536), '65536')
})

t.test('what is written is read as the same number', async () => {
  fc.assert(
    fc.property(
      fc.maxSafeInteger(),
      fc.constantFrom<Unit | undefined>('bytes', 'bytes/s', 'ms', undefined),
      (value, unit) => parseQuantity(formatQuantity(value, unit), unit) === (value === 0 ? 0 : value),
    ),
  )
})
