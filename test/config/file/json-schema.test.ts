import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { FIRST_FILE } from '../../../lib/cli/commands/init.js'
import { readConfiguration } from '../../../lib/config/file/configuration.js'
import { fileSchema } from '../../../lib/config/file/json-schema.js'
import { builtIn } from '../../../lib/config/registry.js'

const schema = fileSchema(builtIn())
const validate = new Ajv({ strictTypes: false }).compile(schema)

/** Whether an editor with the schema would take a file. */
const fits = (text: string) => validate(parse(text))

async function isRead(text: string): Promise<boolean> {
  const { configuration } = await readConfiguration(text, { environment: { A: 'a' }, folder: '.' })
  return configuration !== undefined
}

const withStep = (step: string) => `listeners: [{ name: a, pipeline: [lines, ${step}, toLines] }]`
const withListen = (options: string) => `listeners: [{ name: a, listen: { ${options} }, pipeline: echo }]`

const GOOD = [
  FIRST_FILE,
  withListen('port: 0, host: localhost, idleTimeout: 5m, backlog: 5, noDelay: false, plan: streams'),
  withListen(
    'port: "${PORT:-0}", allow: [10.0.0.0/8, "::1"], deny: 1.2.3.4, drainTimeout: 1.5s, keepAlive: "true"',
  ),
  withListen('path: ./s, mode: "660"'),
  `status: 9000\n${FIRST_FILE}`,
  `status: ./s\n${FIRST_FILE}`,
  `status: { port: 9000, host: "::1" }\n${FIRST_FILE}`,
  `workers: 2\n${FIRST_FILE}`,
  `workers: auto\n${FIRST_FILE}`,
  `workers: { count: 2, spread: primary }\n${FIRST_FILE}`,
  `workers: { count: "${'$'}{COUNT:-auto}" }\n${FIRST_FILE}`,
  withListen('fd: 3'),
  withListen('fd: systemd:web'),
  withListen(
    'tls: { cert: a, key: b, ca: c, minVersion: TLSv1.3, alpnProtocols: [mqtt], handshakeTimeout: 2s }',
  ),
  withListen('websocket: true'),
  withListen('websocket: "${BROWSERS:-false}"'),
  withListen('websocket: { page: true, messages: lines, origins: ["*"], maxLength: 4KiB, pingInterval: 5s }'),
  withStep('uppercase: { mode: ascii }'),
  withStep('uppercase:'),
  withStep('uppercase: {}'),
  withStep('prefix: "> "'),
  withStep('prefix: { text: "> " }'),
  withStep('replace: [a, b]'),
  withStep('replace: [a, { by: b }]'),
  withStep('grep: [a, { invert: true }]'),
  withStep('number: { start: "5", width: 3 }'),
  withStep('json-lines: { invalid: skip }, toJsonLines')
    .replace('json', '"json')
    .replace('lines:', 'lines":'),
  'listeners: [{ name: a, pipeline: [echo, { "preset:uppercase": { banner: hi } }, { gzip: { level: 9 } }] }]',
  'listeners: [{ name: a, pipeline: [welcome] }]',
  'listeners: [{ name: a, pipeline: [{ exec: cat }, { exec: [tr, a-z, A-Z, { grace: 1s }] }, { exec: { command: sort } }] }]',
  'listeners: [{ name: a, pipeline: [{ exec: [tr, [a, b]] }, { exec: { command: tr, args: [a, b], maxProcesses: 5 } }] }]',
  'listeners: [{ name: a, pipeline: [{ throttle: { bytesPerSecond: 1MiB/s, burst: 64 KiB } }] }]',
  'listeners: [{ name: a, pipeline: [{ delimited: { delimiters: [a, b] } }, { toDelimited: c }] }]',
  `listeners: [{ name: a, pipeline: echo }]
tests:
  - { name: a, pipeline: a, send: [b, { hex: "6 1" }, []], expect: { base64: Yg== } }
  - { name: b, pipeline: [to-hex], expect: "" }`,
]

t.test('what the reader takes fits the schema, as YAML and as JSON', async t => {
  for (const text of GOOD) {
    for (const form of [text, JSON.stringify(parse(text))]) {
      t.ok(await isRead(form), form)
      t.ok(fits(form), `${form}: ${JSON.stringify(validate.errors)}`)
    }
  }
})

t.test('a file that imports may name any stage', async t => {
  const text = 'import: ./a.js\nlisteners: [{ name: a, pipeline: [shout, { sum: [1, 2] }] }]'
  t.ok(fits(text))
  t.notOk(fits(text.replace('import: ./a.js', '')), 'and another may not')
  t.notOk(fits(text.replace('{ sum: [1, 2] }', '{ sum: 1, b: 2 }')))
  t.notOk(fits(text.replace('./a.js', '[]')))
})

/** What a schema cannot say: what needs a look at another place, at the environment, or at what stands in a text. */
const BEYOND = [
  /There is no (preset|listener)/,
  /There is another/,
  /Another listener has/,
  /The environment (has|cannot)/,
  /no name (for|of)/,
  /Stage '\S+' takes|The last stage/,
  /This is not (hex|base64)|bytes long, but/,
  /cannot be imported|exports/,
  /\(\): /,
  /from \d+ to \d+; got [\d-]/,
  /is here twice/,
  /addresses and CIDR ranges/,
  // A reference, and a preset that does not stand alone.
  /got "abc"/,
  /Stage 'welcome' needs 'text'/,
]

t.test('what the reader refuses does not fit the schema, but for what a schema cannot say', async t => {
  const files = readFileSync('test/config/file/bad-files.txt', 'utf8').split(/^====\n/m)
  const refused: string[] = []
  for (const file of files) {
    const [text = '', problems = ''] = file.split(/^----\n/m)
    let value: unknown
    try {
      value = parse(text)
    } catch {
      continue
    }
    if (!validate(value)) refused.push(text)
    else {
      const message = problems.trimEnd().split('\n')
      t.ok(
        message.every(line => BEYOND.some(beyond => beyond.test(line))),
        `${text}${problems}`,
      )
    }
  }
  t.ok(refused.length >= 40, `${refused.length} of ${files.length} files`)
})

t.test('the package has the schema', async t => {
  const path = createRequire(import.meta.url).resolve('bywash/schema.json')
  t.strictSame(JSON.parse(readFileSync(path, 'utf8')), schema)
  t.ok(path.endsWith('/dist/bywash.schema.json'), 'where the first file says that it is')
  t.match(FIRST_FILE, '$schema=./node_modules/bywash/dist/bywash.schema.json')
})
