import fc from 'fast-check'
import t from 'tap'
import { mllp, toMllp } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames } from '../encoded.js'

/** A message and its answer, as in chapter 2 of HL7 v2.5.1: segments that end with CR. */
const MESSAGE =
  'MSH|^~\\&|GHH LAB|ELAB-3|GHH OE|BLDG4|200202150930||ORU^R01|CNTRL-3456|P|2.4\r' +
  'PID|||555-44-4444||EVERYWOMAN^EVE^E^^^^L|JONES|196203520|F\r'
const ANSWER = 'MSH|^~\\&|GHH OE|BLDG4|GHH LAB|ELAB-3|200202150931||ACK^R01|1|P|2.4\rMSA|AA|CNTRL-3456\r'

/** A second, slow reading: the whole input at once, with indexOf. */
function reference(input: string, maxLength: number, partial: 'error' | 'drop'): Decoded {
  const out: string[] = []
  const done = (failure?: string) => ({ frames: out, reports: [], failure })
  for (let rest = input; rest !== ''; ) {
    if (rest[0] !== '\v') return done('INVALID_FRAME')
    const end = rest.indexOf('\x1c\r')
    const block = end === -1 ? undefined : rest.slice(0, end + 2)
    if ((block ?? `${rest}_`).length > maxLength) return done('FRAME_TOO_LONG')
    if (block === undefined) return done(partial === 'error' ? 'INVALID_FRAME' : undefined)
    out.push(block.slice(1, -2))
    rest = rest.slice(block.length)
  }
  return done()
}

for (const plan of PLANS) {
  t.test(`${plan}: messages of HL7 in their blocks, both ways and for every cut`, async t => {
    const blocks = await runStage(toMllp(), frames(MESSAGE, ANSWER, ''), { plan })
    t.strictSame(blocks.map(String), [`\v${MESSAGE}\x1c\r`, `\v${ANSWER}\x1c\r`, '\v\x1c\r'])
    for (const chunks of chunkings(Buffer.concat(blocks), { random: 10 })) {
      t.strictSame(await decode(mllp(), chunks, plan), {
        frames: [MESSAGE, ANSWER, ''],
        reports: [],
        failure: undefined,
      })
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const piece = fc.constantFrom('\va\x1c\r', '\v', '\x1c', '\r', '\x1c\r', 'a', 'bc', '\v\x1c\r')
    const input = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
    const options = fc.record({
      maxLength: fc.integer({ min: 1, max: 9 }),
      partial: fc.constantFrom('error' as const, 'drop' as const),
    })
    await fc.assert(
      fc.asyncProperty(input, options, fc.nat(0xffff), async (input, options, seed) => {
        const expected = JSON.stringify(reference(input, options.maxLength, options.partial))
        for (const chunks of chunkings(input, { seed, random: 2 })) {
          const got = JSON.stringify(await decode(mllp(options), chunks, plan))
          if (got !== expected) throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
        }
      }),
      { numRuns: runs(200) },
    )
  })

  t.test(`${plan}: what toMllp() wrote comes back, whatever bytes it has, for every cut`, async () => {
    const text = fc
      .array(fc.constantFrom('\v', '\x1c', '\r', 'a', '\xff'), { maxLength: 6 })
      .map(bytes => bytes.join(''))
      .filter(text => !text.includes('\x1c\r'))
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 4 }), async sent => {
        const encoded = Buffer.concat(await runStage(toMllp(), frames(...sent), { plan }))
        for (const chunks of chunkings(encoded, { random: 2 })) {
          const got = await decode(mllp(), chunks, plan)
          if (JSON.stringify(got.frames) !== JSON.stringify(sent)) throw new Error(JSON.stringify(got))
        }
      }),
      { numRuns: runs(100) },
    )
  })

  t.test(
    `${plan}: what stands outside of a block ends the connection behind the messages before it`,
    async t => {
      for (const [input, message] of [
        ['\va\x1c\r\n', /it does not begin with VT/],
        ['\va\x1c\rMSH', /it does not begin with VT/],
        ['\va\x1c\r\vb\x1c', /the input ended inside it/],
      ] as const) {
        for (const chunks of chunkings(input, { random: 1 })) {
          const run = runStage(mllp(), chunks, { plan })
          await t.rejects(run, {
            code: 'ERR_BYWASH_INVALID_FRAME',
            stage: 'mllp',
            message,
            output: frames('a'),
          })
        }
      }
    },
  )

  t.test(`${plan}: toMllp refuses a frame that would end its block`, async t => {
    const run = runStage(toMllp(), frames('a', 'b\x1c\rc'), { plan })
    await t.rejects(run, {
      code: 'ERR_BYWASH_STAGE',
      stage: 'toMllp',
      message: /FS and CR/,
      output: frames('\va\x1c\r'),
    })
  })
}

t.test('a dribbled block is copied a number of times that does not grow with its length', async t => {
  const wire = `\v${'x'.repeat(30_000)}\x1c\r`
  const bytes = await copied(() => runStage(mllp(), dribble(wire)))
  t.ok(bytes <= 4 * wire.length, `${bytes} of ${wire.length}`)
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => mllp(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ overflow: 'skip' }, /mllp\(\) has no option 'overflow'. It takes maxLength, partial/)
  refused({ asks: false }, /mllp\(\) has no option 'asks'/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number/)
  refused({ partial: 'emit' }, /'partial' is one of "error", "drop"/)
})
