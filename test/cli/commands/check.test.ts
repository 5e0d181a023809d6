import { pathToFileURL } from 'node:url'
import t from 'tap'
import { pipeline } from '../../../lib/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { scriptPath } from '../../script-path.js'
import { pathOf } from '../../transports/certificates.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

const GOOD = 'listeners: [{ name: a, pipeline: echo }]\n'
const MEMORY_OF_GOOD =
  /^(good\.(yaml|json): a: memory: at most \d+KiB for each connection, [\d.]+[MG]iB for \d+ of them\n)+$/

t.test('check says of a good file what memory its listeners can take', async t => {
  const folder = t.testdir({
    'good.yaml': GOOD,
    'good.json': '{"listeners":[{"name":"a","pipeline":"echo"}]}',
  })
  const { exitCode, printed, logged } = await runCommand([
    'check',
    `${folder}/good.yaml`,
    `${folder}/good.json`,
  ])
  t.strictSame([exitCode, logged], [0, ''])
  t.match(printed.replaceAll(`${folder}/`, ''), MEMORY_OF_GOOD)
})

t.test('check states the memory that explain does, and that of all connections', async t => {
  const folder = t.testdir({
    'keep.mjs': `import { map } from ${JSON.stringify(pathToFileURL(scriptPath('lib/index')))}
export const keep = map('keep', line => line)`,
    'bywash.yaml': `import: ./keep.mjs
listeners:
  - { name: a, listen: { port: 1, maxConnections: 10000 }, pipeline: uppercase }
  - { name: b, listen: { port: 2, maxConnections: 2, plan: streams }, pipeline: [lines, keep, toLines] }
`,
  })
  const path = `${folder}/bywash.yaml`
  const explained = await runCommand(['explain', '--json', path])
  const { printed } = await runCommand(['check', '--json', path])
  t.strictSame(
    JSON.parse(printed).listeners,
    [10_000, 2].map((maxConnections, index) => {
      const { name, memory } = JSON.parse(explained.printed)[index]
      return { file: path, name, memory, maxConnections }
    }),
  )
  t.match(await runCommand(['check', path]), {
    printed:
      /a: memory: at most \d+KiB for each connection, [\d.]+GiB for 10000 of them\n.*b: memory: .* for 2 of them, and what keep keeps and adds, which it does not say\n$/,
  })
})

t.test('check prints all problems of all files as file:line:column: message, and exits 1', async t => {
  const folder = t.testdir({
    'one.yaml':
      'listeners:\n  - name: a\n    listen: { prot: 1, port: 70000 }\n    pipeline: [uppercase, linse]\n',
    'good.yaml': GOOD,
    'two.yaml': 'listeners: [\n',
  })
  const names = ['one.yaml', 'good.yaml', 'none.yaml', 'two.yaml', '.']
  const { exitCode, printed, logged } = await runCommand(['check', ...names.map(name => `${folder}/${name}`)])
  t.equal(exitCode, 1)
  t.equal(logged, '')
  const places = printed
    .trimEnd()
    .split('\n')
    .map(line => line.slice(folder.length + 1))
    .filter(line => !MEMORY_OF_GOOD.test(`${line}\n`))
  t.match(places, [
    /^one\.yaml:3:15: 'listen' takes no 'prot'\. Did you mean 'port' or 'proxyProtocol'\?$/,
    /^one\.yaml:3:30: 'port' is a whole number, from 0 to 65535; got 70000\.$/,
    /^one\.yaml:4:16: Stage 'uppercase' takes lines, but a connection gives bytes\. Put 'lines' before it\. Or mean the preset: 'preset:uppercase'\.$/,
    /^one\.yaml:4:27: There is no stage 'linse'\. Did you mean 'lines' or 'toLines'\?$/,
    /^none\.yaml:1:1: There is no such file\. /,
    /^two\.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a \]\. /,
    /^\.:1:1: This is a directory\. Name a file in it\.$/,
  ])
  t.equal(places.length, 7)
})

t.test('check --json prints the same problems with their places, and none for good files', async t => {
  const folder = t.testdir({
    'bad.yaml': 'listeners:\n  - name: a\n    pipeline: [linse]\n    \u009b: 1\n',
    'good.yaml': GOOD,
  })
  const [bad, good, none] = ['bad', 'good', 'none'].map(name => `${folder}/${name}.yaml`) as [
    string,
    string,
    string,
  ]
  const { exitCode, printed, logged } = await runCommand(['check', '--json', bad, good, none])
  t.strictSame([exitCode, logged], [1, ''])
  t.match(printed, /^[\n -~]*$/, 'nothing that controls a terminal')
  t.match(JSON.parse(printed).problems, [
    {
      file: bad,
      line: 3,
      column: 16,
      message: "There is no stage 'linse'.",
      remedy: "Did you mean 'lines' or 'toLines'?",
    },
    { file: bad, line: 4, column: 5, message: "A listener takes no '\u009b'." },
    {
      file: none,
      line: 1,
      column: 1,
      message: 'There is no such file.',
      remedy: "'bywash init' writes one.",
    },
  ])
  t.equal(JSON.parse(printed).problems.length, 3)
  const sound = await runCommand(['check', '--json', good])
  t.strictSame([sound.exitCode, sound.logged], [0, ''])
  t.match(JSON.parse(sound.printed), { problems: [], listeners: [{ file: good, name: 'a' }] })
})

t.test('check binds nothing: a port may be taken', async t => {
  const { port } = await serveLocally(t, pipeline())
  const file = `listeners: [{ name: a, listen: { host: 127.0.0.1, port: ${port} }, pipeline: echo }]`
  const folder = t.testdir({ 'bywash.yaml': file })
  t.match(await runCommand(['check', `${folder}/bywash.yaml`]), { exitCode: 0 })
})

t.test('check takes values from the environment', async t => {
  const folder = t.testdir({
    'bywash.yaml': 'listeners: [{ name: a, listen: { port: "${PORT}" }, pipeline: echo }]',
  })
  const check = (env: Record<string, string>) =>
    runCommand(['check', `${folder}/bywash.yaml`], '', Object.assign(new FakeIo(), { env }))
  t.match(await check({ PORT: '9000' }), { exitCode: 0 })
  t.match(await check({ PORT: 'http' }), { exitCode: 1, printed: /:1:40: 'port' is a whole number/ })
  t.match(await check({}), { exitCode: 1, printed: /:1:40: The environment has no 'PORT'\./ })
})

t.test('check without a file is wrong usage', async t => {
  t.match(await runCommand(['check']), {
    exitCode: 2,
    printed: '',
    logged: /missing required argument 'file'/,
  })
})

t.test('check says that a certificate has expired, and exits 1', async t => {
  const tls = `{ cert: ${pathOf('expired')}, key: ${pathOf('expired-key')} }`
  const folder = t.testdir({
    'tls.yaml': `listeners:\n  - name: a\n    listen: { tls: ${tls} }\n    pipeline: echo\n`,
  })
  const { exitCode, printed } = await runCommand(['check', `${folder}/tls.yaml`])
  t.equal(exitCode, 1)
  t.equal(
    printed.split('\n')[0],
    `${folder}/tls.yaml:3:20: tls: 'cert' (CN=expired) has expired: it was valid until 2020-01-02T00:00:00.000Z; renew it.`,
  )
})
