import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { connect, createServer, type NetConnectOpts, type Server } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { boundAddress, formatBound } from '../../lib/address.js'
import { connectionSettings } from '../../lib/engine/connection-options.js'
import { BindError, listen } from '../../lib/index.js'
import { takeDescriptor } from '../../lib/listener/address/systemd.js'
import { listenSettings } from '../../lib/listener/listen-options.js'
import { openServer } from '../../lib/listener/open-server.js'
import { ServerAcceptor } from '../../lib/listener/server-acceptor.js'
import { echo } from '../../lib/presets/index.js'
import { socketFolder } from '../socket-folder.js'
import { clientOf } from '../tcp-client.js'

const COMMAND = 'dist/cli/bin.js'
const ACTIVATE = 'systemd-socket-activate'

function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(':').some(folder => existsSync(join(folder, command)))
}

/** What systemd leaves in the environment. */
function environment(names: string | undefined, { count = 2, pid = process.pid } = {}): NodeJS.ProcessEnv {
  return {
    LISTEN_PID: String(pid),
    LISTEN_FDS: String(count),
    ...(names === undefined ? {} : { LISTEN_FDNAMES: names }),
    LISTEN_PIDFDID: '1',
    HOME: '/',
  }
}

/** Runs a program for the length of a test; `logged` waits until it has written a text to stderr. */
function run(t: Test, command: string, parameters: string[], options: SpawnOptions) {
  // What runs here is built in dist/; coverage is of lib/.
  const env = { ...process.env, NODE_V8_COVERAGE: undefined }
  const child: ChildProcess = spawn(command, parameters, { env, ...options })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const events = new EventEmitter()
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    events.emit('logged')
  })
  return {
    child,
    exited,
    async logged(wanted: string) {
      while (!text.includes(wanted)) await once(events, 'logged')
    },
  }
}

