import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { runTest } from '../../lib/cli/test-runner.js'
import { readConfiguration } from '../../lib/config/file/configuration.js'
import { type BywashError, ERROR_CODES, HandshakeError, WorkerError } from '../../lib/errors.js'
import {
  Connection,
  exec,
  InvalidFrameError,
  lines,
  listen,
  MoreFaultsError,
  map,
  pipeline,
  SlowConsumerError,
  StderrError,
  TooManyTopicsError,
  toLines,
  uppercase,
  upstream,
} from '../../lib/index.js'
import { Admission } from '../../lib/listener/admission.js'
import { listenSettings } from '../../lib/listener/listen-options.js'
import * as stages from '../../lib/stages/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'

const root = process.cwd()
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const names = (folder: string) => readdirSync(join(root, folder)).map(name => `${folder}/${name}`)

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...names('docs').filter(name => name.endsWith('.md')),
]

const headings = (page: string) => [...read(page).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)

/** The code blocks of a page in one language. */
function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code as string)
}

/** What a function throws, at once or later. */
async function failureOf(fail: () => unknown): Promise<BywashError> {
  try {
    await fail()
  } catch (error) {
    return error as BywashError
  }
  throw new Error('It did not fail.')
}

/** Begins a line and does not finish it. */
async function dribble(): Promise<void> {
  const clock = fakeClock()
  const client = connect(pipeline().through(lines()).through(toLines()), {
    connection: new Connection(1, {}, clock),
    frameTimeout: 100,
  })
  client.send('abc')
  await new Promise(setImmediate)
  clock.advance(200)
  client.end()
  throw (await client.outcome).error
}

/** Runs Node, and gives its exit code with everything that it wrote. */
async function node(...parameters: string[]): Promise<{ code: number; output: string }> {
  // What runs here is built in dist/; coverage is of lib/.
  const env = { ...process.env, NODE_V8_COVERAGE: undefined }
  const child = spawn(process.execPath, parameters, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, output: output + errors }
}

t.test('docs/errors.md has a section for each error code', async t => {
  t.strictSame(headings('docs/errors.md'), [...ERROR_CODES])
})

t.test('docs/errors.md shows each message as the code makes it', async t => {
  const taken = createServer()
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as { port: number }
  const broken = map('reverse', () => {
    throw new TypeError('line.reverse is not a function')
  })
  const failures: Record<(typeof ERROR_CODES)[number], () => unknown> = {
    ERR_BYWASH_BIND: () => listen(pipeline(), { host: '127.0.0.1', port }),
    ERR_BYWASH_EXEC: () => runStage(exec('no-such-command'), []),
    ERR_BYWASH_FRAME_TOO_LONG: () => runStage(lines({ maxLength: 4096 }), [Buffer.alloc(4097)]),
    ERR_BYWASH_HANDSHAKE: () => {
      throw new HandshakeError('the client did not speak TLS')
    },
    ERR_BYWASH_INVALID_FRAME: () => {
      throw new InvalidFrameError('prefixed', 'the length is negative')
    },
    ERR_BYWASH_INVALID_OPTION: () => lines({ maxLength: 0 }),
    ERR_BYWASH_INVALID_UTF8: () => runStage(lines({ invalid: 'error' }), [Buffer.from([0xff, 0x0a])]),
    ERR_BYWASH_MORE_FAULTS: () => {
      throw new MoreFaultsError(6_553, 10)
    },
    ERR_BYWASH_REFUSED: () => {
      throw new Admission(listenSettings({ maxConnections: 1 }).admission).enter(1)
    },
    ERR_BYWASH_SLOW_CONSUMER: () => {
      throw new SlowConsumerError(1_048_576)
    },
    ERR_BYWASH_STAGE: () => runStage(broken, ['abc']),
    // @ts-expect-error the order is wrong
    ERR_BYWASH_STAGE_ORDER: () => pipeline().through(uppercase()),
    ERR_BYWASH_STDERR: () => {
      throw new StderrError('exec', 'tr', 'says: tr: missing operand')
    },
    ERR_BYWASH_TIMEOUT: dribble,
    ERR_BYWASH_TOO_MANY_TOPICS: () => {
      throw new TooManyTopicsError(10_000)
    },
    ERR_BYWASH_UPSTREAM: () => runStage(upstream('127.0.0.1:1'), []),
    ERR_BYWASH_WORKER: () => {
      throw new WorkerError('worker 2 (process 4711) was killed by SIGKILL')
    },
  }
  const messages = blocks('docs/errors.md', 'text')
  t.equal(messages.length, ERROR_CODES.length, 'one message for each')
  for (const [index, code] of ERROR_CODES.entries()) {
    const message = messages[index]?.trim().replace(':8080', `:${port}`)
    const error = await failureOf(failures[code])
    t.strictSame({ code: error.code, message: error.message }, { code, message })
  }
})

