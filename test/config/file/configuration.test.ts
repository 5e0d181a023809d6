import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { type FileOptions, readConfiguration } from '../../../lib/config/file/configuration.js'
import { loadFile } from '../../../lib/config/file/load-file.js'
import { runStage } from '../../../lib/testing/index.js'
import { runs } from '../../runs.js'
import { scriptPath } from '../../script-path.js'

const OPTIONS: FileOptions = { environment: {}, folder: process.cwd() }

/** Reads a file that has no problems. */
async function read(text: string, environment: FileOptions['environment'] = {}) {
  const { configuration, problems } = await readConfiguration(text, { ...OPTIONS, environment })
  if (configuration === undefined) throw new Error(JSON.stringify(problems, null, 2))
  return configuration
}

/** The problems of a file, each as `line:column: message`. */
async function problemsOf(text: string, environment: FileOptions['environment'] = {}) {
  const { configuration, problems } = await readConfiguration(text, { ...OPTIONS, environment })
  if (configuration !== undefined) return []
  return problems.map(({ at, message, remedy }) => {
    const before = text.slice(0, at.start).split('\n')
    return `${before.length}:${(before.at(-1) as string).length + 1}: ${message}${remedy && ` ${remedy}`}`
  })
}

/** What a pipeline of a file answers. */
async function answer(text: string, input: string, environment?: FileOptions['environment']) {
  const { listeners } = await read(text, environment)
  const chunks = await runStage(listeners[0]!.pipeline, [Buffer.from(input)])
  return Buffer.concat(chunks).toString()
}

const EXAMPLE = `# yaml-language-server: $schema=…
listeners:
  - name: shout
    listen: { host: 0.0.0.0, port: 8080, idleTimeout: 5m }
    pipeline:
      - lines: { maxLength: 4KiB }
      - uppercase
      - toLines
      - welcome: "Type a line and press Enter. I will shout it back.\\n"
tests:
  - name: shouts
    pipeline: shout
    send: "hello\\n"
    expect: "Type a line and press Enter. I will shout it back.\\nHELLO\\n"
`

const GREETING = 'Type a line and press Enter. I will shout it back.\n'

const withStages = (...items: string[]) =>
  `listeners:\n  - name: a\n    pipeline:\n${items.map(item => `      - ${item}\n`).join('')}`

t.test('each bad file has its problems, all of them, with place and remedy', async t => {
  const files = readFileSync('test/config/file/bad-files.txt', 'utf8').split(/^====\n/m)
  t.ok(files.length >= 90, 'many files')
  for (const file of files) {
    const [text = '', expected = ''] = file.split(/^----\n/m)
    t.strictSame(
      await problemsOf(text, { TEXT: 'abc' }),
      expected.trimEnd().split('\n'),
      JSON.stringify(text),
    )
  }
})

t.test('a file has listeners with their options, and tests', async t => {
  const { listeners, tests } = await read(EXAMPLE)
  const [shout] = listeners
  t.equal(listeners.length, 1)
  t.match(shout, { name: 'shout', listen: { host: '0.0.0.0', port: 8080, idleTimeout: 300_000 } })
  t.equal(shout?.pipeline.name, 'lines | uppercase | toLines | welcome')
  t.equal(await answer(EXAMPLE, 'hello\n'), `${GREETING}HELLO\n`)
  t.equal(tests[0]?.name, 'shouts')
  t.equal(tests[0]?.pipeline, shout?.pipeline, 'a test of a listener tests its pipeline')
  t.equal(tests[0]?.send.toString(), 'hello\n')
  t.equal(tests[0]?.expect.toString(), `${GREETING}HELLO\n`)
})

t.test('the same file as JSON is the same', async t => {
  const json = JSON.stringify({
    $schema: './node_modules/bywash/dist/bywash.schema.json',
    listeners: [
      {
        name: 'shout',
        listen: { host: '0.0.0.0', port: 8080, idleTimeout: '5m' },
        pipeline: [{ lines: { maxLength: '4KiB' } }, 'uppercase', 'toLines', { welcome: GREETING }],
      },
    ],
  })
  const [[yaml], [fromJson]] = [(await read(EXAMPLE)).listeners, (await read(json)).listeners]
  t.strictSame(fromJson?.listen, yaml?.listen)
  t.equal(fromJson?.written, yaml?.written)
})

