import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { runTest } from '../../../lib/cli/test-runner.js'
import { loadFile } from '../../../lib/config/file/load-file.js'
import { asyncMap, lines, pipeline, stage, toLines } from '../../../lib/index.js'
import { tee } from '../../../lib/stages/index.js'
import { fillFifo, makeFifo, NO_FIFO } from '../../fifo.js'
import { scriptPath } from '../../script-path.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

const LIBRARY = JSON.stringify(pathToFileURL(scriptPath('lib/index')))

const STAGES = `import { map, stage } from ${LIBRARY}
export const broken = map('broken', line => { throw new Error('no \\u001b' + line) })
export const chopping = stage({ name: 'chopping', accepts: 'bytes', emits: 'bytes', open: () => {
  let count = 0
  return { transform: (chunk, controller) => controller.enqueue(++count === 12 ? Buffer.from('!') : chunk) }
} })
export const cutting = stage({ name: 'cutting', accepts: 'bytes', emits: 'bytes', open: () => {
  let count = 0
  return { transform: (chunk, controller) => controller.enqueue(count++ === 0 ? chunk : Buffer.from('|' + chunk)) }
} })
`

/** Runs 'bywash test' on a file with these tests. */
async function test(t: Test, tests: readonly string[], io = new FakeIo()) {
  const file = `import: ./stages.mjs
listeners:
  - { name: shout, listen: { port: 0 }, pipeline: [lines, uppercase, toLines] }
${tests.length === 0 ? '' : 'tests:\n'}${tests.map(each => `  - { ${each} }\n`).join('')}`
  const folder = t.testdir({ 'bywash.yaml': file, 'stages.mjs': STAGES })
  return runCommand(['test', `${folder}/bywash.yaml`], '', io)
}

t.test('tests of listeners, presets and lists of stages run in every cut on both plans', async t => {
  const result = await test(t, [
    'name: a listener, pipeline: shout, send: "héllo\\nx", expect: "HéLLO\\nX\\n"',
    'name: a preset, pipeline: welcome, expect: "Welcome to the echo server! Type anything and press Enter.\\n"',
    'name: stages, pipeline: [toHex], send: { hex: ff00 }, expect: ff00',
  ])
  t.match(result, {
    exitCode: 0,
    printed:
      /^ok {3}a listener \(\d+ runs\)\nok {3}a preset \(\d+ runs\)\nok {3}stages \(\d+ runs\)\n3 tests passed\.\n$/,
    logged: '',
  })
  const [runs] = result.printed.match(/\d+/g) ?? []
  t.ok(Number(runs) >= 2 * (7 + 5), 'at least once for each place, on both plans')
})

t.test('test --json prints the results, with bytes as files write them', async t => {
  const folder = t.testdir({
    'bywash.yaml': `listeners: [{ name: a, pipeline: echo }]
tests:
  - { name: good, pipeline: a, send: x, expect: x }
  - { name: text, pipeline: a, send: x, expect: y }
  - { name: bytes, pipeline: a, send: { hex: ff }, expect: { hex: fe } }
`,
    'bad.yaml': 'listeners: []\n',
  })
  const { exitCode, printed, logged } = await runCommand(['test', '--json', `${folder}/bywash.yaml`])
  t.strictSame([exitCode, logged], [1, ''])
  const report = JSON.parse(printed)
  t.match(report, { file: `${folder}/bywash.yaml`, problems: [], passed: 1, failed: 2 })
  const [good, text, bytes] = report.tests
  t.match(good, { name: 'good', passed: true, runs: Number })
  t.notOk('failure' in good)
  t.match(text, {
    name: 'text',
    passed: false,
    failure: { plan: 'fused', sent: ['x'], expected: 'y', received: 'x' },
  })
  t.match(bytes.failure, {
    sent: [{ base64: '/w==' }],
    expected: { base64: '/g==' },
    received: { base64: '/w==' },
  })
  const bad = await runCommand(['test', '--json', `${folder}/bad.yaml`])
  t.equal(bad.exitCode, 2)
  t.match(JSON.parse(bad.printed), { problems: [{ line: 1, column: 12 }], passed: 0, failed: 0, tests: [] })
})

t.test('test --json exits 0 when all pass', async t => {
  const folder = t.testdir({
    'bywash.yaml':
      'listeners: [{ name: a, pipeline: echo }]\ntests: [{ name: good, pipeline: a, expect: "" }]\n',
  })
  const { exitCode, printed } = await runCommand(['test', '--json', `${folder}/bywash.yaml`])
  t.equal(exitCode, 0)
  t.match(JSON.parse(printed), { passed: 1, failed: 0 })
})

t.test('a test that fails shows what differs, and the exit code is 1', async t => {
  t.strictSame(
    await test(t, [
      'name: one, pipeline: shout, send: "a\\nb\\nc\\n", expect: "A\\nb\\nC\\n"',
      'name: two, pipeline: shout, send: "a", expect: "A\\n"',
    ]),
    {
      exitCode: 1,
      printed: `FAIL one
     with plan 'fused', sent at once
     - expected
     + received
       A\\n
     - b\\n
     + B\\n
       C\\n
ok   two (48 runs)
1 of 2 tests failed.
`,
      logged: '',
    },
  )
})

