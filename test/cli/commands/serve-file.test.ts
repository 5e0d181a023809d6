import { once } from 'node:events'
import {
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  unwatchFile,
  utimesSync,
  watchFile,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { loadFile } from '../../../lib/config/file/load-file.js'
import { pipeline } from '../../../lib/index.js'
import { LocalDispatcher } from '../../../lib/listener/local-dispatcher.js'
import { freePort } from '../../free-port.js'
import { serveLocally } from '../../listener/local-listener.js'
import { scriptPath } from '../../script-path.js'
import { pause } from '../../server-program.js'
import { connectTcp, exchange, isBound } from '../../tcp-client.js'
import { pathOf } from '../../transports/certificates.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

/** A file of one listener on a free port. */
const oneListener = (stage: string, listen = 'port: 0') => `listeners:
  - name: a
    listen: { host: 127.0.0.1, ${listen} }
    pipeline: [lines, ${stage}, toLines]
`

/** A server of a file that is running. */
interface Served {
  readonly io: FakeIo
  readonly path: string
  readonly exited: Promise<number>
  /** Waits until this is printed; what is printed before counts no more. */
  readonly logged: (pattern: RegExp) => Promise<RegExpExecArray>
  /** Writes the file anew. */
  readonly write: (text: string) => void
  /** The same, then SIGHUP. */
  readonly reload: (text?: string) => void
  /** The port of listener 'a'. */
  readonly port: number
}

/** Serves a file for the length of a test; resolves when its listener 'a' listens. */
async function serve(t: Test, text: string, ...flags: string[]): Promise<Served> {
  const path = `${t.testdir({ 'bywash.yaml': text })}/bywash.yaml`
  return serveAt(t, path, ...flags)
}

async function serveAt(t: Test, path: string, ...flags: string[]): Promise<Served> {
  const io = new FakeIo()
  const exited = main(['serve', path, ...flags], io)
  t.teardown(async () => {
    io.emit('SIGTERM')
    io.emit('SIGTERM')
    await exited
  })
  let seen = 0
  const logged = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(io.logged.slice(seen))
      if (match !== null) {
        seen += match.index + match[0].length
        return match
      }
      await once(io, 'logged')
    }
  }
  const write = (text: string) => writeFileSync(path, text)
  const reload = (text?: string) => {
    if (text !== undefined) write(text)
    io.emit('SIGHUP')
  }
  const [, port] = await logged(/a: listening on 127\.0\.0\.1:(\d+)(?:"\})?\n/)
  return { io, path, exited, logged, write, reload, port: Number(port) }
}

async function refused(port: number): Promise<void> {
  const [error] = await once(connect({ host: '127.0.0.1', port }), 'error')
  if (error.code !== 'ECONNREFUSED') throw error
}

const answer = async (t: Test, port: number) => String(await exchange(t, port, ['Hi\n']))

t.test('serve listens with every listener of a file, and says on stderr where', async t => {
  const served = await serve(
    t,
    `listeners:
  - { name: a, listen: { host: 127.0.0.1, port: 0 }, pipeline: [lines, uppercase, toLines] }
  - { name: b, listen: { host: 127.0.0.1, port: 0, maxConnections: 1 }, pipeline: echo }
`,
  )
  const { io } = served
  const [, port] = await served.logged(/^b: listening on 127\.0\.0\.1:(\d+)\n/)
  t.equal(await answer(t, served.port), 'HI\n')
  const client = await connectTcp(t, Number(port))
  await client.send('Hi')
  t.equal(String(await client.receive(2)), 'Hi')
  t.equal(
    String(await (await connectTcp(t, Number(port))).receive()),
    'error: too many connections\n',
    'with its options',
  )
  t.equal(io.printed, '', 'stdout stays free')
})

t.test('serve ends at SIGTERM and SIGINT: connections finish, and the exit code is 0', async t => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const { io, port, exited } = await serve(t, oneListener('uppercase'))
    const client = await connectTcp(t, port)
    await client.send('a\nb')
    t.equal(String(await client.receive('\n')), 'A\n')
    io.emit(signal)
    await client.send('c\n')
    t.equal(String(await client.receive()), 'BC\n', 'a line that has begun is waited for')
    t.equal(await exited, 0, signal)
    await refused(port)
    for (const each of ['SIGTERM', 'SIGINT', 'SIGHUP']) t.equal(io.listenerCount(each), 0, each)
  }
})

