import fc from 'fast-check'
import t from 'tap'
import { lines, pipeline, type Stage, toLines, uppercase } from '../../../lib/index.js'
import { grep, lowercase, number, prefix, replace, trim } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { PLANS } from '../../plans.js'

const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }
const text = fc.array(fc.string({ unit: ANY_CHARACTER, maxLength: 12 }), { maxLength: 6 })

for (const plan of PLANS) {
  const run = (stage: Stage<string, string>, lines: readonly string[]) => runStage(stage, lines, { plan })

  t.test(`${plan}: the case of a to z changes and no other character, and no length`, async () => {
    const slow = (line: string, from: number, to: number) =>
      Array.from({ length: line.length }, (_, index) => line.charCodeAt(index))
        .map(code => String.fromCharCode(code >= from && code < from + 26 ? code - from + to : code))
        .join('')
    await fc.assert(
      fc.asyncProperty(text, async input => {
        const upper = await run(uppercase(), input)
        const lower = await run(lowercase({ mode: 'ascii' }), input)
        return (
          upper.every((line, index) => line === slow(input[index] as string, 0x61, 0x41)) &&
          lower.every((line, index) => line === slow(input[index] as string, 0x41, 0x61))
        )
      }),
    )
  })

  t.test(`${plan}: bytes that are no ASCII letter come back unchanged, however they are cut`, async t => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte).filter(byte => byte !== 0x0d))
    const expected = Buffer.from(every.map(byte => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte)))
    const lower = pipeline()
      .through(lines({ encoding: 'latin1', delimiter: '\n' }))
      .through(lowercase())
      .through(toLines({ encoding: 'latin1' }))
    for (const chunks of chunkings(Buffer.concat([every, Buffer.from('\n')]), { random: 3 })) {
      const output = Buffer.concat(await runStage(lower, chunks, { plan }))
      if (!output.equals(Buffer.concat([expected, Buffer.from('\n')]))) t.fail(output.toString('latin1'))
    }
  })

  t.test(`${plan}: with mode unicode every letter changes, by no locale's rules`, async t => {
    t.strictSame(await run(uppercase({ mode: 'unicode' }), ['straße éµÿ iı']), ['STRASSE ÉΜŸ II'])
    t.strictSame(await run(lowercase({ mode: 'unicode' }), ['ÉÇ ΟΔΟΣ I']), ['éç οδος i'])
  })

  t.test(`${plan}: prefix puts its text before each line, and nothing else`, async t => {
    t.strictSame(await run(prefix('> '), ['a', '', 'é']), ['> a', '> ', '> é'])
    t.strictSame(await run(prefix(''), ['a']), ['a'])
  })

  t.test(`${plan}: number counts the lines of each connection from its start`, async t => {
    const numbered = number()
    for (const _connection of [1, 2])
      t.strictSame(await run(numbered, ['a', '', 'c']), ['1: a', '2: ', '3: c'])
    const padded = number({ start: 9, separator: '\t', width: 3 })
    t.strictSame(await run(padded, ['a', 'b']), ['  9\ta', ' 10\tb'])
    t.strictSame(await run(number({ start: 0, separator: '' }), ['a']), ['0a'])
  })

  t.test(`${plan}: grep hands on the lines with a text, taken literally, or those without it`, async t => {
    const input = ['a.c', 'abc', 'A.C', '']
    t.strictSame(await run(grep('a.c'), input), ['a.c'])
    t.strictSame(await run(grep('a.c', { invert: true }), input), ['abc', 'A.C', ''])
    t.strictSame(await run(grep(''), input), input)
    t.strictSame(await run(grep('', { invert: true }), input), [])
  })

  t.test(`${plan}: replace is literal on both sides, and takes each occurrence once`, async t => {
    t.strictSame(await run(replace('.', '$&$1'), ['a.b.']), ['a$&$1b$&$1'])
    t.strictSame(await run(replace('aa', 'a'), ['aaaaa', 'b']), ['aaa', 'b'])
    t.strictSame(await run(replace('a', ''), ['banana']), ['bnn'])
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '$', '&'), minLength: 1, maxLength: 3 })
    const line = fc.string({ unit: fc.constantFrom('a', 'b', '$', '&'), maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(line, part, part, async (line, text, by) => {
        const [replaced] = await run(replace(text, by), [line])
        return replaced === line.split(text).join(by)
      }),
    )
  })

  t.test(`${plan}: trim takes ASCII white space off both ends, and none of the middle`, async t => {
    t.strictSame(await run(trim(), [' \t\v\f\ra \t b\n ', '', '   ', 'a']), ['a \t b', '', '', 'a'])
    const others = '\u00a0a\u00a0'
    t.strictSame(await run(trim(), [others, '\u2028\ufeff']), [others, '\u2028\ufeff'])
    const parts = fc.string({
      unit: fc.constantFrom(' ', '\t', '\r', 'a', '\u00a0', '\u0085'),
      maxLength: 10,
    })
    await fc.assert(
      fc.asyncProperty(parts, async line => {
        const [trimmed] = await run(trim(), [line])
        return trimmed === line.replace(/^[ \t\v\f\r\n]+/, '').replace(/[ \t\v\f\r\n]+$/, '')
      }),
    )
  })

  t.test(`${plan}: whole servers give the same bytes however their input is cut`, async t => {
    const server = pipeline()
      .through(lines())
      .through(trim())
      .through(grep('é'))
      .through(replace('é', 'e'))
      .through(lowercase())
      .through(number())
      .through(prefix('#'))
      .through(toLines())
    for (const chunks of chunkings(' Héé\r\nno\nÉé ', { random: 5 })) {
      t.equal(Buffer.concat(await runStage(server, chunks, { plan })).toString(), '#1: hee\n#2: Ée\n')
    }
  })
}

