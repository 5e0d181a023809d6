import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { define } from '../../../lib/cli/serving/serve-in-worker.js'
import { NEWER_NODE, WITHOUT_NEWER_NODE } from '../../listener/workers/threads/newer-node.js'
import { scriptPath } from '../../script-path.js'
import { connectTcp, exchange } from '../../tcp-client.js'
import { install } from '../../transports/certificates.js'
import { connectTls } from '../../transports/tls-client.js'
import { FakeIo } from '../fake-io.js'
import { startCommand } from '../start-command.js'

const LIBRARY = JSON.stringify(pathToFileURL(scriptPath('lib/index')).href)

/** A stage at whose word its worker ends. */
const MORTAL = `import { map } from ${LIBRARY}
export const mortal = map('mortal', line => (line === 'die' ? process.exit(7) : line))`

interface Written {
  readonly stage?: string
  readonly limit?: number
  /** The second listener, which is a counter with TLS. */
  readonly second?: string
  readonly workers?: number
}

function fileText(
  spread: string,
  { stage = 'uppercase', limit = 9, second = 'b', workers = 2 }: Written,
): string {
  return `import: ./mortal.mjs
workers: { count: ${workers}, spread: ${spread} }
listeners:
  - name: a
    listen: { host: 127.0.0.1, port: 0, maxConnections: ${limit} }
    pipeline: [lines, mortal, ${stage}, toLines]
  - name: ${second}
    listen: { host: 127.0.0.1, port: 0, tls: { cert: ./cert.pem, key: ./key.pem } }
    pipeline: counter
`
}

/** Serves a file with workers, and changes it in every way. */
async function exerciseReloads(
  t: Test,
  spread: 'primary' | 'kernel',
  execPath = process.execPath,
): Promise<void> {
  const folder = t.testdir({ 'mortal.mjs': MORTAL, 'bywash.yaml': fileText(spread, {}) })
  install(folder, 'server')
  const path = `${folder}/bywash.yaml`
  const { child, exited, logged, log } = startCommand(t, ['serve', path], { execPath, isCovered: true })
  const seen = new Map<string, number>()
  /** Waits until this is logged once more. */
  const next = (pattern: RegExp) => {
    const times = (seen.get(pattern.source) ?? 0) + 1
    seen.set(pattern.source, times)
    return logged(pattern, times)
  }
  const [, port = ''] = await next(/a: listening on \S+:(\d+)\n/)
  const [, second = ''] = await next(/b: listening on \S+:(\d+)\n/)
  const reload = async (written: Written, pattern: RegExp) => {
    writeFileSync(path, fileText(spread, written))
    child.kill('SIGHUP')
    return next(pattern)
  }
  const answer = async () => String(await exchange(t, Number(port), ['Hi\n']))

  t.equal(await answer(), 'HI\n')
  const old = await connectTcp(t, Number(port))
  await old.send('Old\n')
  t.equal(String(await old.receive('\n')), 'OLD\n')
  const counted = await connectTls(t, Number(second))
  await counted.send('one\n')
  t.equal(String(await counted.receive('\n')), 'one\n')

  await reload({ stage: 'lowercase' }, /a: new pipeline; 1 open connection finishes on the old one\n/)
  t.equal(await answer(), 'hi\n')
  await old.send('Old\n')
  t.equal(String(await old.receive('\n')), 'OLD\n', 'as it began')

  await reload(
    { stage: 'lowercase', limit: 1 },
    /a: new options; 1 open connection finishes with the old ones\n/,
  )
  t.equal(await answer(), 'error: too many connections\n', 'the limit is that of all workers, old and new')
  await reload(
    { stage: 'lowercase', limit: 2 },
    /a: new options; 1 open connection finishes with the old ones\n/,
  )
  t.equal(await answer(), 'hi\n')

  await reload(
    { stage: 'lowercase', limit: 2, second: 'c' },
    /b: no longer on \S+; 1 open connection finishes\n/,
  )
  const [, third = ''] = await next(/c: listening on \S+:(\d+)\n/)
  const [error] = await once(connect({ host: '127.0.0.1', port: Number(second) }), 'error')
  t.equal(error.code, 'ECONNREFUSED', 'its address is free')
  await counted.send('two\n')
  t.equal(String(await counted.receive('\n')), 'two\n', 'but its connection goes on')
  counted.end()
  t.equal(String(await counted.receive()), '')
  const later = await connectTls(t, Number(third))
  await later.send('three\n')
  t.equal(String(await later.receive('\n')), 'three\n')
  const { serialNumber } = later.socket.getPeerCertificate()

  // Enough clients for each worker to have some.
  install(folder, 'renewed')
  await reload({ stage: 'lowercase', limit: 2, second: 'c' }, /c: new options; 1 open/)
  for (let number = 0; number < 6; number++) {
    const renewed = await connectTls(t, Number(third))
    t.not(renewed.socket.getPeerCertificate().serialNumber, serialNumber, 'the renewed certificate')
    renewed.end()
    t.equal(String(await renewed.receive()), '')
  }
  later.end()
  t.equal(String(await later.receive()), '')

  // What is on disk is wrong, and a new worker serves all the same what the others do.
  writeFileSync(path, 'listeners: [')
  await old.send('die\n')
  t.equal(String(await old.receive().catch(() => '')), '', 'its worker has died')
  await next(/worker-died.*ended with exit code 7/)
  for (let number = 0; number < 6; number++) t.equal(await answer(), 'hi\n')
  child.kill('SIGHUP')
  await next(/was not reloaded, for it has/)
  await reload(
    { stage: 'lowercase', limit: 2, second: 'c', workers: 3 },
    /was not reloaded: 'workers' has changed/,
  )
  await reload({ stage: '{ prefix: "> " }', limit: 20, second: 'c' }, /a: new options; 0 open/)
  t.equal(await answer(), '> Hi\n')

  // Clients come all the time while the file changes.
  let isOver = false
  const client = async () => {
    const answers = new Set<string>()
    while (!isOver) answers.add(await answer())
    return answers
  }
  const clients = Array.from({ length: 4 }, client)
  for (let round = 0; round < 2; round++) {
    for (const written of [
      { stage: 'uppercase', limit: 20 },
      { stage: 'lowercase', limit: 30 },
    ]) {
      const reloads = log().split(' was reloaded\n').length
      writeFileSync(path, fileText(spread, { ...written, second: 'c' }))
      child.kill('SIGHUP')
      await logged(/ was reloaded\n/, reloads)
    }
  }
  isOver = true
  for (const answers of await Promise.all(clients)) {
    t.strictSame(
      [...answers].filter(text => !/^(?:> )?hi\n$/i.test(text)),
      [],
      'none was lost or refused',
    )
  }
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
  t.equal(log().match(/a: listening on/g)?.length, 1, 'the primary alone says where')
}