async function exchange(t: Test, options: NetConnectOpts): Promise<string> {
  const socket = connect({ ...options, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const client = clientOf(socket)
  client.end('hello')
  return (await client.receive()).toString()
}

/** A socket that listens, and its descriptor. */
async function listening(t: Test, options: object): Promise<{ server: Server; fd: number }> {
  const server = createServer().listen(options)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { fd } = (server as Server & { readonly _handle: { readonly fd: number } })._handle
  return { server, fd }
}

t.test('a number is itself', async t => {
  t.equal(takeDescriptor(7, {}), 7)
})

t.test('descriptors of systemd are taken by name, each once', async t => {
  const env = environment('web:admin')
  t.throws(() => takeDescriptor('systemd', env), {
    code: 'ERR_BYWASH_BIND',
    message:
      'bind failed: systemd has handed over several descriptors; choose one of systemd:web, systemd:admin',
  })
  t.strictSame(env, { HOME: '/' }, 'they are not for children')
  t.equal(takeDescriptor('systemd:admin', env), 4)
  t.throws(() => takeDescriptor('systemd:admin', env), {
    message: 'bind failed: systemd has not handed over exactly one descriptor named admin; there are web',
  })
  t.equal(takeDescriptor('systemd', env), 3, 'the only one that is left')
  t.throws(() => takeDescriptor('systemd', env), {
    message:
      'bind failed: systemd has handed over no descriptor (LISTEN_FDS); start this program from a socket unit',
  })
})

t.test('descriptors without names, or with the same, are told apart by nothing', async t => {
  t.equal(takeDescriptor('systemd', environment(undefined, { count: 1 })), 3)
  const env = environment('a:a')
  t.throws(() => takeDescriptor('systemd:a', env), {
    message: /exactly one descriptor named a; there are a, a$/,
  })
  takeTwo(env)
  t.throws(() => takeDescriptor('systemd', environment('', { count: 2 })), {
    message: /choose one of systemd:unknown, systemd:unknown$/,
  })
})

/** Nobody can choose between them, so they are replaced by others. */
function takeTwo(env: NodeJS.ProcessEnv): void {
  Object.assign(env, environment('x:y'))
  takeDescriptor('systemd:x', env)
  takeDescriptor('systemd:y', env)
}

t.test('a number of descriptors that cannot be is refused at once', async t => {
  for (const [count, shown] of [
    [100_000_000, '"100000000"'],
    [4_097, '"4097"'],
    ['x', '"x"'],
    ['-1', '"-1"'],
  ] as const) {
    const env = { ...environment('a'), LISTEN_FDS: String(count) }
    t.throws(() => takeDescriptor('systemd', env), {
      code: 'ERR_BYWASH_BIND',
      message: `bind failed: LISTEN_FDS is ${shown}; it is how many descriptors systemd hands over, up to 4096`,
    })
    t.equal(env.LISTEN_FDS, undefined)
  }
})

t.test('descriptors of another process are refused', async t => {
  const env = environment('a', { count: 1, pid: process.pid + 1 })
  t.throws(() => takeDescriptor('systemd', env), {
    code: 'ERR_BYWASH_BIND',
    message: new RegExp(
      `^bind failed: systemd's descriptors are for process ${process.pid + 1}, and this is ${process.pid}; start node`,
    ),
  })
})

t.test('a descriptor that is no socket is refused', async t => {
  const fd = openSync(process.execPath, 'r')
  t.teardown(() => closeSync(fd))
  for (const wrong of [fd, 1_000_000]) {
    await t.rejects(listen(echo.pipeline(), { fd: wrong }), {
      code: 'ERR_BYWASH_BIND',
      message: new RegExp(`^bind failed: descriptor ${wrong} is not a socket that listens \\(`),
    })
  }
  await t.rejects(openServer(createServer(), { fd: 'systemd:none', backlog: 1 }), BindError)
})

t.test('an inherited socket without an address has words for it', async t => {
  const server = Object.create(createServer(), { address: { value: () => null } }) as Server
  const address = boundAddress(server)
  t.strictSame(address, { address: '', family: 'unix', port: 0 })
  t.equal(formatBound(address), 'an inherited unix socket')
})

t.test('--fd serves a TCP socket that the parent has opened', async t => {
  const { server, fd } = await listening(t, { port: 0, host: '127.0.0.1' })
  const { port } = server.address() as { port: number }
  const { child, logged, exited } = run(t, process.execPath, [COMMAND, 'echo', '--fd', '3'], {
    stdio: ['ignore', 'inherit', 'pipe', fd],
  })
  await logged(`Echo server listening on 127.0.0.1:${port}\nTest: echo 'hello' | nc localhost ${port}\n`)
  // Only the child accepts.
  server.close()
  t.equal(await exchange(t, { port, host: '127.0.0.1' }), 'hello')
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
})

t.test('--fd serves a unix socket that the parent has opened, and leaves its file', async t => {
  const folder = socketFolder(t)
  const path = `${folder}/s`
  const { fd } = await listening(t, { path })
  const { child, logged, exited } = run(t, process.execPath, [COMMAND, 'echo', '--fd', '3'], {
    stdio: ['ignore', 'inherit', 'pipe', fd],
  })
  await logged('Echo server listening on an inherited unix socket\n')
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
  t.ok(existsSync(path))
})

t.test(
  '--fd systemd serves a socket of systemd',
  { skip: isInstalled(ACTIVATE) ? false : `${ACTIVATE} is not installed` },
  async t => {
    const folder = socketFolder(t)
    const [one, two] = [`${folder}/one`, `${folder}/two`]
    const names = ['--fdname=one:two', '-l', one, '-l', two]
    const program = [process.execPath, COMMAND, 'uppercase', '--banner', '', '--fd', 'systemd:two']
    const { logged } = run(t, ACTIVATE, [...names, ...program], { stdio: ['ignore', 'inherit', 'pipe'] })
    await logged('Listening on')
    const answer = exchange(t, { path: two })
    await logged('Uppercase echo server on an inherited unix socket\n')
    t.equal(await answer, 'HELLO\n')
  },
)

t.test('an inherited descriptor cannot be suspended, since it could not be opened again', async t => {
  const { server } = await listening(t, { port: 0, host: '127.0.0.1' })
  const acceptor = new ServerAcceptor(server, listenSettings({ fd: 3 }), connectionSettings('listen()', {}))
  await t.rejects(acceptor.suspend(), { code: 'ERR_BYWASH_BIND', message: /cannot be opened again/ })
  t.equal(server.listening, true)
  await acceptor.retire()
  await acceptor.suspend()
  t.equal(server.listening, false, 'it can be closed for good')
})
