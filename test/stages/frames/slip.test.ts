import fc from 'fast-check'
import t from 'tap'
import { slip, toSlip } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames } from '../encoded.js'

const [END, ESC] = ['\xc0', '\xdb']
const latin1 = (text: string) => Buffer.from(text, 'latin1')

interface Rules extends Record<'overflow' | 'invalid' | 'partial', string> {
  maxLength: number
}

/** A second, slow reading: the whole input at once, a byte at a time. */
function reference(input: string, options: Rules): Decoded {
  const { maxLength, overflow, invalid, partial } = options
  const out: string[] = []
  const reports: string[] = []
  let content = ''
  let isEscaped = false
  let isBad = false
  let failure: string | undefined
  const fault = (code: string, policy: string) => {
    if (policy === 'error') failure = code
    if (policy === 'report') reports.push(code)
    isBad = true
  }
  const add = (byte: string) => {
    if (content.length === maxLength) fault('FRAME_TOO_LONG', overflow)
    else content += byte
  }
  for (const byte of input) {
    if (isEscaped && !isBad) {
      if (byte === '\xdc' || byte === '\xdd') add(byte === '\xdc' ? END : ESC)
      else fault('INVALID_FRAME', invalid)
      isEscaped = false
    } else if (byte === ESC) isEscaped = !isBad
    else if (byte !== END && !isBad) add(byte)
    if (failure !== undefined) return { frames: out, reports, failure }
    if (byte !== END) continue
    if (content !== '' && !isBad) out.push(content)
    content = ''
    isBad = false
  }
  if (partial === 'error' && (content !== '' || isEscaped || isBad)) failure = 'INVALID_FRAME'
  return { frames: out, reports, failure }
}

for (const plan of PLANS) {
  t.test(`${plan}: frames end with END, and escapes stand for END and ESC, for every cut`, async t => {
    const input = `${END}abc${END}${END}x${ESC}\xdcy${END}${ESC}\xdd${END}${ESC}\xdd\xdc${END}`
    for (const chunks of chunkings(latin1(input), { random: 10 })) {
      const expected = { frames: ['abc', `x${END}y`, ESC, `${ESC}\xdc`], reports: [], failure: undefined }
      t.strictSame(await decode(slip(), chunks, plan), expected)
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const options = fc.record({
      maxLength: fc.integer({ min: 1, max: 5 }),
      overflow: fc.constantFrom('error' as const, 'report' as const, 'skip' as const),
      invalid: fc.constantFrom('error' as const, 'report' as const, 'skip' as const),
      partial: fc.constantFrom('error' as const, 'drop' as const),
    })
    const bytes = fc.constantFrom('a', 'b', END, END, ESC, `${ESC}\xdc`, `${ESC}\xdd`, '\xdc', '\xdd')
    const input = fc.array(bytes, { maxLength: 30 }).map(bytes => bytes.join(''))
    await fc.assert(
      fc.asyncProperty(input, options, fc.integer({ min: 0, max: 0xffff }), async (input, options, seed) => {
        const expected = JSON.stringify(reference(input, options))
        for (const chunks of chunkings(latin1(input), { seed, random: 2 })) {
          const got = JSON.stringify(await decode(slip(options), chunks, plan))
          if (got !== expected) throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
        }
      }),
      { numRuns: runs(400) },
    )
  })

  t.test(`${plan}: what toSlip() wrote comes back, for every cut`, async t => {
    const sent = ['abc', `${END}${ESC}\xdc\xdd`]
    const escapes = `${ESC}\xdc${ESC}\xdd\xdc\xdd`
    const encode = async (leadingEnd: boolean, texts: readonly string[]) =>
      runStage(toSlip({ leadingEnd }), frames(...texts), { plan })
    const text = (chunks: readonly Buffer[]) => chunks.map(chunk => chunk.toString('latin1'))
    t.strictSame(text(await encode(true, sent)), [`${END}abc${END}`, `${END}${escapes}${END}`])
    t.strictSame(text(await encode(false, sent)), [`abc${END}`, `${escapes}${END}`])
    t.strictSame(text(await runStage(toSlip(), frames('a'), { plan })), [`${END}a${END}`])
    const content = fc
      .array(fc.constantFrom('a', END, ESC, '\xdc', '\xdd'), { minLength: 1, maxLength: 8 })
      .map(bytes => bytes.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(content, { maxLength: 4 }), fc.boolean(), async (texts, leadingEnd) => {
        const encoded = Buffer.concat(await encode(leadingEnd, texts))
        for (const chunks of chunkings(encoded, { random: 2 })) {
          const got = await decode(slip({ maxLength: 8 }), chunks, plan)
          if (JSON.stringify(got.frames) !== JSON.stringify(texts)) throw new Error(JSON.stringify(got))
        }
      }),
      { numRuns: runs(100) },
    )
  })

  t.test(`${plan}: toSlip refuses an empty frame, which no receiver would see`, async t => {
    const run = runStage(toSlip({ leadingEnd: false }), frames('a', ''), { plan })
    await t.rejects(run, { code: 'ERR_BYWASH_STAGE', stage: 'toSlip', output: [latin1(`a${END}`)] })
  })

  t.test(`${plan}: the limit is that of the content, at n and n + 1`, async t => {
    const input = `abc${END}a${ESC}\xdcc${END}abcd${END}a${ESC}\xdccd${END}e${END}`
    for (const chunks of chunkings(latin1(input), { random: 3 })) {
      const seen = (overflow: 'error' | 'report' | 'skip') =>
        decode(slip({ maxLength: 3, overflow }), chunks, plan)
      const first = ['abc', `a${END}c`]
      t.strictSame(await seen('error'), { frames: first, reports: [], failure: 'FRAME_TOO_LONG' })
      const reports = ['FRAME_TOO_LONG', 'FRAME_TOO_LONG']
      t.strictSame(await seen('report'), { frames: [...first, 'e'], reports, failure: undefined })
      t.strictSame(await seen('skip'), { frames: [...first, 'e'], reports: [], failure: undefined })
    }
  })

  t.test(`${plan}: a bad escape ends the connection, or only its frame`, async t => {
    for (const bad of [`x${ESC}y`, `${ESC}${ESC}\xdc`, ESC]) {
      for (const chunks of chunkings(latin1(`a${END}${bad}${END}b${END}`), { random: 3 })) {
        const run = runStage(slip(), chunks, { plan })
        await t.rejects(run, {
          code: 'ERR_BYWASH_INVALID_FRAME',
          message: /ESC stands in front of no ESC_END or ESC_ESC/,
          output: frames('a'),
        })
        const reported = await decode(slip({ invalid: 'report' }), chunks, plan)
        t.strictSame(reported, { frames: ['a', 'b'], reports: ['INVALID_FRAME'], failure: undefined })
        const skipped = await decode(slip({ invalid: 'skip' }), chunks, plan)
        t.strictSame(skipped, { frames: ['a', 'b'], reports: [], failure: undefined })
      }
    }
  })

  t.test(`${plan}: input that ends in front of an END`, async t => {
    for (const rest of ['b', ESC, `b${ESC}`, 'long']) {
      const seen = (partial: 'error' | 'drop') =>
        decode(slip({ maxLength: 3, overflow: 'skip', partial }), [latin1(`a${END}${rest}`)], plan)
      t.strictSame(await seen('error'), { frames: ['a'], reports: [], failure: 'INVALID_FRAME' })
      t.strictSame(await seen('drop'), { frames: ['a'], reports: [], failure: undefined })
    }
  })
}

