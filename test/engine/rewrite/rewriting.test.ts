import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  Connection,
  grep,
  lines,
  map,
  type PlanMode,
  pipeline,
  type TransformerStage,
  tap,
  toLines,
  uppercase,
} from '../../../lib/index.js'
import { internalStage } from '../../../lib/stage.js'
import { chunkings, connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { RUNS_ALL, runs } from '../../runs.js'

/** Swaps b and d. As a stage that says `bytewise` it is rewritten, and must give the same as the stage that does not. */
const swap = (line: string) => line.replace(/[bd]/g, letter => (letter === 'b' ? 'd' : 'b'))
const bytewise = true
const upperByLine = map('uppercase by line', line => uppercaseLine(line))
const uppercaseLine = (line: string) => line.replace(/[a-z]/g, letter => letter.toUpperCase())

function build(options: Parameters<typeof lines>[0], middle: readonly TransformerStage<string, string>[]) {
  let decoded = pipeline().through(lines(options))
  for (const stage of middle) decoded = decoded.through(stage)
  return decoded.through(toLines({ encoding: options?.encoding ?? 'utf8' }))
}

const names = (built: ReturnType<typeof build>) =>
  built.explain().segments.flatMap(({ stages }) => stages.map(({ rewrite }) => rewrite))

t.test('blocks are searched for CR LF only if they have a CR', async t => {
  let searches = 0
  const { includes } = Buffer.prototype
  t.teardown(() => {
    Buffer.prototype.includes = includes
  })
  Buffer.prototype.includes = function (this: Buffer, ...parameters: Parameters<Buffer['includes']>) {
    if (parameters[0] === '\r\n') searches++
    return includes.apply(this, parameters)
  }
  const answer = async (text: string) =>
    Buffer.concat(await runStage(build({}, [uppercase()]), [Buffer.from(text)])).toString()
  t.equal(await answer('a\nb\n'), 'A\nB\n')
  t.equal(searches, 0)
  t.equal(await answer('a\rb\n'), 'A\rB\n')
  t.equal(await answer('a\r\nb\r\n'), 'A\nB\n')
  t.equal(searches, 2)
})

t.test('long lines of a block stay behind the short ones before them', async t => {
  const long = 'l'.repeat(1500)
  const exclaiming = build({}, [map('exclaim', line => `${line}!`)])
  for (const block of [
    [long, long],
    ['a', long, 'b'],
    ['a', long, long, 'b', 'c', long],
  ]) {
    const output = await runStage(exclaiming, [Buffer.from(`${block.join('\n')}\n`)])
    t.equal(String(Buffer.concat(output)), block.map(line => `${line}!\n`).join(''))
  }
})

t.test('stages that declare themselves bytewise run on blocks, ours and yours alike', async t => {
  const whole = 'lines | uppercase | swap | toLines'
  const rewritten = build({}, [uppercase(), map('swap', swap, { bytewise })])
  t.strictSame(names(rewritten), [whole, whole, whole, whole])
  t.match(String(rewritten.explain()), /uppercase: line to line \(on whole blocks of lines\)/)
  for (const options of [{}, { profile: 'split2' }, { partial: 'error' }] as const) {
    t.strictSame(names(build(options, [])), ['lines | toLines', 'lines | toLines'])
  }
})

t.test('stages that map a line as a whole, or look at it, run in one loop', async t => {
  const whole = 'lines | look | uppercase | swap | toLines'
  const rewritten = build({}, [tap('look', () => {}), uppercase(), map('swap', swap)])
  t.strictSame(names(rewritten), [whole, whole, whole, whole, whole])
  t.match(String(rewritten.explain()), /swap: line to line \(in one loop over lines\)/)
})

t.test('each stage runs for itself where a stage, a delimiter or an encoding asks for it', async t => {
  const none = (built: ReturnType<typeof build>) => t.ok(names(built).every(rewrite => rewrite === undefined))
  none(build({}, [grep('a'), uppercase()]))
  none(
    pipeline()
      .through(lines())
      .through(toLines({ delimiter: '\r\n' })),
  )
  none(
    pipeline()
      .through(lines({ encoding: 'latin1' }))
      .through(toLines()),
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
    { numRuns: runs(300) },
  )
})

/** Runs the stages; returns their output, how they ended, and the counts of each. */
async function outcomeOf(built: ReturnType<typeof build>, plan: PlanMode, chunks: readonly Buffer[]) {
  const connection = new Connection(1)
  const run = runStage(built, chunks, { plan, connection })
  const { output, code, stage } = await run.then(
    output => ({ output, code: 'none', stage: 'none' }),
    error => error as { output: Buffer[]; code: string; stage: string },
  )
  // On blocks the characters of a line are counted as bytes.
  const isAscii = [...chunks, ...output].every(bytes => bytes.every(byte => byte < 0x80))
  const size = (bytes: number) => (isAscii ? bytes : 0)
  const counts = connection.counts.map(({ name, in: { bytes, items }, out }, index, { length }) => ({
    name,
    // The number of chunks is left out at both ends: the plans may cut bytes into chunks as they like.
    in: [size(bytes), index === 0 ? 0 : items],
    out: [size(out.bytes), index === length - 1 ? 0 : out.items],
  }))
  return { output: Buffer.concat(output).toString('latin1'), code, stage, counts }
}

t.test(
  'any list of line stages gives and counts the same on both plans, for any bytes and any cut',
  async t => {
    const choosy = (line: string) => {
      if (line.includes('x')) throw new Error('no x')
      return line.includes('y') ? (7 as never) : line
    }
    const middle = fc.array(
      fc.constantFrom(
        uppercase(),
        map('swap', swap, { bytewise }),
        map('twice', line => line + line),
        map('accent', line => `${line}é€😀`),
        map('long', line => line.padEnd(600, '-')),
        map('choosy', choosy),
        tap<string>('look', () => {}),
        tap<string>('shy', line => void choosy(line.replaceAll('y', ''))),
        grep('a', { invert: true }),
      ),
      { maxLength: 5 },
    )
    const input = fc
      .array(
        fc.constantFrom('a', 'b', 'b', 'x', 'y', '\r', '\n', '\n', '\r\n', 'é', '😀', 'b'.repeat(1_500)),
        {
          maxLength: 20,
        },
      )
      .map(list => Buffer.from(list.join('')))
    const options = fc.record({
      delimiter: fc.constantFrom('\n' as const, '\r?\n' as const),
      encoding: fc.constantFrom('utf8' as const, 'latin1' as const),
      maxLength: fc.constantFrom(5, 2_000),
      overflow: fc.constantFrom('error' as const, 'truncate' as const, 'skip' as const),
    })
    await fc.assert(
      fc.asyncProperty(input, middle, options, fc.nat(), async (input, middle, options, seed) => {
        const built = build(options, middle)
        const [whole = [], ...cuts] = chunkings(input, { seed, random: 2, places: RUNS_ALL ? 1_000_000 : 50 })
        const expected = await outcomeOf(built, 'streams', whole)
        for (const chunks of [whole, ...cuts]) {
          const got = await outcomeOf(built, 'fused', chunks)
          if (expected.code === 'none') {
            assert.deepEqual(got, expected)
          } else {
            // The counts may differ: a plan may have given more items to the stages before the one that failed.
            assert.deepEqual({ ...got, counts: [] }, { ...expected, counts: [] })
          }
        }
      }),
      { numRuns: runs(200) },
    )
    t.pass()
  },
)

t.test('a decoder that declares blocks takes part in a loop, with what it makes of them', async t => {
  const words = internalStage<Buffer, string>({
    name: 'words',
    accepts: 'bytes',
    emits: 'line',
    open: () => ({
      transform: (chunk, controller) => {
        for (const word of String(chunk).split(' ')) controller.enqueue(word)
      },
    }),
    blocks: {
      role: 'decode',
      encoding: 'utf8',
      open: () => ({
        push: (chunk, emit) => emit(Buffer.from(`${String(chunk).replaceAll(' ', '\n')}\n`)),
        end: () => undefined,
      }),
    },
  })
  const served = pipeline()
    .through(words)
    .through(map('twice', word => word + word))
    .through(toLines())
  for (const plan of PLANS) {
    const clock = fakeClock()
    const client = connect(served, { plan, connection: new Connection(1, {}, clock) })
    client.send('ab c')
    t.equal(String(await client.receive(8)), 'abab\ncc\n')
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(60_000)
    client.end()
    t.equal((await client.outcome).reason, 'end')
  }
})

t.test('a failure in a loop is that of the stage in which it was, behind the lines before it', async t => {
  for (const plan of PLANS) {
    const fragile = map('fragile', line => {
      if (line === 'no') throw new Error('it broke')
      return line
    })
    const connection = new Connection(1)
    const built = build({}, [map('first', line => line), fragile, map('last', line => `${line}!`)])
    const run = runStage(built, [Buffer.from('a\nb\nno\nc\n')], { plan, connection })
    await t.rejects(run, {
      code: 'ERR_BYWASH_STAGE',
      stage: 'fragile',
      message: "Stage 'fragile' failed in transform: it broke",
    })
    const { output } = (await run.catch(error => error)) as { output: Buffer[] }
    t.equal(String(Buffer.concat(output)), 'a!\nb!\n')
    if (plan === 'streams') continue
    t.strictSame(
      connection.counts.map(({ out }) => out.items),
      [3, 3, 2, 2, 1],
    )
  }
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
