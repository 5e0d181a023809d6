import fc from 'fast-check'
import t from 'tap'
import { lineDiff } from '../../../lib/cli/terminal/line-diff.js'
import { ANY_CHARACTER } from '../../any-character.js'

const show = (expected: string | Buffer, received: string | Buffer) =>
  lineDiff(Buffer.from(expected as Buffer), Buffer.from(received as Buffer)).map(row => row.join(' '))

t.test('text is shown line by line, with what ends a line', t => {
  t.strictSame(show('one\ntwo\nthree\n', 'one\nTWO\nthree\n'), [
    '  one\\n',
    '- two\\n',
    '+ TWO\\n',
    '  three\\n',
  ])
  t.strictSame(show('a\n', 'a'), ['- a\\n', '+ a'])
  t.strictSame(show('a\r\n', 'a\n'), ['- a\\r\\n', '+ a\\n'])
  t.end()
})

t.test('where one is empty, that is said', t => {
  t.strictSame(show('', 'x'), ['- (nothing)', '+ x'])
  t.strictSame(show('x\n', ''), ['- x\\n', '+ (nothing)'])
  t.strictSame(show(Buffer.of(0xff), ''), ['- ff', '+ (nothing)'])
  t.end()
})

t.test('only what is near a difference is shown', t => {
  const lines = Array.from({ length: 30 }, (_, index) => `${index + 1}\n`)
  const changed = lines.with(9, 'x\n').with(24, 'y\n')
  t.strictSame(show(lines.join(''), changed.join('')), [
    ...['  …', '  7\\n', '  8\\n', '  9\\n', '- 10\\n', '+ x\\n', '  11\\n', '  12\\n', '  13\\n'],
    ...['  …', '  22\\n', '  23\\n', '  24\\n', '- 25\\n', '+ y\\n', '  26\\n', '  27\\n', '  28\\n'],
  ])
  t.end()
})

t.test('bytes that are no text are shown as rows of 16 in hexadecimal', t => {
  const bytes = Buffer.from([...Array(18).keys(), 0xff])
  t.strictSame(show(bytes, Buffer.concat([bytes.subarray(0, 18), Buffer.from('é')])), [
    '  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f',
    '- 10 11 ff',
    '+ 10 11 c3 a9',
  ])
  t.end()
})

t.test('nothing that a terminal obeys is shown as it is', t => {
  t.strictSame(show('\x1b[31m\u009b\u202e\u2028\0\\', 'é'), [
    '- \\x1b[31m\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8\\0\\\\',
    '+ é',
  ])
  t.end()
})

t.test('values with nothing in common are told by their lengths', t => {
  const lines = (letter: string) => Array.from({ length: 5000 }, (_, index) => `${letter}${index}\n`).join('')
  t.strictSame(show(lines('a'), lines('b')), ['- 28890 bytes', '+ 28890 other bytes'])
  t.end()
})

t.test('whatever differs, there is a line of the one or the other, and none has control characters', t => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: ANY_CHARACTER, maxLength: 20 }),
    fc.array(fc.constantFrom('a', 'b', '\n', '\r', 'é'), { maxLength: 40 }).map(parts => parts.join('')),
  )
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      const [expected, received] = [Buffer.from(one as string), Buffer.from(other as string)]
      const rows = lineDiff(expected, received)
      if (rows.some(([mark]) => mark !== ' ') === expected.equals(received)) throw new Error('no difference')
      for (const [, row] of rows) if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(row)) throw new Error(JSON.stringify(row))
    }),
  )
  t.end()
})
