import { once } from 'node:events'
import { linkSync, lstatSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import t, { type Test } from 'tap'
import { formatBound } from '../../lib/address.js'
import {
  type Connection,
  InvalidOptionError,
  type ListenOptions,
  listen,
  type Outcome,
} from '../../lib/index.js'
import { removeStale } from '../../lib/listener/address/unix-socket.js'
import { openServer } from '../../lib/listener/open-server.js'
import { counter, echo } from '../../lib/presets/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { socketFolder } from '../socket-folder.js'
import { clientOf, type TcpClient } from '../tcp-client.js'
import { identity } from './certificates.js'
import { secure } from './tls-client.js'

const backlog = 511

/** The path of a socket in a folder of its own; a short one, as paths of sockets must be. */
const fresh = (t: Test): string => `${socketFolder(t)}/s`

const filesBeside = (path: string) => readdirSync(dirname(path))

const modeOf = (path: string) => lstatSync(path).mode & 0o777

async function client(t: Test, path: string): Promise<TcpClient> {
  const socket = connect({ path, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return clientOf(socket)
}

async function answers(t: Test, path: string): Promise<boolean> {
  const { send, receive } = await client(t, path)
  await send('hello')
  return (await receive(5)).toString() === 'hello'
}

/** Leaves the file of a socket behind which nobody is. */
async function leaveStale(path: string): Promise<void> {
  const server = createServer().listen(`${path}.alive`)
  await once(server, 'listening')
  linkSync(`${path}.alive`, path)
  server.close()
  await once(server, 'close')
}

function serve(t: Test, path: string, options: Omit<ListenOptions, 'clock'> = {}) {
  return serveLocally(t, echo.pipeline(), { host: undefined, port: undefined, path, ...options } as object)
}

t.test('a client is served, and the file goes with the listener', async t => {
  const path = fresh(t)
  let seen: Connection | undefined
  const onOutcome = (_: Outcome, connection: Connection) => {
    seen = connection
  }
  const { listener, ended } = await serve(t, path, { onOutcome })
  t.strictSame(listener.address, { address: path, family: 'unix', port: 0 })
  t.equal(formatBound(listener.address), path)
  const one = await client(t, path)
  one.end('hello')
  t.equal((await one.receive()).toString(), 'hello')
  t.match(await ended(1), [{ reason: 'end', bytesRead: 5, bytesWritten: 5 }])
  const { remoteAddress, remotePort, localAddress, localPort } = seen as Connection
  t.strictSame([remoteAddress, remotePort, localAddress, localPort], Array(4).fill(undefined))
  await listener.close()
  t.strictSame(filesBeside(path), [])
})

t.test('limits of addresses do not apply, and those of connections do', async t => {
  const path = fresh(t)
  const { listener } = await serve(t, path, {
    allow: ['192.0.2.1'],
    maxConnectionsPerAddress: 1,
    maxConnections: 2,
  })
  t.ok(await answers(t, path))
  t.ok(await answers(t, path))
  const third = await client(t, path)
  t.equal((await third.receive()).toString(), 'error: too many connections\n')
  t.equal(listener.refused, 1)
})

t.test('a log has a name for a client that has no address', async t => {
  const path = fresh(t)
  const logged: string[] = []
  const served = counter.pipeline({ log: line => logged.push(line) })
  const listener = await listen(served, { path })
  t.teardown(() => listener.close({ timeout: 0 }))
  t.ok(await answers(t, path))
  t.strictSame(logged, ['[conn #1] new client from an unknown address'])
})

t.test('TLS is spoken over it, too', async t => {
  const path = fresh(t)
  await serve(t, path, { tls: identity('server') })
  const secured = await secure(await client(t, path))
  secured.end('hello')
  t.equal((await secured.receive()).toString(), 'hello')
})

t.test('the file has the mode, and nobody has more before; the umask stays', async t => {
  const before = process.umask(0o027)
  t.teardown(() => process.umask(before))
  for (const [mode, expected] of [
    [undefined, 0o750],
    [0o666, 0o666],
    [0o600, 0o600],
    [0, 0],
  ] as const) {
    const path = fresh(t)
    const { listener } = await serve(t, path, mode === undefined ? {} : { mode })
    t.equal(modeOf(path), expected)
    await listener.close()
    t.equal(process.umask(0o027), 0o027)
  }
  const path = fresh(t)
  const server = createServer()
  let atFirst: number | undefined
  server.once('listening', () => {
    atFirst = modeOf(path)
  })
  await openServer(server, { path, mode: 0o666, backlog })
  t.equal(atFirst, 0o700)
  server.close()
})

t.test('a socket whose mode cannot be set is not left open', async t => {
  const path = fresh(t)
  const server = createServer()
  server.once('listening', () => unlinkSync(path))
  const failing = openServer(server, { path, mode: 0o600, backlog })
  await t.rejects(failing, { code: 'ERR_BYWASH_BIND', message: /^bind failed: ENOENT: .* chmod/ })
  t.equal(server.listening, false)
})

t.test('what a dead server has left is removed', async t => {
  const path = fresh(t)
  await leaveStale(path)
  t.ok(lstatSync(path).isSocket())
  await serve(t, path)
  t.ok(await answers(t, path))
  t.strictSame(filesBeside(path), ['s'])
})

t.test('a socket that is in use is left alone', async t => {
  const path = fresh(t)
  await serve(t, path)
  await t.rejects(listen(echo.pipeline(), { path }), {
    code: 'ERR_BYWASH_BIND',
    message: `bind failed: ${path} is already in use; choose another path, or stop the program that has it`,
  })
  t.ok(await answers(t, path))
})

t.test('a server that is too busy to take a client is not dead', async t => {
  const path = fresh(t)
  const busy = createServer().listen({ path, backlog: 1 })
  await once(busy, 'listening')
  const accepted: Socket[] = []
  busy.on('connection', socket => accepted.push(socket))
  t.teardown(() => {
    for (const socket of accepted) socket.destroy()
    busy.close()
  })
  // Nothing is accepted before this turn of the event loop is over.
  for (let count = 0; count < 4; count++) connect({ path }).on('error', () => {})
  const failing = openServer(createServer(), { path, mode: undefined, backlog })
  await t.rejects(failing, { code: 'ERR_BYWASH_BIND', message: /is already in use \(EAGAIN\); choose/ })
})

t.test('a file that is no socket is left alone', async t => {
  const path = fresh(t)
  writeFileSync(path, 'precious')
  const refusal = {
    code: 'ERR_BYWASH_BIND',
    message: `bind failed: ${path} is there already and is no socket, so it is left alone; choose another path`,
  }
  await t.rejects(listen(echo.pipeline(), { path }), refusal)
  const link = `${path}-link`
  symlinkSync(path, link)
  await t.rejects(listen(echo.pipeline(), { path: link }), {
    code: 'ERR_BYWASH_BIND',
    message: /is no socket/,
  })
  t.strictSame(filesBeside(path), ['s', 's-link'])
})

t.test('what another server has put there in the meantime is put back', async t => {
  const path = fresh(t)
  await leaveStale(path)
  const stale = lstatSync(path, { bigint: true })
  unlinkSync(path)
  removeStale(path, stale)
  t.strictSame(filesBeside(path), [], 'and what is gone is gone')
  await serve(t, path)
  removeStale(path, stale)
  t.ok(await answers(t, path))
  t.strictSame(filesBeside(path), ['s'])
})

t.test('a stale file that cannot be moved is an error', async t => {
  const path = fresh(t)
  await leaveStale(path)
  const stale = lstatSync(path, { bigint: true })
  t.throws(() => removeStale(`${path}/too`, stale), { code: 'ENOTDIR' })
})

t.test('of two that find the same stale file, one has the socket', async t => {
  const path = fresh(t)
  await leaveStale(path)
  const results = await Promise.allSettled([1, 2].map(() => listen(echo.pipeline(), { path })))
  t.strictSame(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  t.ok(await answers(t, path))
  for (const result of results) if (result.status === 'fulfilled') await result.value.close({ timeout: 0 })
  t.strictSame(filesBeside(path), [])
})

t.test('suspend() takes the file away, and resume() puts it back with its mode', async t => {
  const path = fresh(t)
  const { listener } = await serve(t, path, { mode: 0o640 })
  const open = await client(t, path)
  await listener.suspend()
  t.strictSame(filesBeside(path), [])
  await listener.resume()
  t.equal(modeOf(path), 0o640)
  t.ok(await answers(t, path))
  await open.send('still')
  t.equal((await open.receive(5)).toString(), 'still')
})

t.test('a folder that is not there is named', async t => {
  const path = `${fresh(t)}/none`
  await t.rejects(listen(echo.pipeline(), { path }), {
    code: 'ERR_BYWASH_BIND',
    message: `bind failed: cannot make ${path}; its directory does not exist, or is not writable`,
  })
})

t.test('another server that came first is told as for a port', async t => {
  const path = fresh(t)
  const first = createServer()
  const second = createServer()
  // Both have looked, and then both bind.
  const opened = openServer(first, { path, mode: undefined, backlog })
  await t.rejects(openServer(second, { path, mode: undefined, backlog }), {
    code: 'ERR_BYWASH_BIND',
    message: /is already in use/,
  })
  await opened
  first.close()
})

t.test('options that do not go together, or cannot be, are refused before anything is bound', async t => {
  const cases: [object, RegExp][] = [
    [{ path: '/s', port: 1 }, /'path' and 'port' do not go together; a listener has one address\.$/],
    [{ path: '/s', host: 'a' }, /'path' and 'host' do not go together/],
    [{ path: '/s', fd: 3 }, /'path' and 'fd' do not go together/],
    [{ fd: 3, port: 1 }, /'fd' and 'port' do not go together/],
    [{ fd: 3, mode: 0o600 }, /'mode' and 'fd' do not go together/],
    [{ mode: 0o600 }, /'mode' is for the file of a unix socket; give 'path' too\.$/],
    [{ path: '' }, /'path' is the file of a unix socket, such as '\/run\/echo\.sock'\.$/],
    [{ path: 5 }, /'path' is the file/],
    [{ path: '\0abstract' }, /'path' is the file/],
    [{ path: `/${'é'.repeat(52)}` }, /'path' has at most 103 bytes, as unix sockets do; got 105\.$/],
    [{ path: '/s', mode: 0o1000 }, /'mode' is permission bits, such as 0o660; got 512\.$/],
    [{ path: '/s', mode: -1 }, /'mode' is permission bits/],
    [{ path: '/s', mode: '66' }, /'mode' is permission bits, such as 0o660; got "66"\.$/],
    [{ fd: -1 }, /'fd' is the number of an inherited descriptor, 'systemd', or .*; got -1\.$/],
    [{ fd: 1.5 }, /'fd' is the number/],
    [{ fd: 'systemd:' }, /'fd' is the number/],
    [{ host: '' }, /'host' is an address or a host name, such as '127\.0\.0\.1'; got ""\.$/],
    [{ port: 65_536 }, /'port' is a whole number/],
  ]
  for (const [options, message] of cases) {
    await t.rejects(listen(echo.pipeline(), options), InvalidOptionError, String(message))
    await t.rejects(listen(echo.pipeline(), options), { message })
  }
})
