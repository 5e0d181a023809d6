import fc from 'fast-check'
import t from 'tap'
import { TextOutput } from '../../../lib/engine/rewrite/text-output.js'
import { ANY_CHARACTER } from '../../any-character.js'

t.test('the bytes are those of all that was added, in either encoding', async () => {
  const text = fc.oneof(
    fc.string({ unit: ANY_CHARACTER, maxLength: 20 }),
    fc.string({ unit: 'binary-ascii', maxLength: 20 }),
    fc.constantFrom('', '\ud800', 'é'.repeat(40_000), 'a'.repeat(70_000)),
  )
  const added = fc.tuple(text, fc.boolean())
  await fc.assert(
    fc.property(fc.array(added), fc.constantFrom('utf8' as const, 'latin1' as const), (all, encoding) => {
      const output = new TextOutput(encoding)
      for (const [text, isLine] of all) isLine ? output.addLine(text) : output.add(text)
      const expected = Buffer.concat(
        all.flatMap(([text, isLine]) => [Buffer.from(text, encoding), Buffer.from(isLine ? '\n' : '')]),
      )
      return expected.equals(output.take() ?? Buffer.alloc(0)) && output.take() === undefined
    }),
  )
})

t.test('what is taken at once leaves its room to the next, and what is kept does not', async t => {
  const full = 'a'.repeat(60_000)
  const made = (isFlushed: boolean) => {
    const output = new TextOutput('utf8')
    output.lends = true
    output.add(full)
    const bytes = output.take() as Buffer
    output.reclaim(isFlushed)
    return bytes
  }
  const first = made(true)
  const second = made(false)
  const third = made(true)
  t.equal(first.buffer, second.buffer)
  t.not(second.buffer, third.buffer)
  t.equal(String(second), full, 'nobody has written into it')
})

t.test('a small output does not hold the room of a large one, and a very large room is not kept', async t => {
  const output = new TextOutput('utf8')
  output.lends = true
  output.add('small')
  const small = output.take() as Buffer
  output.reclaim(true)
  output.add('a'.repeat(60_000))
  t.not(output.take()?.buffer, small.buffer)
  output.reclaim(true)
  output.add('a'.repeat(2_000_000))
  const large = output.take() as Buffer
  output.reclaim(true)
  output.add('b'.repeat(60_000))
  t.not(output.take()?.buffer, large.buffer)
})

t.test('nobody is lent anything who did not say that he tells when he is done', async t => {
  const output = new TextOutput('utf8')
  const bytes = ['a', 'b'].map(letter => {
    output.add(letter.repeat(60_000))
    return output.take() as Buffer
  })
  t.strictSame(
    bytes.map(each => String(each)[0]),
    ['a', 'b'],
  )
  t.not(bytes[0]?.buffer, bytes[1]?.buffer)
})
