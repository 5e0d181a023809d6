import fc from 'fast-check'
import t from 'tap'
import { didYouMean, nearest } from '../../lib/config/did-you-mean.js'

t.test('a name is meant that a letter more, less, other or in another place makes', async t => {
  const names = ['port', 'host', 'path', 'idleTimeout', 'frameTimeout']
  for (const word of ['prot', 'portt', 'pot', 'pork', 'PORT', 'opr', 'porta']) {
    t.equal(nearest(word, names)[0], word === 'opr' ? undefined : 'port', word)
  }
  t.strictSame(nearest('timeout', names), ['idleTimeout', 'frameTimeout'], 'a part of it is enough')
  t.strictSame(nearest('fimeTimeout', names, 0.1), ['frameTimeout'], 'less similar names are left out')
  t.strictSame(nearest('', names), [])
  t.strictSame(nearest('x'.repeat(100_000), names), [])
  t.equal(didYouMean('prot', names), "Did you mean 'port'?")
  t.equal(didYouMean('zzz', names), '')
})

t.test('at most three are named, each once and the nearest first', async () => {
  const word = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', 'c', 'B') })
  fc.assert(
    fc.property(word, fc.array(word), (meant, names) => {
      const near = nearest(meant, [...names, meant, meant])
      return (
        near.length <= 3 &&
        new Set(near).size === near.length &&
        near[0]?.toLowerCase() === meant.toLowerCase()
      )
    }),
  )
})
