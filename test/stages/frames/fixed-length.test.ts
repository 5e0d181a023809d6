import t from 'tap'
import { fixedLength, toFixedLength } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { copied, decode, dribble, frames } from '../encoded.js'

for (const plan of PLANS) {
  t.test(`${plan}: frames of each length, for every cut`, async t => {
    const input = 'abcdefghijkl'
    for (const length of [1, 2, 3, 4, 6, 12]) {
      const expected = input.match(new RegExp(`.{${length}}`, 'g'))
      for (const chunks of chunkings(input, { random: 5 })) {
        const got = await decode(fixedLength(length), chunks, plan)
        t.strictSame(got, { frames: expected, reports: [], failure: undefined })
      }
      const encoded = await runStage(toFixedLength(length), frames(...(expected ?? [])), { plan })
      t.equal(Buffer.concat(encoded).toString(), input)
    }
  })

  t.test(`${plan}: input that ends inside a frame`, async t => {
    for (const chunks of chunkings('abcde', { random: 3 })) {
      const seen = (partial?: 'error' | 'drop' | 'emit') =>
        decode(fixedLength(3, partial === undefined ? {} : { partial }), chunks, plan)
      t.strictSame(await seen(), { frames: ['abc'], reports: [], failure: 'INVALID_FRAME' })
      t.strictSame(await seen('error'), { frames: ['abc'], reports: [], failure: 'INVALID_FRAME' })
      t.strictSame(await seen('drop'), { frames: ['abc'], reports: [], failure: undefined })
      t.strictSame(await seen('emit'), { frames: ['abc', 'de'], reports: [], failure: undefined })
    }
  })

  t.test(`${plan}: toFixedLength refuses a frame of another length`, async t => {
    for (const frame of ['', 'ab', 'abcd']) {
      const run = runStage(toFixedLength(3), frames('abc', frame), { plan })
      const message = `Stage 'toFixedLength' was given a frame of ${frame.length} bytes, and not of 3.`
      await t.rejects(run, { code: 'ERR_BYWASH_STAGE', message, output: [Buffer.from('abc')] })
    }
  })
}

t.test('a dribbled frame is copied a number of times that does not grow with its length', async t => {
  const bytes = await copied(() => runStage(fixedLength(30_000), dribble('x'.repeat(60_000))))
  t.ok(bytes <= 4 * 60_000, `${bytes} of 60000`)
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (make: () => unknown, message: RegExp) =>
    t.throws(make, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused(() => fixedLength(0), /fixedLength\(\): 'length' is a whole number, from 1 to 268435456; got 0/)
  refused(() => fixedLength('8x'), /'length' is a whole number/)
  refused(() => fixedLength(8, { pad: 1 } as object), /fixedLength\(\) has no option 'pad'/)
  refused(() => fixedLength(8, { partial: 'skip' as never }), /'partial' is one of/)
  refused(() => toFixedLength(0), /toFixedLength\(\): 'length' is a whole number/)
})