t.test('options of a listener may be texts with units, numbers and lists', async t => {
  const options =
    '{ port: 0, drainTimeout: 30s, frameTimeout: 1h, shutdownTimeout: 500ms, idleTimeout: 0, allow: [10.0.0.0/8, "::1"] }'
  const { listeners } = await read(`listeners:\n  - { name: a, listen: ${options}, pipeline: echo }`)
  t.match(listeners[0]?.listen, {
    port: 0,
    drainTimeout: 30_000,
    frameTimeout: 3_600_000,
    shutdownTimeout: 500,
    idleTimeout: 0,
    allow: ['10.0.0.0/8', '::1'],
  })
})

t.test('listeners on different addresses, or on ports that the system chooses, do not collide', async t => {
  const listener = (name: string, listen: string) =>
    `  - { name: ${name}, listen: ${listen}, pipeline: echo }\n`
  const { listeners } = await read(
    `listeners:\n${listener('a', '{ port: 0 }')}${listener('b', '{ port: 0 }')}` +
      `${listener('c', '{ host: 127.0.0.1 }')}${listener('d', '{ host: 127.0.0.2 }')}` +
      listener('e', '{ host: "::1" }'),
  )
  t.equal(listeners.length, 5)
})

t.test('a pipeline is a preset by its name, also with options', async t => {
  t.equal(await answer('listeners: [{ name: a, pipeline: uppercase }]', 'x'), `${GREETING}X\n`)
  t.equal(await answer('listeners: [{ name: a, pipeline: preset:uppercase }]', 'x'), `${GREETING}X\n`)
  t.equal(await answer(withStages('preset:uppercase: { banner: "hi\\n" }'), 'x'), 'hi\nX\n')
})

t.test(
  'a stage takes one argument by itself, several as a list, with options at its end or by name',
  async t => {
    const replaced = [
      'replace: [a, b]',
      'replace: { text: a, by: b }',
      'replace: [a, b, {}]',
      'replace: { by: b, text: a }',
    ]
    for (const item of replaced)
      t.equal(await answer(withStages('lines', item, 'toLines'), 'a\n'), 'b\n', item)
    t.equal(await answer(withStages('lines', 'grep: [a, { invert: true }]', 'toLines'), 'a\nb\n'), 'b\n')
    t.equal(await answer(withStages('lines: {}', 'prefix: "5"', 'toLines:'), 'a\n'), '5a\n')
  },
)

t.test('a test sends text, base64, hexadecimal digits, or a list of these, and may send nothing', async t => {
  const test = (name: string, keys: string) => `  - { name: ${name}, pipeline: echo, ${keys} }\n`
  const { tests } = await read(
    `listeners: [{ name: a, pipeline: echo }]\ntests:\n` +
      test('text', 'send: "é", expect: "é"') +
      test('bytes', 'send: { base64: /w== }, expect: { hex: fF }') +
      test('list', 'send: ["a", { hex: "62 63" }], expect: [abc]') +
      test('nothing', 'expect: ""'),
  )
  const sent = tests.map(({ send, expect }) => [send.toString('hex'), expect.toString('hex')])
  t.strictSame(sent, [
    ['c3a9', 'c3a9'],
    ['ff', 'ff'],
    ['616263', '616263'],
    ['', ''],
  ])
})

t.test('a test sends no more than can be cut in every way', async t => {
  const file = (length: number) =>
    `listeners: [{ name: a, pipeline: echo }]\ntests: [{ name: x, pipeline: a, expect: ${'y'.repeat(length)} }]`
  t.strictSame(await problemsOf(file(65_536)), [])
  t.match(await problemsOf(file(65_537)), [
    "2:41: 'expect' is 65537 bytes long, but at most 65536 are cut in every way. Test longer ones in code, with 'bywash/testing'.",
  ])
})

