import fc from 'fast-check'
import t from 'tap'
import { FrameTooLongError, lines } from '../../lib/index.js'
import { chunkings, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { referenceLines } from './reference-lines.js'

/** What a run gives, failure included. */
async function outcome(run: Promise<string[]>): Promise<{ lines: string[]; tooLong: boolean }> {
  try {
    return { lines: await run, tooLong: false }
  } catch (error) {
    if (!(error instanceof FrameTooLongError)) throw error
    return { lines: (error as FrameTooLongError & { output: string[] }).output, tooLong: true }
  }
}

for (const plan of PLANS) {
  t.test(`${plan}: emits the same lines however the bytes are cut`, async t => {
    for (const chunks of chunkings('héllo\r\nworld\n\nbye')) {
      t.strictSame(
        await runStage(lines(), chunks, { plan }),
        ['héllo', 'world', '', 'bye'],
        `${chunks.length} chunks`,
      )
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const text = fc.array(fc.constantFrom('a', 'z', '\r', '\n', '\n', '\r\n', 'é', '€', '😀', '\u0000'), {
      maxLength: 30,
    })
    const bytes = fc.oneof(
      text.map(parts => Buffer.from(parts.join(''))),
      fc
        .array(fc.constantFrom(0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xf0, 0x9f, 0xff), { maxLength: 30 })
        .map(Buffer.from),
    )
    const options = fc.record({
      delimiter: fc.constantFrom('\n' as const, '\r?\n' as const),
      encoding: fc.constantFrom('utf8' as const, 'latin1' as const),
      maxLength: fc.integer({ min: 1, max: 8 }),
      overflow: fc.constantFrom('error' as const, 'truncate' as const, 'skip' as const),
      partial: fc.constantFrom('emit' as const, 'drop' as const),
    })
    await fc.assert(
      fc.asyncProperty(bytes, options, fc.integer({ min: 0, max: 0xffff }), async (input, options, seed) => {
        const expected = referenceLines(input, options)
        for (const chunks of chunkings(input, { seed, random: 3 })) {
          const got = await outcome(runStage(lines(options), chunks, { plan }))
          if (JSON.stringify(got) !== JSON.stringify(expected)) {
            throw new Error(
              `${JSON.stringify(chunks.map(chunk => chunk.toString('latin1')))}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`,
            )
          }
        }
      }),
      { numRuns: 300 },
    )
  })
}

t.test('a CR at the end of the input is content, and counts', async t => {
  for (const plan of PLANS) {
    t.strictSame(await runStage(lines({ maxLength: 2 }), [Buffer.from('a\r')], { plan }), ['a\r'])
    const over = runStage(lines({ maxLength: 1 }), [Buffer.from('b\na\r')], { plan })
    await t.rejects(over, { code: 'ERR_BYWASH_FRAME_TOO_LONG', output: ['b'] })
  }
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => lines(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ maxlength: 3 }, /lines\(\) has no option 'maxlength'. It takes delimiter, encoding, maxLength/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number, from 1 to 268435456; got 0/)
  refused({ maxLength: Number.NaN }, /got NaN/)
  refused({ delimiter: '\r' }, /'delimiter' is one of "\\n", "\\r\?\\n"; got "\\r"/)
  refused({ encoding: 'ascii' }, /'encoding' is one of "utf8", "latin1"; got "ascii"/)
  refused({ overflow: 'drop' }, /'overflow' is one of/)
  refused({ partial: 'error' }, /'partial' is one of/)
})

t.test('does not change the options, nor the chunks', async t => {
  const options = Object.freeze({ maxLength: 4, overflow: 'truncate' } as const)
  const chunk = Buffer.from('abcdef\r\ng')
  for (const plan of PLANS) t.strictSame(await runStage(lines(options), [chunk], { plan }), ['abcd', 'g'])
  t.equal(chunk.toString(), 'abcdef\r\ng')
})

t.test('a block of many lines is searched about once for each maxLength bytes', async t => {
  const chunk = Buffer.from('x'.repeat(63).concat('\n').repeat(1024))
  let searches = 0
  for (const name of ['indexOf', 'lastIndexOf'] as const) {
    const search = Buffer.prototype[name]
    chunk[name] = (...parameters: [never]) => {
      searches++
      return search.apply(chunk, parameters)
    }
  }
  t.equal((await runStage(lines({ maxLength: 4096 }), [chunk])).length, 1024)
  t.ok(searches <= 1 + chunk.length / (4096 - 64), `${searches} searches`)
})

t.test('a dribbled line is copied a number of times that does not grow with its length', async t => {
  const copied = async (length: number) => {
    let bytes = 0
    const copy = Buffer.prototype.copy
    Buffer.prototype.copy = function (this: Buffer, ...parameters: Parameters<Buffer['copy']>) {
      const count = copy.apply(this, parameters)
      bytes += count
      return count
    } as Buffer['copy']
    try {
      const chunks = Array.from({ length }, () => Buffer.from('a'))
      t.equal((await runStage(lines({ maxLength: 1_000_000 }), chunks))[0]?.length, length)
    } finally {
      Buffer.prototype.copy = copy
    }
    return bytes / length
  }
  t.ok((await copied(100_000)) <= 3, 'each byte once in, and at most twice more as the buffer doubles')
})