t.test('a second signal ends connections at once, and the exit code is 1', async t => {
  const { io, port, exited } = await serve(t, oneListener('uppercase'))
  const client = await connectTcp(t, port)
  await client.send('a\nb')
  await client.receive('\n')
  io.emit('SIGTERM')
  io.emit('SIGTERM')
  t.equal(await exited, 1)
})

t.test('serve refuses a file with problems before it binds, prints them all, and exits 2', async t => {
  const folder = t.testdir({
    'bywash.yaml': 'listeners:\n  - { name: a, listen: { prot: 0 }, pipeline: [linse] }\n',
  })
  const { exitCode, printed, logged } = await runCommand(['serve', `${folder}/bywash.yaml`])
  t.equal(exitCode, 2)
  t.equal(printed, '')
  t.match(logged, /bywash\.yaml:2:26: 'listen' takes no 'prot'\..*\n.*bywash\.yaml:2:48: There is no stage/)
  t.match(await runCommand(['serve', `${folder}/none.yaml`, '--watch', '--log', 'silent']), {
    exitCode: 2,
    logged: `${folder}/none.yaml:1:1: There is no such file. 'bywash init' writes one.\n`,
  })
})

t.test('when one listener cannot be bound, none is: one line, and exit code 1', async t => {
  const taken = await serveLocally(t, pipeline())
  const port = await freePort()
  const folder = t.testdir({
    'bywash.yaml': `listeners:
  - { name: a, listen: { host: 127.0.0.1, port: ${port} }, pipeline: echo }
  - { name: b, listen: { host: 127.0.0.1, port: ${taken.port} }, pipeline: echo }
`,
  })
  t.strictSame(await runCommand(['serve', `${folder}/bywash.yaml`]), {
    exitCode: 1,
    printed: '',
    logged: `bind failed: 127.0.0.1:${taken.port} is already in use; choose another port, or stop the program that has it\n`,
  })
  await refused(port)
})

t.test('at SIGHUP new connections get the new pipeline, and open ones finish on the old', async t => {
  const { port, logged, reload, path } = await serve(t, oneListener('uppercase'))
  const clients = [await connectTcp(t, port), await connectTcp(t, port)]
  for (const client of clients) {
    await client.send('Old\n')
    t.equal(String(await client.receive('\n')), 'OLD\n')
  }
  reload(oneListener('lowercase'))
  const [text] = await logged(/^.* was reloaded\n.*\n/)
  t.equal(text, `${path} was reloaded\na: new pipeline; 2 open connections finish on the old one\n`)
  t.equal(await answer(t, port), 'hi\n')
  for (const client of clients) {
    await client.send('Still Old\n')
    t.equal(String(await client.receive('\n')), 'STILL OLD\n')
    client.end()
    t.equal(String(await client.receive()), '')
  }
})

t.test('a bad file keeps the old one running and says why; a good one is taken up again', async t => {
  const { port, logged, reload, path } = await serve(t, oneListener('uppercase'))
  reload(oneListener('uppercas'))
  t.equal(
    (await logged(/^.*\n.* not reloaded.*\n/))[0],
    `${path}:4:23: There is no stage 'uppercas'. Did you mean 'uppercase', 'preset:uppercase' or 'lowercase'?\n` +
      `${path} was not reloaded, for it has a problem; everything goes on as before\n`,
  )
  t.equal(await answer(t, port), 'HI\n')
  reload('listeners: 5\nx: 1')
  await logged(/was not reloaded, for it has 2 problems; everything goes on as before\n/)
  unlinkSync(path)
  reload()
  await logged(/There is no such file\..*\n.* was not reloaded, for it has a problem/)
  t.equal(await answer(t, port), 'HI\n')
  reload(oneListener('lowercase'))
  await logged(/ was reloaded\na: new pipeline; 0 open connections finish on the old one\n/)
  t.equal(await answer(t, port), 'hi\n')
})

