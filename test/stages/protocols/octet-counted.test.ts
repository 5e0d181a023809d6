import fc from 'fast-check'
import t from 'tap'
import { octetCounted, toOctetCounted } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames } from '../encoded.js'

/** A second, slow reading: the whole input at once, with regular expressions. */
function reference(input: string, maxLength: number, partial: 'error' | 'drop'): Decoded {
  const out: string[] = []
  const done = (failure?: string) => ({ frames: out, reports: [], failure })
  const cut = () => done(partial === 'error' ? 'INVALID_FRAME' : undefined)
  for (let rest = input; rest !== ''; ) {
    const delimiter = /^\d/.test(rest) ? ' ' : '\n'
    const [head, ...others] = rest.split(delimiter) as [string, ...string[]]
    if (head.length + 1 > maxLength) return done('FRAME_TOO_LONG')
    if (others.length === 0) return cut()
    let end = head.length + 1
    if (delimiter === '\n') {
      const message = head.replace(/\r$/, '')
      if (message !== '') out.push(message)
    } else {
      if (!/^[1-9]\d{0,8}$/.test(head)) return done('INVALID_FRAME')
      end += Number(head)
      if (end > maxLength) return done('FRAME_TOO_LONG')
      if (rest.length < end) return cut()
      out.push(rest.slice(head.length + 1, end))
    }
    rest = rest.slice(end)
  }
  return done()
}

for (const plan of PLANS) {
  t.test(`${plan}: the two framings of RFC 6587, section 3.4, mixed, for every cut`, async t => {
    const counted = '<34>1 2003-10-11T22:14:15.003Z mymachine su - ID47 - a line\nand another'
    const line = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed"
    const wire = `${counted.length} ${counted}${line}\n\n${line}\r\n5 <1>ab\n4 <2>c`
    for (const chunks of chunkings(wire, { random: 5 })) {
      t.strictSame(await decode(octetCounted(), chunks, plan), {
        frames: [counted, line, line, '<1>ab', '<2>c'],
        reports: [],
        failure: undefined,
      })
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const piece = fc.constantFrom(
      '1 a',
      '3 abc',
      '10 ',
      '<1>a',
      '\n',
      '\r',
      '\r\n',
      ' ',
      '0',
      '1',
      '2 12',
      'é',
    )
    const input = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
    const options = fc.record({
      maxLength: fc.integer({ min: 1, max: 14 }),
      partial: fc.constantFrom('error' as const, 'drop' as const),
    })
    await fc.assert(
      fc.asyncProperty(input, options, fc.nat(0xffff), async (input, options, seed) => {
        const bytes = Buffer.from(input)
        const expected = JSON.stringify(
          reference(bytes.toString('latin1'), options.maxLength, options.partial),
        )
        for (const chunks of chunkings(bytes, { seed, random: 2 })) {
          const got = JSON.stringify(await decode(octetCounted(options), chunks, plan))
          if (got !== expected) throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
        }
      }),
      { numRuns: runs(300) },
    )
  })

  t.test(`${plan}: what toOctetCounted() wrote comes back, whatever bytes it has, for every cut`, async t => {
    const encoded = await runStage(toOctetCounted(), frames('<1>ab', '\n'), { plan })
    t.strictSame(encoded.map(String), ['5 <1>ab', '1 \n'], 'a chunk for each frame')
    const text = fc.string({ minLength: 1, maxLength: 12 }).map(text => Buffer.from(text).toString('latin1'))
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 4 }), async sent => {
        const encoded = Buffer.concat(await runStage(toOctetCounted(), frames(...sent), { plan }))
        for (const chunks of chunkings(encoded, { random: 2 })) {
          const got = await decode(octetCounted(), chunks, plan)
          if (JSON.stringify(got.frames) !== JSON.stringify(sent)) throw new Error(JSON.stringify(got))
        }
      }),
      { numRuns: runs(100) },
    )
    const empty = runStage(toOctetCounted(), frames('a', ''), { plan })
    await t.rejects(empty, { code: 'ERR_BYWASH_STAGE', message: /an empty frame/, output: frames('1 a') })
  })

  t.test(`${plan}: what is no length ends the connection behind the messages before it`, async t => {
    for (const head of ['0 ', '01 a', '1a ', '2003-10-11 ', '1234567890 ']) {
      for (const chunks of chunkings(`<1>a\n${head}`, { random: 1 })) {
        await t.rejects(runStage(octetCounted(), chunks, { plan }), {
          code: 'ERR_BYWASH_INVALID_FRAME',
          message: /its length is not a number from 1/,
          output: frames('<1>a'),
        })
      }
    }
  })

  t.test(`${plan}: a message over the limit is refused when its length is known`, async t => {
    const announced = await decode(octetCounted({ maxLength: 8 }), [Buffer.from('2 ab7 ')], plan)
    t.strictSame(announced, { frames: ['ab'], reports: [], failure: 'FRAME_TOO_LONG' })
    const line = await decode(octetCounted({ maxLength: 8 }), [Buffer.from('<1>abcd\n<1>abcde')], plan)
    t.strictSame(line, { frames: ['<1>abcd'], reports: [], failure: 'FRAME_TOO_LONG' })
  })
}

t.test('a dribbled message is copied a number of times that does not grow with its length', async t => {
  for (const wire of [`30000 ${'x'.repeat(30_000)}`, `<1>${'x'.repeat(30_000)}\n`]) {
    const bytes = await copied(() => runStage(octetCounted(), dribble(wire)))
    t.ok(bytes <= 4 * wire.length, `${bytes} of ${wire.length}`)
  }
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => octetCounted(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ overflow: 'skip' }, /octetCounted\(\) has no option 'overflow'. It takes maxLength, partial/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number/)
  refused({ partial: 'emit' }, /'partial' is one of "error", "drop"/)
})