t.test('docs/stages.md has a section for each stage', async t => {
  t.strictSame(headings('docs/stages.md').sort(), Object.keys(stages).sort())
})

t.test('docs/ says what the definitions say: npm run docs writes nothing new', async t => {
  const { code, output } = await node(...SCRIPT_FLAGS, scriptPath('.ci/docs'), '--check')
  t.equal(code, 0, output)
})

t.test('the files that the pages show have no problem, and their tests pass', async t => {
  const files = pages.flatMap(page => blocks(page, 'yaml')).filter(file => /^listeners:/m.test(file))
  t.ok(files.length >= 4, 'there are some')
  for (const file of files) {
    const { configuration, problems } = await readConfiguration(file, { environment: {}, folder: root })
    t.strictSame(problems, [], file)
    for (const test of configuration?.tests ?? [])
      t.match(await runTest(test), { failure: undefined }, test.name)
  }
})

/** The anchors of a page, as GitHub makes them of its headings. */
const anchors = (page: string) =>
  [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

t.test('every link to a file, and to a heading, leads to one', async t => {
  let count = 0
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      count++
      const [file = '', anchor] = target.split('#')
      const path = file === '' ? page : join(page, '..', file)
      t.ok(existsSync(join(root, path)), `${page}: ${target}`)
      if (anchor !== undefined && path.endsWith('.md'))
        t.ok(anchors(path).includes(anchor), `${page}: ${target}`)
    }
  }
  t.ok(count > 0, 'there are links')
})

t.test('every source file that a page names is there', async t => {
  const files = ['lib', 'test', 'bench', 'examples', '.ci'].flatMap(folder =>
    (readdirSync(join(root, folder), { recursive: true }) as string[]).map(
      name => `/${folder}/${name.replaceAll('\\', '/')}`,
    ),
  )
  let count = 0
  for (const page of pages.filter(page => page !== 'CHANGELOG.md')) {
    for (const [, name = ''] of read(page).matchAll(/`([\w./-]+\.(?:ts|wat))`/g)) {
      count++
      t.ok(
        files.some(file => file.endsWith(`/${name}`)),
        `${page}: ${name}`,
      )
    }
  }
  t.ok(count > 20, 'there are some')
})

t.test('the code of the pages compiles, and what it asserts is true', async t => {
  const programs: Record<string, string> = {}
  for (const page of pages) {
    let name = ''
    for (const [index, block] of blocks(page, 'ts').entries()) {
      // A block without an import goes on where the one before it stopped.
      if (block.startsWith('import ')) name = `${page.replace(/\W/g, '-')}-${index + 1}.ts`
      programs[name] = (programs[name] ?? '') + block
    }
  }
  t.ok(Object.keys(programs).length > 0, 'there is code')
  // A folder inside the package, so that 'bywash' is this package by name.
  const folder = t.testdir({
    ...programs,
    'tsconfig.json': JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        emitDeclarationOnly: false,
        declaration: false,
        rootDir: '.',
        outDir: 'compiled',
        noUnusedLocals: false,
      },
      include: ['*.ts'],
    }),
  })
  const { code, output } = await node('node_modules/typescript/lib/tsc.js', '-p', folder)
  t.equal(code, 0, output || 'compiles')
  const claims = Object.keys(programs).filter(name =>
    /'node:assert\/strict'|checkStage/.test(programs[name] ?? ''),
  )
  const outputs = await Promise.all(
    claims.map(async name => {
      const { code, output } = await node(join(folder, 'compiled', name.replace(/\.ts$/, '.js')))
      t.equal(code, 0, output || name)
      return output
    }),
  )
  for (const shown of blocks('docs/testing.md', 'text')) t.match(outputs.join('\n'), shown.trimEnd())
})
