import fc from 'fast-check'
import t from 'tap'
import { lines, map, pipeline, type TransformerStage, tap, unlines, uppercase } from '../lib/index.js'
import { chunkings, runStage } from '../lib/testing/index.js'

/** Swaps b and d, and says so bytewise; the stage without it is what the rewritten one must equal. */
const swap = (line: string) => line.replace(/[bd]/g, letter => (letter === 'b' ? 'd' : 'b'))
const bytewise = swap
const upperByLine = map('uppercase by line', line => uppercaseLine(line))
const uppercaseLine = (line: string) => line.replace(/[a-z]/g, letter => letter.toUpperCase())

function build(options: Parameters<typeof lines>[0], middle: readonly TransformerStage<string, string>[]) {
  let decoded = pipeline().through(lines(options))
  for (const stage of middle) decoded = decoded.through(stage)
  return decoded.through(unlines({ encoding: options?.encoding ?? 'utf8' }))
}

const names = (built: ReturnType<typeof build>) =>
  built.explain().segments.flatMap(({ stages }) => stages.map(({ rewrite }) => rewrite))

t.test('stages that declare themselves bytewise run on blocks, ours and yours alike', async t => {
  const whole = 'lines | uppercase | swap | unlines'
  const rewritten = build({}, [uppercase(), map('swap', swap, { bytewise })])
  t.strictSame(names(rewritten), [whole, whole, whole, whole])
  t.match(String(rewritten.explain()), /uppercase: line to line \(on whole blocks of lines\)/)
  for (const options of [{}, { profile: 'split2' }, { partial: 'error' }] as const) {
    t.strictSame(names(build(options, [])), ['lines | unlines', 'lines | unlines'])
  }
})

t.test('lines are made where a stage, a delimiter or an encoding asks for them', async t => {
  const none = (built: ReturnType<typeof build>) => t.ok(names(built).every(rewrite => rewrite === undefined))
  none(build({}, [map('swap', swap)]))
  none(build({}, [tap('look', () => {}), uppercase()]))
  none(
    pipeline()
      .through(lines())
      .through(unlines({ delimiter: '\r\n' })),
  )
  none(
    pipeline()
      .through(lines({ encoding: 'latin1' }))
      .through(unlines()),
  )
  for (const options of [
    { delimiter: '\r\n' },
    { keep: true },
    { invalid: 'error' },
    { invalid: 'report' },
    { overflow: 'report' },
    ...(['go', 'netty', 'tokio', 'twisted', 'erlang'] as const).map(profile => ({ profile })),
  ] as const) {
    none(build(options, [uppercase()]))
  }
  t.ok(
    build({}, [uppercase()])
      .explain({ plan: 'streams' })
      .segments.every(({ stages }) => !stages[0]?.rewrite),
  )
})

t.test('the bytes are the same as line by line, for every option, any bytes and any cut', async () => {
  const parts = ['a', 'b', 'd', 'z', '\r', '\n', '\r\n', 'é', 'ß', '€', '😀']
  const input = fc.oneof(
    fc.array(fc.constantFrom(...parts), { maxLength: 30 }).map(list => Buffer.from(list.join(''))),
    fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
    fc
      .array(fc.constantFrom(0x0a, 0x0d, 0x62, 0xc3, 0xa9, 0xe2, 0xff), { maxLength: 30 })
      .map(bytes => Buffer.from(bytes)),
  )
  const options = fc.record({
    delimiter: fc.constantFrom('\n' as const, '\r?\n' as const),
    encoding: fc.constantFrom('utf8' as const, 'latin1' as const),
    maxLength: fc.integer({ min: 1, max: 8 }),
    overflow: fc.constantFrom('error' as const, 'truncate' as const, 'skip' as const),
    partial: fc.constantFrom('emit' as const, 'drop' as const, 'error' as const),
  })
  const result = async (built: ReturnType<typeof build>, chunks: readonly Buffer[]) => {
    try {
      return Buffer.concat(await runStage(built, chunks)).toString('latin1')
    } catch (error) {
      const { code, output } = error as { code: string; output: Buffer[] }
      return `${Buffer.concat(output).toString('latin1')} then ${code}`
    }
  }
  await fc.assert(
    fc.asyncProperty(input, options, fc.nat(), async (input, options, seed) => {
      const byBlock = build(options, [uppercase(), map('swap', swap, { bytewise })])
      const byLine = build(options, [upperByLine, map('swap', swap)])
      const expected = await result(byLine, [input])
      for (const chunks of chunkings(input, { seed, random: 3 })) {
        const got = await result(byBlock, chunks)
        if (got !== expected)
          throw new Error(`got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`)
      }
    }),
    { numRuns: 300 },
  )
})

t.test('a bytewise function that throws ends the connection with the name of its stage', async t => {
  const broken = map('broken', line => line, {
    bytewise: () => {
      throw new Error('no')
    },
  })
  await t.rejects(runStage(build({}, [broken]), [Buffer.from('a\n')]), {
    code: 'ERR_BYWASH_STAGE',
    stage: 'broken',
    message: "Stage 'broken' failed in bytewise: no",
  })
})

t.test(
  'a bytewise function that changes the length ends the connection with the name of its stage',
  async t => {
    const longer = map('longer', line => line, { bytewise: lines => `${lines}x` })
    await t.rejects(runStage(build({}, [longer]), [Buffer.from('a\n')]), {
      stage: 'longer',
      message: "Stage 'longer' changed the length or the line feeds of a block in its 'bytewise'.",
    })
  },
)

t.test('in development a bytewise function that moves a line feed is found out', async t => {
  const wrong = {
    joins: (lines: string) => lines.replaceAll('\n', ' '),
    splits: (lines: string) => lines.replaceAll('a', '\n'),
    moves: (lines: string) => [...lines].reverse().join(''),
  }
  const before = process.env.NODE_ENV
  t.teardown(() => {
    process.env.NODE_ENV = before ?? ''
  })
  for (const [name, bytewise] of Object.entries(wrong)) {
    const run = () => runStage(build({}, [map(name, line => line, { bytewise })]), [Buffer.from('ba\nb\n')])
    process.env.NODE_ENV = 'production'
    await t.resolves(run())
    process.env.NODE_ENV = 'development'
    await t.rejects(run(), { stage: name, message: /changed the length or the line feeds/ })
  }
  t.strictSame(await runStage(build({}, [uppercase()]), [Buffer.from('a\nb\n')]), [Buffer.from('A\nB\n')])
})

t.test('the chunk that came in is not changed', async t => {
  const chunk = Buffer.from('abc\n')
  t.strictSame(await runStage(build({}, [uppercase()]), [chunk]), [Buffer.from('ABC\n')])
  t.equal(chunk.toString(), 'abc\n')
})
