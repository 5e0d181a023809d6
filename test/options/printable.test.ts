import fc from 'fast-check'
import t from 'tap'
import { unescapeBytes } from '../../lib/config/text/escapes.js'
import { printable } from '../../lib/options/printable.js'

t.test('what is outside 0x20 to 0x7e comes out as an escape, and a backslash twice', t => {
  for (const [given, shown] of [
    ['plain text ~!', 'plain text ~!'],
    ['a\nb\r\n\tc\0', 'a\\nb\\r\\n\\tc\\0'],
    ['\x1b[31mred\x07', '\\x1b[31mred\\x07'],
    ['\\n', '\\\\n'],
    ['\x7f', '\\x7f'],
    ['gr\u00fc\u00dfe', 'gr\\xc3\\xbc\\xc3\\x9fe'],
    ['\u009b\u202e\u2028', '\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x80\\xa8'],
    ['\u{1f600}', '\\xf0\\x9f\\x98\\x80'],
  ] as const) {
    t.equal(printable(given), shown)
  }
  t.equal(printable(Buffer.from([0x61, 0x80, 0xff])), 'a\\x80\\xff')
  t.end()
})

t.test('any bytes become one line of 0x20 to 0x7e, which can be turned back', async () => {
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      const shown = printable(bytes)
      return /^[ -~]*$/.test(shown) && unescapeBytes(shown).equals(bytes)
    }),
  )
})