t.test('the environment gives values, and defaults stand for what is not set or empty', async t => {
  const file = withStages('lines', 'prefix: "${A}|${B:-b}|${C:-c}|${D:-}|${E}|$A|$${A}|$$"', 'toLines')
  t.equal(await answer(file, 'x\n', { A: 'a', C: '', E: '' }), 'a|b|c|||$A|${A}|$$x\n')
  const { listeners } = await read(
    'listeners: [{ name: "n-${N}", listen: { port: "${PORT:-9000}" }, pipeline: echo }]',
    {
      N: '1',
    },
  )
  t.match(listeners[0], { name: 'n-1', listen: { port: 9000 } }, 'also where a number is wanted')
  t.strictSame(await problemsOf(withStages('lines: { maxLength: "${MAX}" }', 'toLines'), { MAX: 'many' }), [
    "4:29: Stage 'lines': 'maxLength' is a whole number, from 1 to 268435456; got \"many\". Write a size such as 4096, 4KiB or 1MiB.",
  ])
})

t.test('a value of the environment stays one text, whatever is in it', async t => {
  for (const value of [
    '"\n- gunzip: {}\n',
    '${OTHER}',
    '$${OTHER}',
    '{ a: b }',
    '*x',
    '# no',
    'null',
    '5',
    '$(id)',
    '`id`',
    '$&',
  ]) {
    const file = withStages('lines', 'prefix: ${VALUE}', 'toLines')
    t.equal(await answer(file, 'x\n', { VALUE: value, OTHER: 'other' }), `${value}x\n`, JSON.stringify(value))
  }
})

t.test('only the environment gives values: not what every object has', async t => {
  const file = withStages('welcome: ${toString}', 'welcome: ${constructor}', 'welcome: ${__proto__}')
  t.strictSame(await problemsOf(file), [
    "4:18: The environment has no 'toString'. Set it, or write ${toString:-default}.",
    "5:18: The environment has no 'constructor'. Set it, or write ${constructor:-default}.",
    "6:18: The environment has no '__proto__'. Set it, or write ${__proto__:-default}.",
  ])
})

t.test('keys, comments and what names code are taken as they are written', async t => {
  t.strictSame(await problemsOf('# ${NOT_SET}\nlisteners: [{ name: a, pipeline: echo }]'), [])
  const message =
    'The environment cannot choose what runs: no stage, pipeline or module. Write its name, and ${NAME} in values only.'
  const environment = { NAME: 'echo' }
  t.strictSame(await problemsOf('listeners: [{ name: a, pipeline: "${NAME}" }]', environment), [
    `1:34: ${message}`,
  ])
  t.strictSame(await problemsOf(withStages('${NAME}: {}'), environment), [`4:9: ${message}`])
})

t.test('an alias stands for its anchor, within limits', async t => {
  const shared = `listeners:\n  - { name: a, listen: { port: 0 }, pipeline: &p [lines, toLines] }\n  - { name: b, pipeline: *p }`
  const { listeners } = await read(shared)
  t.equal(listeners[0]?.written, listeners[1]?.written)
  const names = 'abcdefgh'
  const laughs = [...names].map((name, index) =>
    index === 0 ? 'a: &a [x]' : `${name}: &${name} [${Array(10).fill(`*${names[index - 1]}`)}]`,
  )
  t.strictSame(await problemsOf(laughs.join('\n')), [
    '6:11: The file has more than 100000 values. Use fewer aliases, or several files.',
  ])
})

t.test('an anchor may come again, and an alias within an alias stays what it was', async t => {
  const file = withStages(
    'lines',
    'prefix: &a one',
    'replace: &b [*a, x]',
    'prefix: &a two',
    'replace: *b',
    'toLines',
  )
  const { listeners } = await read(file)
  t.match(listeners[0]?.written, /"one".*"one".*"x".*"two".*"one".*"x"/)
  t.strictSame(await problemsOf('a: &a { b: 1, b: 2 }\nc: [*a, *a]'), [
    "1:15: The key 'b' is here twice. Remove one of the two.",
  ])
  t.match(await problemsOf('a: &a [&b [*a]]\nc: *a'), [
    "1:12: The alias '*a' stands within what it names. Write the values out.",
  ])
})

t.test('what is nested too deep is refused before it is read', async t => {
  for (const text of [
    '['.repeat(100_000),
    '- '.repeat(100_000),
    '{a: '.repeat(100_000),
    '? '.repeat(100_000),
  ]) {
    const problems = await problemsOf(text)
    t.match(problems, [/: This is nested more than 64 levels deep\. Make it flatter\.$/], text.slice(0, 8))
  }
})