t.test('a reload of the same file says that nothing has changed, and changes nothing', async t => {
  const { port, logged, reload } = await serve(t, oneListener('uppercase'))
  const client = await connectTcp(t, port)
  await client.send('a\n')
  t.equal(String(await client.receive('\n')), 'A\n')
  reload(`# a comment\n${oneListener('uppercase')}`)
  await logged(/ was reloaded; nothing has changed\n/)
  t.equal(await answer(t, port), 'HI\n')
  client.end('b\n')
  t.equal(String(await client.receive()), 'B\n')
})

t.test('several signals at once are done one after the other, and the last file wins', async t => {
  const { path, port, logged, reload } = await serve(t, oneListener('uppercase'))
  const { change } = LocalDispatcher.prototype
  let count = 0
  t.intercept(LocalDispatcher.prototype, 'change', {
    async value(this: LocalDispatcher, next: Parameters<typeof change>[0]) {
      count++
      // As long as another reload would take to come here.
      for (let time = 1; time <= 5; time++) await loadFile(path, { environment: {} })
      await change.call(this, next)
    },
  })
  reload(oneListener('trim'))
  reload(oneListener('lowercase'))
  reload()
  await logged(/(?:was reloaded(?:.*\n)+?.*){3}/)
  t.equal(await answer(t, port), 'hi\n')
  t.equal(count, 1)
})

t.test('SIGHUP while it starts is a reload behind the start', async t => {
  const io = new FakeIo()
  const path = `${t.testdir({ 'bywash.yaml': oneListener('uppercase') })}/bywash.yaml`
  const registered = new Promise<void>(resolve => {
    io.on('newListener', signal => signal === 'SIGHUP' && setImmediate(resolve))
  })
  const exited = main(['serve', path], io)
  await registered
  io.emit('SIGHUP')
  while (!/was reloaded; nothing has changed\n/.test(io.logged)) await once(io, 'logged')
  t.match(io.logged, /^a: listening on [^\n]*\n[^\n]* was reloaded/)
  io.emit('SIGTERM')
  t.equal(await exited, 0)
})

t.test('SIGHUP while a start fails changes nothing about it', async t => {
  const io = new FakeIo()
  io.on('newListener', signal => signal === 'SIGHUP' && setImmediate(() => io.emit('SIGHUP')))
  t.equal(await main(['serve', t.testdir()], io), 2)
  t.match(io.logged, /^[^\n]*This is a directory\.[^\n]*\n$/)
})

t.test('a signal to stop during a reload stops, and a reload after it does nothing', async t => {
  const { io, port, exited, write, reload } = await serve(t, oneListener('uppercase'))
  const client = await connectTcp(t, port)
  await client.send('a\nb')
  await client.receive('\n')
  const before = io.logged
  write(oneListener('lowercase', 'port: 0, idleTimeout: 1h'))
  io.emit('SIGHUP')
  io.emit('SIGTERM')
  reload()
  client.end('\n')
  t.equal(String(await client.receive()), 'B\n')
  t.equal(await exited, 0)
  t.equal(io.logged, before)
})

t.test('an address that cannot be bound at a reload leaves everything as it was', async t => {
  const taken = await serveLocally(t, pipeline())
  const { port, logged, reload, path } = await serve(t, oneListener('uppercase'))
  reload(
    `${oneListener('lowercase')}  - { name: b, listen: { host: 127.0.0.1, port: ${taken.port} }, pipeline: echo }\n`,
  )
  t.equal(
    (await logged(/^.* not reloaded.*\n/))[0],
    `${path} was not reloaded: bind failed: 127.0.0.1:${taken.port} is already in use; choose another port, or stop the program that has it\n`,
  )
  t.equal(await answer(t, port), 'HI\n')
})

