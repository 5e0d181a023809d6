import fc from 'fast-check'
import t from 'tap'
import type { InvalidFrameError, Stage } from '../../../lib/index.js'
import { fromBase64, fromHex, toBase64, toHex } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

type Bytes = Stage<Buffer, Buffer>

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Written from RFC 4648 §4, bit by bit. */
function slowBase64(bytes: Uint8Array): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,6}/g) ?? []
  const digits = groups.map(group => DIGITS[Number.parseInt(group.padEnd(6, '0'), 2)]).join('')
  return digits.padEnd(Math.ceil(digits.length / 4) * 4, '=')
}

const slowHex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')

/** What the text's whole groups give, and whether all of it is in order, by trying every group against the encoder. */
function slowDecode(text: string, groupLength: number, encode: (bytes: Uint8Array) => string) {
  const output: number[] = []
  for (let at = 0; at < text.length; at += groupLength) {
    const group = text.slice(at, at + groupLength)
    const bytes = Buffer.from(group, groupLength === 4 ? 'base64' : 'hex')
    if (group.length < groupLength || encode(bytes) !== (groupLength === 2 ? group.toLowerCase() : group)) {
      return { output: Buffer.from(output), valid: false }
    }
    output.push(...bytes)
    if (group.endsWith('=')) return { output: Buffer.from(output), valid: at + 4 === text.length }
  }
  return { output: Buffer.from(output), valid: true }
}

for (const plan of PLANS) {
  const run = async (stage: Bytes, chunks: Iterable<Buffer>) => {
    try {
      return { output: Buffer.concat(await runStage(stage, chunks, { plan })), error: undefined }
    } catch (error) {
      const failure = error as InvalidFrameError & { output: Buffer[] }
      return { output: Buffer.concat(failure.output), error: failure }
    }
  }

  t.test(`${plan}: bytes become text, and text the same bytes, however both are cut`, async () => {
    const pairs = [
      { encode: toBase64(), decode: fromBase64(), slow: slowBase64 },
      { encode: toHex(), decode: fromHex(), slow: slowHex },
    ]
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 14 }), fc.nat(), async (bytes, seed) => {
        for (const { encode, decode, slow } of pairs) {
          for (const chunks of chunkings(bytes, { seed, random: 2 })) {
            const { output } = await run(encode, chunks)
            if (output.toString('latin1') !== slow(bytes)) throw new Error(output.toString('latin1'))
          }
          for (const chunks of chunkings(slow(bytes), { seed, random: 2 })) {
            const { output, error } = await run(decode, chunks)
            if (error !== undefined || !output.equals(bytes)) throw new Error(output.toString('latin1'))
          }
        }
      }),
      { numRuns: runs(60) },
    )
  })

  t.test(
    `${plan}: any text gives what its whole groups stand for, and one error, however it is cut`,
    async () => {
      const piece = fc.constantFrom(
        'Y',
        'Q',
        'Z',
        'YWJj',
        'YQ==',
        'YWI=',
        '=',
        '-',
        ' ',
        '\n',
        '6',
        '6f',
        'é',
      )
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.nat(), async (pieces, seed) => {
          const text = Buffer.from(pieces.join(''))
          for (const [stage, length, slow] of [
            [fromBase64(), 4, slowBase64],
            [fromHex(), 2, slowHex],
          ] as const) {
            const expected = slowDecode(text.toString('latin1'), length, slow)
            const messages = new Set<string>()
            for (const chunks of chunkings(text, { seed, random: 2 })) {
              const { output, error } = await run(stage, chunks)
              messages.add(error?.message ?? '')
              if (!output.equals(expected.output)) throw new Error(`${text}: ${output.toString('hex')}`)
              if ((error === undefined) !== expected.valid) throw new Error(`${text}: ${error?.message}`)
              if (error !== undefined && error.code !== 'ERR_BYWASH_INVALID_FRAME') throw error
            }
            if (messages.size !== 1) throw new Error([...messages].join(' and '))
          }
        }),
        { numRuns: runs(150) },
      )
    },
  )

  t.test(`${plan}: the error says what is wrong`, async t => {
    const wrong = async (stage: Bytes, text: string, output: string, message: RegExp) => {
      const result = await run(stage, [Buffer.from(text)])
      t.match(result.error, { code: 'ERR_BYWASH_INVALID_FRAME', reason: 'invalid-frame', message }, text)
      t.equal(result.output.toString(), output, text)
    }
    await wrong(
      fromBase64(),
      'YWJj!',
      'abc',
      /'fromBase64' received an invalid frame: 0x21 is no base64 digit\./,
    )
    await wrong(fromBase64(), 'YWJj\n', 'abc', /0x0a is no base64 digit/)
    await wrong(fromBase64(), 'YWJjY-', 'abc', /0x2d is no base64 digit/)
    await wrong(fromBase64(), 'Y===', '', /the padding is wrong/)
    await wrong(fromBase64(), 'YR==', '', /the padding is wrong/)
    await wrong(fromBase64(), 'YQ==YQ==', 'a', /something follows the padding/)
    await wrong(fromBase64(), 'YWJjYQ', 'abc', /the input ends within a group of 4 characters/)
    await wrong(fromBase64(), 'YQ=', '', /the input ends within a group of 4 characters/)
    await wrong(fromHex(), '61g1', 'a', /'fromHex' received an invalid frame: 0x67 is no hex digit\./)
    await wrong(fromHex(), '61=', 'a', /0x3d is no hex digit/)
    await wrong(fromHex(), '616', 'a', /the input ends within a group of 2 characters/)
  })

  t.test(`${plan}: line feeds are left out where that is asked for, wherever they stand`, async t => {
    for (const chunks of chunkings('\r\nYW\nJj\r\nYQ=\n=\n', { random: 5 })) {
      const { output, error } = await run(fromBase64({ lineFeeds: 'skip' }), chunks)
      t.strictSame({ text: output.toString(), error }, { text: 'abca', error: undefined })
    }
    const { output } = await run(fromHex({ lineFeeds: 'skip' }), [Buffer.from('6\n1\r\n')])
    t.equal(output.toString(), 'a')
  })
}

t.test('what is whole goes on at once, and at most a rest is held', async t => {
  const chunks = (text: string) => [...text].map(character => Buffer.from(character))
  const show = (output: Buffer[]) => output.map(String)
  t.strictSame(show(await runStage(toBase64(), chunks('abcd'))), ['YWJj', 'ZA=='])
  t.strictSame(show(await runStage(fromBase64(), chunks('YWJjZA=='))), ['abc', 'd'])
  t.strictSame(show(await runStage(toHex(), chunks('ab'))), ['61', '62'])
  t.strictSame(show(await runStage(fromHex(), chunks('6162'))), ['a', 'b'])
})

t.test('chunks are not changed, and options are checked at once', async t => {
  const chunk = Buffer.from('6162')
  for (const stage of [toBase64(), fromBase64(), toHex(), fromHex()]) await runStage(stage, [chunk])
  t.equal(chunk.toString(), '6162')
  t.throws(() => fromBase64({ lineFeeds: 'drop' as never }), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: /fromBase64\(\): 'lineFeeds' is one of "error", "skip"; got "drop"/,
  })
  t.throws(() => fromHex({ linefeeds: 'skip' } as object), {
    message: /fromHex\(\) has no option 'linefeeds'/,
  })
})
