import t from 'tap'
import { pipeline } from '../../../lib/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { pathOf } from '../../transports/certificates.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

const GOOD = 'listeners: [{ name: a, pipeline: echo }]\n'

t.test('check says nothing of a good file', async t => {
  const folder = t.testdir({
    'good.yaml': GOOD,
    'good.json': '{"listeners":[{"name":"a","pipeline":"echo"}]}',
  })
  t.strictSame(await runCommand(['check', `${folder}/good.yaml`, `${folder}/good.json`]), {
    exitCode: 0,
    printed: '',
    logged: '',
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
  t.match(places, [
    /^one\.yaml:3:15: 'listen' takes no 'prot'\. Did you mean 'port'\?$/,
    /^one\.yaml:3:30: 'port' is a whole number, from 0 to 65535; got 70000\.$/,
    /^one\.yaml:4:16: Stage 'uppercase' takes lines, but a connection gives bytes\. Put 'lines' before it\. Or mean the preset: 'preset:uppercase'\.$/,
    /^one\.yaml:4:27: There is no stage 'linse'\. Did you mean 'lines' or 'toLines'\?$/,
    /^none\.yaml:1:1: There is no such file\. /,
    /^two\.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a \]\. /,
    /^\.:1:1: This is a directory\. Name a file in it\.$/,
  ])
  t.equal(places.length, 7)
})

t.test(
  'check --json prints the same problems with their places, and an empty list for good files',
  async t => {
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
    t.match(JSON.parse(printed), [
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
    t.equal(JSON.parse(printed).length, 3)
    t.strictSame(await runCommand(['check', '--json', good]), { exitCode: 0, printed: '[]\n', logged: '' })
  },
)

t.test('check binds nothing: a port may be taken', async t => {
  const { port } = await serveLocally(t, pipeline())
  const file = `listeners: [{ name: a, listen: { host: 127.0.0.1, port: ${port} }, pipeline: echo }]`
  const folder = t.testdir({ 'bywash.yaml': file })
  t.match(await runCommand(['check', `${folder}/bywash.yaml`]), { exitCode: 0, printed: '' })
})

t.test('check takes values from the environment', async t => {
  const folder = t.testdir({
    'bywash.yaml': 'listeners: [{ name: a, listen: { port: "${PORT}" }, pipeline: echo }]',
  })
  const check = (env: Record<string, string>) =>
    runCommand(['check', `${folder}/bywash.yaml`], '', Object.assign(new FakeIo(), { env }))
  t.match(await check({ PORT: '9000' }), { exitCode: 0, printed: '' })
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
  t.strictSame(await runCommand(['check', `${folder}/tls.yaml`]), {
    exitCode: 1,
    printed: `${folder}/tls.yaml:3:20: tls: 'cert' (CN=expired) has expired: it was valid until 2020-01-02T00:00:00.000Z; renew it.\n`,
    logged: '',
  })
})
