import fc from 'fast-check'
import t from 'tap'
import { FrameTooLongError, lines } from '../../lib/index.js'
import { chunkings, runStage } from '../../lib/testing/index.js'
import { referenceLines } from './reference-lines.js'

const PLANS = ['fused', 'streams'] as const

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