t.test('a module adds its stages, from the folder of the file', async t => {
  const folder = t.testdir({
    'stages.mjs': `import { map } from ${JSON.stringify(pathToFileURL(scriptPath('lib/index')))}
export const twice = map('twice', line => line + line)
`,
    'broken.mjs': 'throw undefined',
    'bywash.yaml': `import: ./stages.mjs\n${withStages('lines', 'twice', 'toLines')}`,
    'bad.yaml': `import: [./stages.mjs, ./broken.mjs]\n${withStages('lines', 'twice', 'toLines')}`,
  })
  const { configuration, problems } = await loadFile(`${folder}/bywash.yaml`, OPTIONS)
  t.strictSame(problems, [])
  t.equal(String(await runStage(configuration!.listeners[0]!.pipeline, [Buffer.from('a\n')])), 'aa\n')
  const bad = await loadFile(`${folder}/bad.yaml`, OPTIONS)
  t.match(bad.problems, [/bad\.yaml:1:24: '\.\/broken\.mjs' cannot be imported: undefined\.$/])
})

t.test(
  'whatever is in a file, it has listeners or problems, and each problem has a place in it',
  async () => {
    const words = fc.constantFrom(
      ...[
        'listeners',
        'tests',
        'import',
        'name',
        'listen',
        'pipeline',
        'send',
        'expect',
        'port',
        'host',
        'lines',
      ],
      ...[
        'uppercase',
        'toLines',
        'welcome',
        'echo',
        'maxLength',
        '4KiB',
        '5m',
        '__proto__',
        '${A}',
        '${',
        'replace',
      ],
    )
    const { value } = fc.letrec(tie => ({
      value: fc.oneof(
        { maxDepth: 5 },
        words,
        fc.oneof(fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.oneof(words, fc.string()), tie('value'), { maxKeys: 5 }),
      ),
    }))
    const syntax = fc.constantFrom(
      ...' \n\t-:{}[],#&*!|>\'"%@`?$',
      '\n  - ',
      ': ',
      '---\n',
      '&a ',
      '*a',
      '<<: ',
      '\\x',
    )
    const shaped = fc.record({
      listeners: fc.array(fc.record({ name: words, listen: value, pipeline: value }, { requiredKeys: [] })),
      tests: value,
    })
    const document = fc.oneof(
      fc.string(),
      fc.array(fc.oneof(words, syntax), { maxLength: 60 }).map(parts => parts.join('')),
      fc.oneof(value, shaped).map(value => JSON.stringify(value)),
      fc
        .tuple(fc.nat(EXAMPLE.length), fc.nat(20), fc.oneof(syntax, words, fc.string()))
        .map(([at, length, put]) => EXAMPLE.slice(0, at) + put + EXAMPLE.slice(at + length)),
    )
    await fc.assert(
      fc.asyncProperty(document, async text => {
        const { configuration, problems } = await readConfiguration(text, { ...OPTIONS, folder: '/none' })
        if ((configuration === undefined) !== problems.length > 0) throw new Error('neither, or both')
        for (const { at, message, remedy } of problems) {
          if (at.start < 0 || at.start > text.length) throw new Error(`${at.start} is not in the file`)
          if (!/[.?]$/.test(message)) throw new Error(`no sentence: ${message}`)
          if (remedy !== '' && !/[.?]$/.test(remedy)) throw new Error(`no sentence: ${remedy}`)
        }
      }),
      { numRuns: runs(1000) },
    )
  },
)

t.test('workers are the same for all listeners, and have to suit each of them', async t => {
  const file = (workers: string, listen: string) =>
    `workers: ${workers}\nlisteners: [{ name: a, listen: ${listen}, pipeline: echo }]`
  for (const [workers, expected] of [
    ['3', { count: 3 }],
    ['auto', { count: 'auto' }],
    ['"${COUNT}"', { count: 4 }],
    ['{ count: 2, spread: primary }', { count: 2, spread: 'primary' }],
  ] as const) {
    const environment = { COUNT: '4' }
    const { configuration } = await readConfiguration(file(workers, '{ port: 1 }'), {
      environment,
      folder: '/',
    })
    t.strictSame(configuration?.workers, expected)
  }
  t.match(await problemsOf(file('{ count: 2, spread: kernel }', '{ path: ./a.sock }')), [
    /^1:10: 'workers': 'spread' is 'kernel', which .*; or leave 'spread' out/,
  ])
})
