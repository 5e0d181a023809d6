import fc from 'fast-check'
import t from 'tap'
import { netstring, toNetstring } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames } from '../encoded.js'

/** A second, slow reading: the whole input at once, with a regular expression. */
function reference(
  input: string,
  {
    maxLength = 65_536,
    overflow = 'error',
    partial = 'error',
  }: Parameters<typeof netstring>[0] & { maxLength?: number } = {},
): Decoded {
  const out: string[] = []
  const reports: string[] = []
  const done = (failure?: string) => ({ frames: out, reports, failure })
  for (let rest = input; rest !== ''; ) {
    const [head, digits] = /^(0|[1-9]\d{0,8}):/.exec(rest) ?? []
    if (head === undefined || digits === undefined) {
      const mayGoOn = /^(0|[1-9]\d{0,8})$/.test(rest)
      return done(mayGoOn && partial === 'drop' ? undefined : 'INVALID_FRAME')
    }
    const end = head.length + Number(digits)
    if (Number(digits) > maxLength) {
      if (overflow === 'error') return done('FRAME_TOO_LONG')
      if (overflow === 'report') reports.push('FRAME_TOO_LONG')
    }
    if (rest.length <= end) return done(partial === 'error' ? 'INVALID_FRAME' : undefined)
    if (rest[end] !== ',') return done('INVALID_FRAME')
    if (Number(digits) <= maxLength) out.push(rest.slice(head.length, end))
    rest = rest.slice(end + 1)
  }
  return done()
}

for (const plan of PLANS) {
  t.test(`${plan}: the examples of the specification, for every cut`, async t => {
    for (const chunks of chunkings('12:hello world!,0:,5:1:a,b,', { random: 10 })) {
      const expected = { frames: ['hello world!', '', '1:a,b'], reports: [], failure: undefined }
      t.strictSame(await decode(netstring(), chunks, plan), expected)
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const piece = fc.constantFrom(
      '0:,',
      '1:a,',
      '3:a:,,',
      '5:hello,',
      '12:hello world!,',
      '0',
      '1',
      '9',
      ':',
      ',',
      'a',
    )
    const options = fc.record({
      maxLength: fc.integer({ min: 1, max: 12 }),
      overflow: fc.constantFrom('error' as const, 'report' as const, 'skip' as const),
      partial: fc.constantFrom('error' as const, 'drop' as const),
    })
    const input = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(input, options, fc.integer({ min: 0, max: 0xffff }), async (input, options, seed) => {
        const expected = JSON.stringify(reference(input, options))
        for (const chunks of chunkings(input, { seed, random: 2 })) {
          const got = JSON.stringify(await decode(netstring(options), chunks, plan))
          if (got !== expected) throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
        }
      }),
      { numRuns: runs(300) },
    )
  })

  t.test(`${plan}: what toNetstring() wrote comes back, for every cut`, async t => {
    const encoded = await runStage(toNetstring(), frames('hello world!', ''), { plan })
    t.strictSame(encoded.map(String), ['12:hello world!,', '0:,'], 'a chunk for each frame')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ maxLength: 12 }), { maxLength: 4 }), async texts => {
        const sent = texts.map(text => Buffer.from(text).toString('latin1'))
        const encoded = Buffer.concat(await runStage(toNetstring(), frames(...sent), { plan }))
        for (const chunks of chunkings(encoded, { random: 2 })) {
          const got = await decode(netstring(), chunks, plan)
          if (JSON.stringify(got.frames) !== JSON.stringify(sent)) throw new Error(JSON.stringify(got))
        }
      }),
      { numRuns: runs(100) },
    )
  })

  t.test(`${plan}: what is no netstring ends the connection behind the frames before it`, async t => {
    const wrong: [string, RegExp][] = [
      ['01:a,', /its length has a leading zero/],
      ['00:,', /its length has a leading zero/],
      [':a,', /its length is not a number/],
      ['-1:a,', /its length is not a number/],
      ['1 :a,', /its length is not a number/],
      ['1x', /its length is not a number/],
      ['\n', /its length is not a number/],
      ['1234567890', /its length has more than 9 digits/],
      ['1:ab', /it does not end with ','/],
      ['0:;', /it does not end with ','/],
    ]
    for (const [input, message] of wrong) {
      for (const chunks of chunkings(`2:ok,${input}`, { random: 1 })) {
        const run = runStage(netstring(), chunks, { plan })
        await t.rejects(run, { code: 'ERR_BYWASH_INVALID_FRAME', message, output: frames('ok') })
      }
    }
  })

  t.test(`${plan}: the limit is that of the frame, at n and n + 1, before anything of it comes`, async t => {
    for (const chunks of chunkings('3:abc,4:abcd,1:e,', { random: 3 })) {
      const seen = (overflow: 'error' | 'report' | 'skip') =>
        decode(netstring({ maxLength: 3, overflow }), chunks, plan)
      t.strictSame(await seen('error'), { frames: ['abc'], reports: [], failure: 'FRAME_TOO_LONG' })
      t.strictSame(await seen('report'), {
        frames: ['abc', 'e'],
        reports: ['FRAME_TOO_LONG'],
        failure: undefined,
      })
      t.strictSame(await seen('skip'), { frames: ['abc', 'e'], reports: [], failure: undefined })
    }
    const head = await decode(netstring(), [Buffer.from('999999999:')], plan)
    t.equal(head.failure, 'FRAME_TOO_LONG')
    const noComma = await decode(
      netstring({ maxLength: 3, overflow: 'skip' }),
      [Buffer.from('4:abcde')],
      plan,
    )
    t.equal(noComma.failure, 'INVALID_FRAME', 'also what is left out ends with a comma')
  })

  t.test(`${plan}: input that ends inside a netstring`, async t => {
    for (const rest of ['1', '3:', '3:ab', '3:abc', '9:a']) {
      const seen = (partial: 'error' | 'drop') =>
        decode(netstring({ maxLength: 8, overflow: 'skip', partial }), [Buffer.from(`1:a,${rest}`)], plan)
      t.strictSame(await seen('error'), { frames: ['a'], reports: [], failure: 'INVALID_FRAME' })
      t.strictSame(await seen('drop'), { frames: ['a'], reports: [], failure: undefined })
    }
  })
}

t.test('a dribbled netstring is copied a number of times that does not grow with its length', async t => {
  const wire = `30000:${'x'.repeat(30_000)},`
  const bytes = await copied(() => runStage(netstring(), dribble(wire)))
  t.ok(bytes <= 4 * wire.length, `${bytes} of ${wire.length}`)
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => netstring(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ maxlength: 3 }, /netstring\(\) has no option 'maxlength'/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number/)
  refused({ overflow: 'truncate' }, /'overflow' is one of/)
  refused({ partial: 'emit' }, /'partial' is one of/)
  const options = Object.freeze({ maxLength: 1 })
  const chunk = Buffer.from('1:a,')
  t.strictSame((await decode(netstring(options), [chunk], 'fused')).frames, ['a'])
  t.equal(String(chunk), '1:a,')
})