t.test('only the ascii mode may run on whole blocks of lines', async t => {
  const explain = (stage: Stage<string, string>) =>
    String(pipeline().through(lines()).through(stage).through(toLines()).explain())
  for (const stage of [uppercase, lowercase]) {
    t.match(explain(stage()), /on whole blocks of lines/)
    t.notMatch(explain(stage({ mode: 'unicode' })), /on whole blocks of lines/)
  }
})

t.test('options are checked at once, and not changed', async t => {
  const refused = (call: () => unknown, message: RegExp) => t.throws(call, { ...invalid, message })
  refused(() => uppercase({ mode: 'utf8' as never }), /uppercase\(\): 'mode' is one of "ascii", "unicode"/)
  refused(() => lowercase({ mod: 'ascii' } as object), /lowercase\(\) has no option 'mod'/)
  refused(() => prefix(1 as never), /prefix\(\): 'text' is text; got 1/)
  refused(() => number({ start: -1 }), /number\(\): 'start' is a whole number, from 0/)
  refused(() => number({ separator: null as never }), /number\(\): 'separator' is text; got null/)
  refused(() => number({ width: 101 }), /number\(\): 'width' is a whole number, from 0 to 100; got 101/)
  refused(() => number({ seperator: '' } as object), /number\(\) has no option 'seperator'/)
  refused(() => grep(/a/ as never), /grep\(\): 'text' is text; got an object/)
  refused(() => grep('a', { invert: 1 as never }), /grep\(\): 'invert' is true or false; got 1/)
  refused(() => grep('a', { inverted: true } as object), /grep\(\) has no option 'inverted'/)
  refused(() => replace('', 'a'), /replace\(\): 'text' has at least one character/)
  refused(() => replace(/a/ as never, 'a'), /replace\(\): 'text' is text/)
  refused(() => replace('a', undefined as never), /replace\(\): 'by' is text; got undefined/)
  const options = Object.freeze({ start: 5 })
  for (const _connection of [1, 2]) t.strictSame(await runStage(number(options), ['a']), ['5: a'])
})