t.test('a file is served by several processes, and reloaded in all of them', t =>
  exerciseReloads(t, 'primary'),
)

t.test(
  'a file is served by several threads, and reloaded in all of them',
  { skip: NEWER_NODE === undefined && WITHOUT_NEWER_NODE },
  t => exerciseReloads(t, 'kernel', NEWER_NODE),
)

t.test('a definition of which a worker can make nothing says why', async t => {
  const surroundings = { environment: {}, log: () => {}, handlersFor: () => ({}) }
  const make = (text: string) => define('bywash.yaml', { text, name: 'a', listen: { port: 1 } }, surroundings)
  const { options } = await make('listeners: [{ name: a, pipeline: echo }]')
  t.strictSame(options, { port: 1 }, 'the options are those that the primary has read')
  for (const [text, problem] of [
    [
      'import: ./none.js\nlisteners: [{ name: a, pipeline: echo }]',
      /a' cannot be made in a worker: .*none\.js/,
    ],
    ['listeners: [{ name: b, pipeline: echo }]', /a' cannot be made in a worker/],
  ] as const) {
    await t.rejects(make(text), { code: 'ERR_BYWASH_WORKER', message: problem })
  }
})

t.test('a process that inherits the number of a worker and is none serves by itself', async t => {
  t.intercept(process, 'env', { value: { ...process.env, BYWASH_WORKER: '1' } })
  const path = `${t.testdir({ 'bywash.yaml': 'listeners: [' })}/bywash.yaml`
  const io = new FakeIo()
  t.equal(await main(['serve', path], io), 2)
  t.match(io.logged, /bywash\.yaml:1:/)
})
