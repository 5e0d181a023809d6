import fc from 'fast-check'
import t from 'tap'
import { lines, map, pipeline, type TransformerStage, tap, unlines, uppercase } from '../lib/index.js'
import { chunkings, runStage } from '../lib/testing/index.js'

/** Swaps b and d, and says that it is bytewise; the stage that does not is what the rewritten one must equal. */
const swap = (line: string) => line.replace(/[bd]/g, letter => (letter === 'b' ? 'd' : 'b'))
const bytewise = true
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

t.test('a function that is not bytewise is refused when the stage is made', async t => {
  const refused: Record<string, [(line: string) => string, RegExp]> = {
    'a character becomes two': [line => line.replaceAll('b', 'bb'), /"b" became "bb"/],
    'a character goes': [line => line.replaceAll('b', ''), /"b" became ""/],
    'a character becomes a line feed': [line => line.replaceAll('b', '\n'), /"b" became "\\n"/],
    'a character leaves ASCII': [line => line.replaceAll('b', 'é'), /"b" became "é". Leave 'bytewise' out/],
    'a character becomes no text': [() => 7 as never, /"\\u0000" became 7/],
    'it throws': [
      line => {
        throw new Error(`no ${line.length}`)
      },
      /asks once for each ASCII character; "\\u0000" failed: Error: no 1/,
    ],
  }
  for (const [name, [line, message]] of Object.entries(refused)) {
    t.throws(() => map('x', line, { bytewise }), { code: 'ERR_BYWASH_INVALID_OPTION', message }, name)
  }
})

t.test('in development a stage that breaks its promise to be bytewise is found out', async t => {
  const wrong: Record<string, (line: string) => string> = {
    'by the place': line => line.replace(/^a/, 'b'),
    'by its neighbour': line => line.replace('ab', 'ba'),
    'beyond ASCII': line => line.replaceAll('é', 'e'),
    'by the length': line => (line.length > 1 ? `${line}!` : line),
  }
  t.teardown(() => {
    process.env.NODE_ENV = 'test'
  })
  for (const [name, line] of Object.entries(wrong)) {
    const served = build({}, [
      uppercase(),
      map('first', text => text.toLowerCase(), { bytewise }),
      map(name, line, { bytewise }),
    ])
    const run = () => runStage(served, [Buffer.from('ab\né\naab\n')])
    process.env.NODE_ENV = 'development'
    await t.rejects(run(), {
      code: 'ERR_BYWASH_STAGE',
      stage: name,
      message: `Stage '${name}' is 'bytewise', but did not change each character of a line on its own.`,
    })
    process.env.NODE_ENV = 'production'
  }
  process.env.NODE_ENV = 'development'
  t.strictSame(await runStage(build({}, [uppercase()]), [Buffer.from('a\nb\n')]), [Buffer.from('A\nB\n')])
})

t.test('the chunk that came in is not changed', async t => {
  const chunk = Buffer.from('abc\n')
  t.strictSame(await runStage(build({}, [uppercase()]), [chunk]), [Buffer.from('ABC\n')])
  t.equal(chunk.toString(), 'abc\n')
})
