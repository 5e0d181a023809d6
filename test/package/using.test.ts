import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { RUNS_ALL } from '../runs.js'

const page = readFileSync('docs/using.md', 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code]) => code as string)

const [server = ''] = blocks('ts')
const [shoutTest = ''] = blocks('js')
const old =
  "import { listen } from 'bywash'\nimport bywash = require('bywash')\nconsole.log(listen === bywash.listen)\n"

// Without the loader and the coverage of the test runner, and with the programs that npx would find.
const { NODE_OPTIONS: _, NODE_V8_COVERAGE: __, NODE_TEST_CONTEXT: ___, ...bare } = process.env
const env = { ...bare, PATH: resolve('node_modules/.bin') + delimiter + process.env.PATH }

/** To check the declarations again takes three quarters of a compilation. */
const UNCHECKED = RUNS_ALL ? '' : '--skipLibCheck'

/** Runs a line of the page in a folder inside the package, so that 'bywash' is what is built. */
async function run(cwd: string, line: string): Promise<{ code: number; output: string }> {
  const child = spawn(line.replace(/^npx /, ''), { cwd, env, shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { code, output: output + errors }
}

const commands = blocks('sh').join('').trim().split('\n')

t.test('docs/using.md: each command in a box does what it says', async t => {
  const folder = t.testdir({ 'server.ts': server, 'shout.test.mjs': shoutTest })
  t.ok(commands.length > 0)
  for (const command of commands) {
    const { code, output } = await run(folder, command)
    t.equal(code, 0, `${command}\n${output}`)
    if (/^(npx tsx|node) \w+\.\w+$/.test(command)) t.equal(output, 'ready\n', command)
  }
})

// Sends a line through each plan, packed and unpacked again.
const traffic = `
import { gunzip, gzip, asyncMap, lines, pipeline, toLines, uppercase } from 'bywash'
import { runStage } from 'bywash/testing'

async function main() {
  const shout = pipeline().through(lines()).through(asyncMap('wait', async line => line)).through(uppercase()).through(toLines())
  const packed = pipeline().through(gzip()).through(gunzip()).through(shout)
  for (const plan of ['fused', 'streams'] as const) {
    console.log(plan, String(Buffer.concat(await runStage(packed, [Buffer.from('tea')], { plan }))).trim())
  }
}
void main()
`

t.test('docs/using.md: a whole bundle runs where no package is', async t => {
  const folder = t.testdir({ 'server.ts': traffic })
  const away = mkdtempSync(join(tmpdir(), 'bywash-'))
  t.teardown(() => rmSync(away, { recursive: true }))
  for (const bundle of ['whole.mjs', 'whole.cjs']) {
    const { code, output } = await run(folder, commands.find(command => command.includes(bundle)) ?? '')
    t.equal(code, 0, output)
    copyFileSync(join(folder, bundle), join(away, bundle))
    t.strictSame(await run(away, `node ${bundle}`), { code: 0, output: 'fused TEA\nstreams TEA\n' }, bundle)
  }
})

t.test('docs/using.md: so does one of rollup, as the table says', async t => {
  const folder = t.testdir({ 'server.mjs': traffic.replaceAll(' as const', '') })
  const away = mkdtempSync(join(tmpdir(), 'bywash-'))
  t.teardown(() => rmSync(away, { recursive: true }))
  const { code, output } = await run(folder, `rollup --config ${resolve('test/package/rollup.config.js')}`)
  t.equal(code, 0, output)
  for (const bundle of ['rolled.mjs', 'rolled.cjs']) {
    copyFileSync(join(folder, bundle), join(away, bundle))
    t.strictSame(await run(away, `node ${bundle}`), { code: 0, output: 'fused TEA\nstreams TEA\n' }, bundle)
  }
})

t.test('docs/using.md: a whole ES module without the banner says what is missing', async t => {
  const folder = t.testdir({ 'server.ts': server })
  await run(folder, 'esbuild server.ts --bundle --platform=node --format=esm --outfile=plain.mjs')
  const { code, output } = await run(folder, 'node plain.mjs')
  t.equal(code, 1)
  t.match(output, 'Dynamic require of "stream" is not supported')
})

t.test('docs/using.md: the settings of TypeScript compile the servers', async t => {
  const settings = blocks('json')
  t.equal(settings.length, 2)
  for (const each of settings) {
    const folder = t.testdir({ 'tsconfig.json': each, 'server.ts': server })
    // The pages are compiled with the settings of the first, and check the declarations too.
    const checks = RUNS_ALL || each !== settings[0] ? '--skipLibCheck false' : UNCHECKED
    const strictest = `--exactOptionalPropertyTypes --erasableSyntaxOnly ${checks}`
    t.strictSame(await run(folder, `tsc --noEmit ${strictest}`), { code: 0, output: '' }, each)
  }
})

t.test('docs/using.md: CommonJS may require bywash, as TypeScript and Node say', async t => {
  const compile = (module: string) =>
    run(
      t.testdir({ 'old.cts': old }),
      `tsc --ignoreConfig --strict ${UNCHECKED} --types node --module ${module} old.cts`,
    )
  for (const module of ['nodenext', 'node20']) {
    t.strictSame(await compile(module), { code: 0, output: '' }, module)
    const { code, output } = await run(t.testdirName, 'node old.cjs')
    t.equal(code, 0, output)
    t.match(output, 'true\n')
  }
  const preserved = t.testdir({
    'old.cts': "import bywash = require('bywash')\nconsole.log(typeof bywash.listen)\n",
  })
  const { code, output } = await run(
    preserved,
    `tsc --ignoreConfig --noEmit ${UNCHECKED} --types node --module preserve old.cts`,
  )
  t.equal(code, 0, output)
  for (const module of ['node16', 'node18']) {
    const { output } = await compile(module)
    t.match(output, 'TS1471', module)
    t.match(output, 'TS1479', module)
  }
})
