import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { main } from '../../../lib/cli/main.js'
import { socketFolder } from '../../socket-folder.js'
import { get } from '../../status-server/status-client.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'
import { serveInProcess } from '../serve-in-process.js'

const LOCAL = ['--host', '127.0.0.1', '--port', '0']

/** Asks the status server whose line is in the log. */
const health = (port: string | undefined) =>
  get({ address: { address: '127.0.0.1', family: 'IPv4', port: Number(port) } }, '/healthz')

t.test('--status serves the status of a command, and says where', async t => {
  const { io, exited, logged } = await serveInProcess(t, ['echo', ...LOCAL, '--status', '127.0.0.1:0'])
  const [, port] = await logged(/^Status on http:\/\/127\.0\.0\.1:(\d+)\/$/m)
  t.match(await health(port), { status: 200, body: 'ok\n' })
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  await t.rejects(health(port), { code: 'ECONNREFUSED' })
})

t.test('a bad address is said in words, before anything is bound', async t => {
  for (const [address, message] of [
    ['x', /It must be a port, an address such as 127\.0\.0\.1:9000/],
    ['70000', /It must be a port/],
    ['http://localhost:9000', /It must be a port/],
    ['0.0.0.0:9000', /'host' is 0\.0\.0\.0, which other machines can reach, so it needs a 'token'/],
  ] as const) {
    const { exitCode, logged } = await runCommand(['echo', ...LOCAL, '--status', address])
    t.equal(exitCode, 2, address)
    t.match(logged, message)
  }
})

t.test('an address that is taken ends the command, and frees the one of the listener', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as { port: number }
  const file = join(t.testdir({ 'a.yaml': FILE('') }), 'a.yaml')
  for (const argv of [
    ['echo', ...LOCAL],
    ['serve', file],
  ]) {
    const { exitCode, logged } = await runCommand([...argv, '--status', String(port)])
    t.equal(exitCode, 1)
    t.match(logged, `bind failed: 127.0.0.1:${port} is already in use`)
  }
})

const FILE = (status: string) =>
  `${status}\nlisteners: [{ name: a, listen: { host: 127.0.0.1, port: 0 }, pipeline: echo }]\n`

t.test('status: of a file is moved and ended by a reload, and --status stands above it', async t => {
  const folder = socketFolder(t)
  const file = join(folder, 'a.yaml')
  writeFileSync(file, FILE('status: 127.0.0.1:0'))
  const serve = (...flags: string[]) => {
    const io = new FakeIo()
    const exited = main(['serve', file, ...flags], io)
    const logged = async (pattern: RegExp) => {
      for (;;) {
        const match = pattern.exec(io.logged)
        if (match !== null) return match
        await once(io, 'logged')
      }
    }
    return { io, exited, logged }
  }
  const { io, exited, logged } = serve()
  const [, first] = await logged(/^Status on http:\/\/127\.0\.0\.1:(\d+)\/$/m)
  t.equal((await health(first)).status, 200)
  writeFileSync(file, FILE('status: { path: ./s, mode: "660" }'))
  io.emit('SIGHUP')
  await logged(new RegExp(`^Status on unix:${folder}/s$`, 'm'))
  await t.rejects(health(first), { code: 'ECONNREFUSED' })
  writeFileSync(file, FILE(''))
  io.emit('SIGHUP')
  await logged(/^Status: no longer served$/m)
  io.logged = ''
  io.emit('SIGHUP')
  await logged(/nothing has changed/)
  io.emit('SIGTERM')
  t.equal(await exited, 0)

  writeFileSync(file, FILE('status: { path: ./s }'))
  const other = serve('--status', '127.0.0.1:0')
  await other.logged(/^Status on http:\/\/127\.0\.0\.1:(\d+)\/$/m)
  other.io.emit('SIGTERM')
  t.equal(await other.exited, 0)
})