t.test('a cut that changes the answer is shown with the pieces, the fewest that were found', async t => {
  const digits = '0123456789'.repeat(10)
  const { exitCode, printed } = await test(t, [
    `name: short, pipeline: [cutting], send: "one\\nß", expect: "one\\nß"`,
    `name: long, pipeline: [cutting], send: "${digits}", expect: "${digits}"`,
    `name: many, pipeline: [chopping], send: "0123456789ab", expect: "0123456789ab"`,
  ])
  t.equal(exitCode, 1)
  t.match(printed, "FAIL short\n     with plan 'fused', sent in 2 pieces: 'o' 'ne\\nß'\n")
  t.match(
    printed,
    "FAIL long\n     with plan 'fused', sent in 2 pieces: '0' '12345678901234567890…01234567890123456789'\n",
  )
  t.match(
    printed,
    "FAIL many\n     with plan 'fused', sent in 12 pieces: '0' '1' '2' '3' '4' '5' '6' '7' …\n",
  )
})

t.test('a stage that fails is named, without what a terminal obeys', async t => {
  const { exitCode, printed } = await test(t, [
    'name: x, pipeline: [lines, broken, toLines], send: "a\\n", expect: ""',
  ])
  t.equal(exitCode, 1)
  t.equal(
    printed,
    "FAIL x\n     with plan 'fused', sent at once\n     Stage 'broken' failed in transform: no \\x1ba\n1 of 1 test failed.\n",
  )
})

t.test('colours are for terminals, and not for those who mind them', async t => {
  const tests = [
    'name: good, pipeline: shout, send: a, expect: "A\\n"',
    'name: bad, pipeline: shout, send: a, expect: "B\\n"',
  ]
  const terminal = (env: Record<string, string>) => {
    const io = new FakeIo()
    Object.assign(io.stdout, { isTTY: true })
    io.env = env
    return io
  }
  const { printed } = await test(t, tests, terminal({}))
  t.match(printed, '\x1b[32mok\x1b[39m   good')
  t.match(printed, '\x1b[31mFAIL\x1b[39m bad')
  t.match(printed, '     \x1b[31m- B\\n\x1b[39m\n     \x1b[32m+ A\\n\x1b[39m\n')
  t.notMatch((await test(t, tests, terminal({ NO_COLOR: '1' }))).printed, '\x1b')
  t.notMatch((await test(t, tests)).printed, '\x1b')
})

t.test('a file with problems is not run: they are printed, and the exit code is 2', async t => {
  const { exitCode, printed, logged } = await test(t, ['name: x, pipeline: shuot, expect: a', 'nam: y'])
  t.equal(exitCode, 2)
  t.equal(printed, '')
  t.match(logged, /:5:26: There is no listener and no preset named 'shuot'\. .*\n.*:6:5: /)
})

t.test('a file without tests says so', async t => {
  t.strictSame(await test(t, []), { exitCode: 0, printed: 'The file has no tests.\n', logged: '' })
})

t.test('a stage that never answers does not hang the tests', async t => {
  const silent = pipeline()
    .through(lines())
    .through(asyncMap('silent', () => new Promise<string>(() => {})))
    .through(toLines())
  const { runs, failure } = await runTest(
    { name: 'x', pipeline: silent, send: Buffer.from('a\n'), expect: Buffer.from('a\n') },
    50,
  )
  t.ok(runs > 1)
  t.match(failure, {
    fault: "Stage 'silent' has not answered for 50 ms: it may not have called back.",
    chunks: [Buffer.from('a\n')],
    received: Buffer.alloc(0),
  })
})

t.test(
  'a copy that is not complete is said once a test, with the number of runs, and fails if it must not be',
  async t => {
    const folder = t.testdir()
    const tests = (policy: string) =>
      test(t, [
        `name: a, pipeline: [{ tee: { to: ${folder}/no/copy, onError: ${policy} } }], send: "abc", expect: "abc"`,
      ])
    const dropped = await tests('drop')
    t.match(dropped, { exitCode: 0, printed: /^ok {3}a / })
    t.match(
      dropped.logged,
      /^(a: Stage 'tee' could not write to its sink: ENOENT: .*\. \d items? (is|are) missing .* \(\d+ runs\)\n)+$/,
    )
    t.match(await tests('fail'), {
      exitCode: 1,
      printed: /Stage 'tee' could not write to its sink: ENOENT/,
      logged: '',
    })
  },
)

t.test('a copy that nobody takes does not hang the tests', { skip: NO_FIFO }, async t => {
  const to = makeFifo(t)
  fillFifo(t, to)
  const send = Buffer.from('abc')
  const { losses, failure } = await runTest(
    { name: 'x', pipeline: pipeline().through(tee({ to })), send, expect: send },
    50,
  )
  t.equal(failure, undefined)
  t.match([...losses.keys()].join(), /had not taken everything/)
})

t.test('a long input is not cut at every place, but on both plans and byte by byte', async t => {
  const seen = new Map<string, number>()
  const counting = pipeline().through(
    stage<Buffer, Buffer>({
      name: 'counting',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => {
        let count = 0
        return {
          transform: (chunk, controller) => {
            count++
            controller.enqueue(chunk)
          },
          close: () => void seen.set(`${count}`, (seen.get(`${count}`) ?? 0) + 1),
        }
      },
    }),
  )
  const send = Buffer.alloc(3000, 'x')
  const { runs, failure } = await runTest({ name: 'x', pipeline: counting, send, expect: send })
  t.equal(failure, undefined)
  t.ok(runs < 2 * 1100, `${runs} runs`)
  t.equal(seen.get('2'), 2 * 1000, 'cut in two')
  t.ok((seen.get('3000') ?? 0) >= 2, 'byte by byte')
})

t.test('each test of the file that init writes is one that can fail', async t => {
  const folder = t.testdir()
  await runCommand(['init', `${folder}/bywash.yaml`])
  const { configuration } = await loadFile(`${folder}/bywash.yaml`, { environment: {} })
  for (const each of configuration?.tests ?? []) {
    t.match(await runTest({ ...each, expect: Buffer.concat([each.expect, Buffer.from('x')]) }), {
      failure: { isGood: false },
    })
  }
})