t.test('costs linear time: many small frames, and a dribbled long one', async t => {
  const bytes = await copied(() => runStage(slip(), dribble(`${'x'.repeat(30_000)}${END}`)))
  t.ok(bytes <= 4 * 30_000, `${bytes} of 30000`)
  // An ESC far behind is looked for once, and not from each frame.
  const chunk = latin1(`${`a${END}`.repeat(1_000)}${ESC}\xdd${END}`)
  const searches: unknown[] = []
  const indexOf = chunk.indexOf.bind(chunk)
  chunk.indexOf = (value: unknown, from?: unknown) => {
    searches.push(value)
    return indexOf(value as number, from as number)
  }
  t.equal((await runStage(slip(), [chunk])).length, 1_001)
  t.equal(searches.filter(value => value === 0xc0).length, 1_001)
  t.equal(searches.filter(value => value === 0xdb).length, 1)
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (make: () => unknown, message: RegExp) =>
    t.throws(make, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused(() => slip({ maxlength: 3 } as object), /slip\(\) has no option 'maxlength'/)
  refused(() => slip({ maxLength: 0 }), /'maxLength' is a whole number/)
  refused(() => slip({ overflow: 'truncate' as never }), /'overflow' is one of/)
  refused(() => slip({ invalid: 'keep' as never }), /'invalid' is one of/)
  refused(() => slip({ partial: 'emit' as never }), /'partial' is one of/)
  refused(() => toSlip({ leading: true } as object), /toSlip\(\) has no option 'leading'/)
  refused(() => toSlip({ leadingEnd: 1 as never }), /'leadingEnd' is true or false/)
})

t.test('does not change the options, nor the chunks', async t => {
  const chunk = latin1(`a${ESC}\xdc${END}`)
  for (const plan of PLANS) {
    t.strictSame((await decode(slip(Object.freeze({ maxLength: 2 })), [chunk], plan)).frames, [`a${END}`])
    await runStage(toSlip(Object.freeze({ leadingEnd: false })), [chunk] as never, { plan })
  }
  t.strictSame(chunk, latin1(`a${ESC}\xdc${END}`))
})