t.test('a fault of a stage is printed with the listener and the connection', async t => {
  const folder = t.testdir({
    'stages.mjs': `import { map } from ${JSON.stringify(pathToFileURL(scriptPath('lib/index')))}
export const broken = map('broken', line => { throw new Error('bad\\u001b[31m ' + line) })
`,
    'bywash.yaml': `import: ./stages.mjs\n${oneListener('broken')}`,
  })
  const { port, logged, io } = await serveAt(t, `${folder}/bywash.yaml`)
  t.equal(await answer(t, port), '')
  await logged(/^\[a #\d+\] closed: stage-error, .*: Stage 'broken' failed in transform: bad\\x1b\[31m Hi\n/)
  t.equal(io.printed, '')
})

t.test('--log json logs each connection with the name of its listener', async t => {
  const { io, port, exited } = await serve(t, oneListener('uppercase'), '--log', 'json')
  t.equal(await answer(t, port), 'HI\n')
  io.emit('SIGTERM')
  await exited
  const entries = io.logged
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(entries, [
    { level: 'info', msg: `a: listening on 127.0.0.1:${port}` },
    { level: 'info', event: 'opened', listener: 'a', id: Number },
    { level: 'info', event: 'closed', listener: 'a', id: Number, reason: 'end' },
  ])
})

t.test('--quiet prints errors only', async t => {
  const port = await freePort()
  const listen = `port: ${port}`
  const path = `${t.testdir({ 'bywash.yaml': oneListener('uppercase', listen) })}/bywash.yaml`
  const io = new FakeIo()
  const exited = main(['serve', path, '--quiet'], io)
  while (!(await isBound(port))) {}
  const replaced = new Promise<void>(resolve => {
    t.intercept(LocalDispatcher.prototype, 'change', { value: async () => resolve() })
  })
  writeFileSync(path, 'x: 1')
  io.emit('SIGHUP')
  while (!io.logged.includes('not reloaded')) await once(io, 'logged')
  writeFileSync(path, oneListener('lowercase', listen))
  io.emit('SIGHUP')
  await replaced
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  t.notMatch(io.logged, /listening|was reloaded|new pipeline/)
})

t.test('--watch reloads when the file was written, replaced, or its link has another target', async t => {
  const folder = t.testdir({ 'one.yaml': oneListener('uppercase'), 'two.yaml': oneListener('lowercase') })
  const path = `${folder}/bywash.yaml`
  symlinkSync('one.yaml', path)
  const { port, logged, io } = await serveAt(t, path, '--watch')
  writeFileSync(`${folder}/one.yaml`, oneListener('trim'))
  await logged(/a: new pipeline/)
  t.equal(await answer(t, port), 'Hi\n', 'written')
  symlinkSync('two.yaml', `${folder}/new.yaml`)
  renameSync(`${folder}/new.yaml`, path)
  await logged(/a: new pipeline/)
  t.equal(await answer(t, port), 'hi\n', 'another target')
  writeFileSync(`${folder}/new.yaml.tmp`, oneListener('uppercase'))
  renameSync(`${folder}/new.yaml.tmp`, path)
  await logged(/a: new pipeline/)
  t.equal(await answer(t, port), 'HI\n', 'replaced')
  rmSync(path)
  await logged(/no such file.*\n.* was not reloaded/)
  t.equal(await answer(t, port), 'HI\n', 'removed')
  writeFileSync(path, oneListener('lowercase'))
  await logged(/a: new pipeline/)
  t.equal(await answer(t, port), 'hi\n', 'and there again')
  t.notMatch(io.logged, 'nothing has changed')
})

t.test('--watch says nothing when only the times of a file change', async t => {
  const { io, logged, path, write } = await serve(t, oneListener('uppercase'), '--watch')
  let time = 0
  for (let round = 0; round < 2; round++) {
    let isNoticed = false
    const notice = () => {
      isNoticed = true
    }
    watchFile(path, notice)
    // On a busy machine the first look of a watcher may come behind a change, and sees none then.
    while (!isNoticed) {
      utimesSync(path, ++time, time)
      await pause()
    }
    unwatchFile(path, notice)
  }
  write(oneListener('lowercase'))
  await logged(/a: new pipeline/)
  t.notMatch(io.logged, 'nothing has changed')
})

t.test('a certificate that has expired is said at the start and at each reload, and is used', async t => {
  const tls = `{ cert: ${pathOf('expired')}, key: ${pathOf('expired-key')} }`
  const { logged, reload } = await serve(t, oneListener('uppercase', `port: 0, tls: ${tls}`))
  reload()
  await logged(
    /bywash\.yaml:\d+:\d+: tls: 'cert' \(CN=expired\) has expired: [^\n]+\n.*was reloaded; nothing has changed\n/,
  )
})
