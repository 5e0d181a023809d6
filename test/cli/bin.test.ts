import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { connectTcp } from '../tcp-client.js'
import { BIN, serveCommand, startCommand } from './start-command.js'

t.test('SIGTERM lets an open connection finish its line, then the process exits 0', async t => {
  const { child, exited, printed, port } = await serveCommand(t, 'uppercase')
  const client = await connectTcp(t, port)
  await client.send('one\ntw')
  await client.receive('ONE\n')
  child.kill('SIGTERM')
  client.end('o')
  t.equal((await client.receive()).toString(), 'TWO\n')
  t.strictSame(await exited, [0, null])
  t.equal(printed(), '', 'stdout stays free')
})

t.test('what a stage has left running does not hold up a command that is done', async t => {
  const module = join(t.testdir(), 'leaky.mjs')
  writeFileSync(
    module,
    `import { map } from ${JSON.stringify(pathToFileURL('dist/index.js'))}
    export const leaky = map('leaky', line => (setInterval(() => {}, 1000), line))`,
  )
  const { child, exited, port } = await serveCommand(t, 'run', 'lines | leaky | to-lines', '--import', module)
  const client = await connectTcp(t, port)
  await client.send('one\n')
  await client.receive('one\n')
  client.end()
  await client.receive()
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
})

t.test('an uncaught error is logged, what has come is answered, and the process exits 1', async t => {
  const module = join(t.testdir(), 'rejecting.mjs')
  writeFileSync(
    module,
    `import { map } from ${JSON.stringify(pathToFileURL('dist/index.js'))}
    export const rejecting = map('rejecting', line => (void Promise.reject(new Error(line)), line))`,
  )
  const file = `${module}.yaml`
  writeFileSync(
    file,
    `import: [./rejecting.mjs]
listeners:
  - { name: a, listen: { host: 127.0.0.1, port: 0 }, pipeline: [lines, rejecting, toLines] }
  - { name: b, listen: { host: 127.0.0.1, port: 0 }, pipeline: echo }
`,
  )
  const run = [
    'run',
    'lines | rejecting | to-lines',
    '--import',
    module,
    '--host',
    '127.0.0.1',
    '--port',
    '0',
  ]
  for (const argv of [run, ['serve', file]]) {
    const { exited, log, logged } = startCommand(t, argv)
    const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
    const client = await connectTcp(t, Number(port))
    client.end('\x1b[2Jboom\n')
    t.equal((await client.receive()).toString(), '\x1b[2Jboom\n')
    t.strictSame(await exited, [1, null])
    t.match(log(), /\nuncaught: Error: \\x1b\[2Jboom\\n {4}at [^\n]+\n$/)
    t.equal(log().match(/^uncaught: /gm)?.length, 1)
  }
})

t.test('a usage error exits 2, and a failure to bind exits 1 with one line', async t => {
  const wrong = startCommand(t, ['echo', '--port', 'abc'])
  t.strictSame(await wrong.exited, [2, null])
  t.equal(wrong.printed(), '')
  const { port } = await serveCommand(t, 'echo')
  const second = startCommand(t, ['echo', '--host', '127.0.0.1', '--port', String(port)])
  t.strictSame(await second.exited, [1, null])
  t.match(second.log(), /^bind failed: 127\.0\.0\.1:\d+ is already in use[^\n]*\n$/)
})

t.test(
  'a Node that is too old is told in one line which one is needed, before anything else is loaded',
  async t => {
    const disguise = (version: string) =>
      `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}})`
    const version = (node: string, command: readonly string[]) =>
      spawnSync(process.execPath, ['--import', disguise(node), ...command, '--version'], { encoding: 'utf8' })
    for (const node of ['18.20.8', '20.18.3']) {
      t.match(version(node, [...SCRIPT_FLAGS, scriptPath('lib/cli/bin')]), {
        status: 1,
        stdout: '',
        stderr: `bywash needs Node 20.19 or later, and this is ${node}: see https://nodejs.org.\n`,
      })
    }
    for (const node of ['20.19.0', '21.0.0']) t.match(version(node, [BIN]), { status: 0, stderr: '' }, node)
    const imports = readFileSync(BIN, 'utf8').match(/^import .*$/gm)
    t.strictSame(imports, ['import { createRequire } from "node:module";'])
  },
)
