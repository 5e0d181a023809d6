import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { Transform } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { counter, defineStage, InvalidFrameError, map, stage } from '../../lib/index.js'
import { catalogue } from '../../lib/stages/catalogue.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { CLIENTS, type ClientName } from './clients.js'
import { differences } from './differences.js'
import { TRANSPORTS } from './fuzz-case.js'
import { hunt } from './hunt.js'
import { type Factories, fitted, pipelineOf } from './stage-list.js'
import { writtenTest } from './written-test.js'

const LINES = { accepts: 'line', emits: 'line' } as const
const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
const opened: number[] = []
t.teardown(() => opened.forEach(closeSync))

/** Stages that are broken, each in a way of its own, and what is said of them. */
const BROKEN = {
  'depends on how its input is cut': {
    factory: defineStage({
      name: 'broken',
      summary: 'writes a bar behind each chunk',
      ...BYTES,
      make: () => map<Buffer, Buffer>('broken', chunk => Buffer.concat([chunk, Buffer.from('|')]), BYTES),
    }),
    found: /: bytes: .*, and not /,
  },
  'differs between the plans': {
    factory: defineStage({
      name: 'broken',
      summary: 'forgets empty lines where it is a stream',
      ...LINES,
      make: () =>
        stage<string, string>({
          name: 'broken',
          ...LINES,
          open: () => ({}),
          stream: () =>
            new Transform({
              objectMode: true,
              transform: (line: string, _encoding, callback) =>
                line === '' ? callback() : callback(null, line),
            }),
        }),
    }),
    found: /^memory, streams, whole: bytes: /,
  },
  'reports what depends on how its input is cut': {
    factory: defineStage({
      name: 'broken',
      summary: 'reports each chunk',
      ...BYTES,
      make: () =>
        stage<Buffer, Buffer>({
          name: 'broken',
          ...BYTES,
          open: () => ({
            transform: (chunk, controller) => {
              controller.report(new InvalidFrameError('broken', `it has ${chunk.length} bytes`))
              controller.enqueue(chunk)
            },
          }),
        }),
    }),
    found: /: onError: /,
  },
  'leaks a descriptor': {
    factory: defineStage({
      name: 'broken',
      summary: 'opens a file for each connection',
      ...BYTES,
      make: () =>
        stage<Buffer, Buffer>({
          name: 'broken',
          ...BYTES,
          open: () => {
            opened.push(openSync('/dev/null', 'r'))
            return {}
          },
        }),
    }),
    found: /^descriptors: left open is .*\/dev\/null/,
  },
  'leaves a promise that is rejected': {
    factory: defineStage({
      name: 'broken',
      summary: 'leaves a rejection for each line',
      ...LINES,
      make: () =>
        map('broken', line => {
          Promise.reject(new Error('left behind'))
          return line
        }),
    }),
    found: /^unhandledRejection: left behind/,
  },
}

for (const [title, { factory, found }] of Object.entries(BROKEN)) {
  t.test(`a stage that ${title} is found within 100 cases, and reduced to a short list`, async t => {
    const few: Factories = new Map([
      ['broken', factory as never],
      ['counter', counter as never],
    ])
    const finding = await hunt(few, { seed: 1, runs: 100, closingTime: 20, reductions: 100 })
    t.match(finding?.found.join('\n'), new RegExp(found, 'm'))
    t.ok(finding?.tried.stages.some(([name]) => name === 'broken'))
    t.ok((finding?.tried.stages.length ?? 9) <= 3, 'nothing else is left but what leads to it and from it')
  })
}

t.test('the path of a finding repeats it', async t => {
  const { factory } = BROKEN['depends on how its input is cut']
  const few: Factories = new Map([['broken', factory as never]])
  const first = await hunt(few, { seed: 7, runs: 100 })
  let tries = 0
  const again = await hunt(few, { seed: 7, runs: 100, path: first?.path, onTry: () => tries++ })
  t.strictSame(again?.tried, first?.tried)
  t.strictSame(again?.found, first?.found)
  t.equal(tries, 1)
})

t.test('differences that are known are left out', async t => {
  const { factory } = BROKEN['depends on how its input is cut']
  t.equal(await hunt(new Map([['broken', factory as never]]), { seed: 7, runs: 20, ignore: /./ }), undefined)
})

t.test('a finding is written as a test that can be pasted', async t => {
  const code = writtenTest(
    {
      stages: [['delimited', { delimiters: [';', Buffer.of(0xff)] }]],
      chunks: [Buffer.from('a\n'), Buffer.of(0xff)],
      transport: 'tls',
      client: 'reset',
      leavesAt: 2,
      counted: true,
    },
    ['tls, reset, fused: it hangs'],
    catalogue,
  )
  t.equal(
    code,
    `t.test('each plan and client gives the same: delimited --delimiters \\';\\' --delimiters \\'\\\\xff\\'', async t => {
  // tls, reset, fused: it hangs
  const found = await differences({
    stages: [
      ['delimited', { delimiters: [';', Buffer.from('ff', 'hex')] }],
    ],
    chunks: [Buffer.from('a\\n'), Buffer.from('ff', 'hex')],
    transport: 'tls',
    client: 'reset',
    leavesAt: 2,
    counted: true,
  })
  t.strictSame(found, [])
})`,
  )
})

t.test('stages that do not fit get others between them', async t => {
  const list = fitted(
    [
      ['take', { count: 1 }],
      ['toJsonLines', {}],
      ['netstring', {}],
      ['gzip', {}],
      ['throttle', { bytesPerSecond: 1, framesPerSecond: 1 }],
      ['trim', {}],
    ],
    catalogue,
  )
  t.equal(
    list.map(([name]) => name).join(' '),
    'lines jsonLines toJsonLines toLines netstring toLines gzip gunzip lines trim toLines',
    'where bytes flow nothing counts chunks, gzip is read again, and values that do not go together are left out',
  )
  t.equal(pipelineOf(list, catalogue, '.').emits, 'bytes')
})

t.test('sound stages differ for no client, on no transport', async t => {
  const stages = [
    ['lines', { maxLength: 8, overflow: 'report' }],
    ['uppercase', {}],
    ['toLines', {}],
    ['gzip', {}],
  ] as const
  const chunks = ['a\n\nlonger than that\n', 'b', '\nc'].map(text => Buffer.from(text))
  for (const transport of TRANSPORTS) {
    for (const client of Object.keys(CLIENTS) as ClientName[]) {
      t.strictSame(
        await differences({ stages, chunks, transport, client, leavesAt: 4, counted: true }),
        [],
        `${transport}, ${client}`,
      )
    }
  }
})

t.test('npm run fuzz says how many cases it tried, and how it is called', async t => {
  const run = async (...flags: string[]) => {
    const child = spawn(process.execPath, [...SCRIPT_FLAGS, scriptPath('test/fuzz/run'), ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_V8_COVERAGE: undefined },
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    return { out, err, code }
  }
  const { out, code } = await run('--minutes', '0.02', '--stages', 'grep,trim')
  t.match(out, /^seed 1: \d+ cases in \d+ s, 0 differences$/m)
  t.equal(code, 0)
  const wrong = await run('--stages', 'nothing')
  t.match(wrong.err, /^Usage: npm run fuzz -- .*\nThere is no stage nothing\.$/m)
  t.equal(wrong.code, 2)
})
