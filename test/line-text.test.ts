import t from 'tap'
import { decodeText, encodeText } from '../lib/line-text.js'

t.test('text of any length is encoded and decoded as Buffer does it', async t => {
  for (const unit of ['a', 'é', '€', '😀', 'aé']) {
    for (const times of [1, 1023, 1024, 3000]) {
      for (const text of [unit.repeat(times), `${'a'.repeat(times)}${unit}`]) {
        const bytes = Buffer.from(text)
        const what = `${text.length} characters, ${unit}`
        t.ok(encodeText(text, 'utf8').equals(bytes), what)
        t.equal(decodeText(bytes, 'utf8'), text, what)
      }
    }
  }
  const latin1 = 'ÿ'.repeat(2000)
  t.equal(encodeText(latin1, 'latin1').length, 2000)
  t.equal(decodeText(encodeText(latin1, 'latin1'), 'latin1'), latin1)
})
