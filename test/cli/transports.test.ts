import { once } from 'node:events'
import { copyFileSync, lstatSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { trialLines, websocketTrialLines } from '../../lib/cli/serving/trial-lines.js'
import { serveLocally } from '../listener/local-listener.js'
import { socketFolder } from '../socket-folder.js'
import { clientOf } from '../tcp-client.js'
import { identity, install, pathOf } from '../transports/certificates.js'
import { connectTls, refusalOf } from '../transports/tls-client.js'
import { connectWebSocket } from '../transports/websocket-client.js'
import { runCommand } from './run-command.js'
import { serveInProcess } from './serve-in-process.js'

const LOCAL = ['--host', '127.0.0.1', '--port', '0']

t.test('--websocket serves WebSockets, and says how to try it', async t => {
  const { io, exited, port } = await serveInProcess(t, [
    'run',
    'lines | uppercase | to-lines',
    '--websocket',
    ...LOCAL,
  ])
  t.equal(io.logged, `Pipeline on 127.0.0.1:${port}\nTest: websocat ws://localhost:${port}/\n`)
  const { webSocket, next, rest } = await connectWebSocket(t, port)
  webSocket.send('hello')
  t.equal(await next(), 'HELLO')
  io.emit('SIGTERM')
  t.equal((await rest()).code, 1001)
  t.equal(await exited, 0)
})

t.test('the line for a listener of WebSockets has its page, or a command', async t => {
  const bound = { address: '192.0.2.7', family: 'IPv4', port: 8080 }
  for (const [address, hasTls, websocket, lines] of [
    [bound, false, { page: true }, ['Open: http://192.0.2.7:8080/']],
    [{ ...bound, address: '::' }, true, { page: true }, ['Open: https://localhost:8080/']],
    [bound, true, {}, ['Test: websocat --insecure wss://192.0.2.7:8080/']],
    [bound, false, true, ['Test: websocat ws://192.0.2.7:8080/']],
    [{ address: '/run/s', family: 'unix', port: 0 }, false, { page: true }, []],
  ] as const) {
    t.strictSame(websocketTrialLines(address, hasTls, websocket), lines)
  }
})

const commonName = async (t: Test, port: number) =>
  (await connectTls(t, port)).socket.getPeerCertificate().subject.CN

t.test('--path serves on a unix socket with a --mode, and says how to try it', async t => {
  const path = `${socketFolder(t)}/s`
  const { io, exited } = await serveInProcess(t, ['echo', '--path', path, '--mode', '640'])
  t.equal(
    io.logged,
    `Echo server listening on ${path}\nTest: socat - UNIX-CONNECT:${path}\nOr: npx bywash connect ${path}\n`,
  )
  t.equal(lstatSync(path).mode & 0o777, 0o640)
  const socket = connect({ path, allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  const client = clientOf(socket)
  client.end('hello')
  t.equal((await client.receive()).toString(), 'hello')
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  t.equal(lstatSync(path, { throwIfNoEntry: false }), undefined)
})

t.test('--tls-cert and --tls-key speak TLS, from the folder of the command', async t => {
  const folder = socketFolder(t)
  install(folder, 'server')
  const argv = [
    'run',
    'lines | uppercase | to-lines',
    ...LOCAL,
    '--tls-cert',
    'cert.pem',
    '--tls-key',
    'key.pem',
  ]
  const { io, port } = await serveInProcess(t, argv, folder)
  t.match(io.logged, `Test: openssl s_client -quiet -connect localhost:${port}\n`)
  const client = await connectTls(t, port)
  client.end('hello\n')
  t.equal((await client.receive()).toString(), 'HELLO\n')
})

t.test('--tls-ca asks clients for a certificate, and --tls-min-version for a version', async t => {
  const names = ['cert', 'key', 'ca']
  const paths = ['server', 'server-key', 'authority'].map(pathOf)
  const flags = names.flatMap((name, index) => [`--tls-${name}`, paths[index] as string])
  const { io, port } = await serveInProcess(t, [
    'echo',
    ...LOCAL,
    ...flags,
    '--tls-min-version',
    'TLSv1.3',
    '--tls-alpn-protocols',
    'mqtt',
    '--log',
    'text',
  ])
  t.match(io.logged, 'Test: openssl s_client -quiet -cert client.pem -key client-key.pem -connect localhost:')
  const client = await connectTls(t, port, { ...identity('client'), ALPNProtocols: ['x', 'mqtt'] })
  t.equal(client.socket.authorized, true)
  t.equal((client.socket as TLSSocket).alpnProtocol, 'mqtt')
  t.match(await refusalOf(connectTls(t, port)), /^ERR_SSL|^ECONNRESET$/)
  while (!io.logged.includes('the client showed no certificate')) await once(io, 'logged')
  t.match(await refusalOf(connectTls(t, port, { maxVersion: 'TLSv1.2' })), /PROTOCOL_VERSION/)
})

t.test('--tls-crl refuses clients whose certificate was revoked', async t => {
  const files = { cert: 'server', key: 'server-key', ca: 'authority', crl: 'crl' }
  const flags = Object.entries(files).flatMap(([name, file]) => [`--tls-${name}`, pathOf(file)])
  const { port, logged } = await serveInProcess(t, ['echo', ...LOCAL, ...flags])
  await refusalOf(connectTls(t, port, identity('revoked')))
  await logged(/refused, .*the client's certificate is not accepted: CERT_REVOKED/)
  t.equal((await connectTls(t, port, identity('client'))).socket.authorized, true)
})

t.test('a certificate that has expired is said at the start and at SIGHUP, and is used', async t => {
  const folder = socketFolder(t)
  install(folder, 'expired')
  const flags = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
  const { io, port, logged } = await serveInProcess(t, ['echo', ...LOCAL, ...flags], folder)
  const warning =
    "tls: 'cert' (CN=expired) has expired: it was valid until 2020-01-02T00:00:00.000Z; renew it\n"
  t.match(io.logged, warning)
  t.equal((await connectTls(t, port, { rejectUnauthorized: false })).socket.authorized, false)
  io.logged = ''
  io.emit('SIGHUP')
  await logged(/The TLS certificate was read again.*\n.*has expired/)
  t.match(io.logged, warning)
  install(folder, 'server')
  io.logged = ''
  io.emit('SIGHUP')
  await logged(/The TLS certificate was read again.*\n/)
  t.notMatch(io.logged, 'expired')
})

t.test('SIGHUP stops a command without certificates, as the end of its terminal does', async t => {
  const { io, exited } = await serveInProcess(t, ['echo', ...LOCAL])
  io.emit('SIGHUP')
  t.equal(await exited, 0)
})

t.test('SIGHUP reads certificates again; what is wrong with them keeps the old one', async t => {
  const folder = socketFolder(t)
  install(folder, 'server')
  const tls = ['--tls-cert', 'cert.pem', '--tls-key', 'key.pem']
  const { io, port, logged, exited } = await serveInProcess(t, ['echo', ...LOCAL, ...tls], folder)
  const open = await connectTls(t, port)
  t.equal(open.socket.getPeerCertificate().subject.CN, 'server')
  install(folder, 'renewed')
  io.emit('SIGHUP')
  await logged(/The TLS certificate was read again; connections that are open keep theirs\n/)
  t.equal(await commonName(t, port), 'renewed')
  copyFileSync(pathOf('server'), `${folder}/cert.pem`)
  io.emit('SIGHUP')
  await logged(/The TLS certificate was not renewed, the old one stays: tls: .* key values mismatch\.\n/)
  rmSync(`${folder}/cert.pem`)
  io.emit('SIGHUP')
  await logged(
    /The TLS certificate was not renewed, the old one stays: tls: 'cert': there is no file cert\.pem\.\n/,
  )
  t.equal(await commonName(t, port), 'renewed')
  await open.send('still')
  t.equal((await open.receive(5)).toString(), 'still')
  io.emit('SIGTERM')
  io.emit('SIGTERM')
  await exited
  t.equal(io.listenerCount('SIGHUP'), 0)
})

t.test('wrong flags exit with 2, and an address that cannot be bound with 1, in one line', async t => {
  const certificates = ['--tls-cert', pathOf('server'), '--tls-key', pathOf('server-key')]
  const { port } = await serveLocally(t, (await import('../../lib/presets/index.js')).echo.pipeline())
  const cases: [string[], number, RegExp][] = [
    [['--path', '/s', '--port', '1'], 2, /^listen\(\): 'path' and 'port' do not go together; .*\n$/],
    [['--path', '/s', '--fd', '3'], 2, /'path' and 'fd' do not go together/],
    [['--mode', '660'], 2, /'mode' is for the file of a unix socket; give 'path' too\.\n$/],
    [
      ['--path', '/s', '--mode', '999'],
      2,
      /'--mode <mode>' argument '999' is invalid\. It is three octal digits, such as '660'; got "999"\./,
    ],
    [
      ['--fd', 'x'],
      2,
      /'--fd <descriptor>' argument 'x' is invalid\. It is the number of a descriptor, 'systemd'/,
    ],
    [['--tls-cert', 'none.pem', '--tls-key', 'k'], 2, /^tls: 'cert': there is no file none\.pem\.\n$/],
    [['--tls-cert', '.', '--tls-key', 'k'], 2, /^tls: 'cert': \. cannot be read: EISDIR: .*\n$/],
    [['--tls-cert', pathOf('server')], 2, /^tls: 'key' is missing; TLS needs a certificate and its key\.\n$/],
    [['--tls-ca', pathOf('authority')], 2, /^tls: 'cert' is missing/],
    [['--tls-crl', pathOf('crl')], 2, /^tls: 'cert' is missing/],
    [
      [...certificates, '--tls-crl', pathOf('crl')],
      2,
      /^tls: 'crl' is for certificates of clients; give their/,
    ],
    [
      [...certificates, '--tls-ca', pathOf('authority'), '--tls-crl', pathOf('server')],
      2,
      /^tls: 'crl' is no revocation list in PEM: /,
    ],
    [
      ['--tls-cert', pathOf('server-key'), '--tls-key', pathOf('server-key')],
      2,
      /^tls: 'cert' is no certificate/,
    ],
    [['--tls-alpn-protocols', 'mqtt'], 2, /'cert' is missing; TLS needs a certificate and its key/],
    [[...certificates, '--tls-min-version', 'SSLv3'], 2, /Allowed choices are TLSv1\.2, TLSv1\.3/],
    [[...certificates, '--tls-handshake-timeout', '0'], 2, /It must be a time such as/],
    [['--fd', 'systemd'], 1, /^bind failed: systemd has handed over no descriptor/],
    [
      [...certificates, '--host', '127.0.0.1', '--port', String(port)],
      1,
      /^bind failed: .* is already in use/,
    ],
  ]
  for (const [flags, code, message] of cases) {
    const { exitCode, printed, logged } = await runCommand(['echo', ...flags])
    t.equal(exitCode, code, flags.join(' '))
    t.equal(printed, '')
    t.match(logged, message)
  }
})

t.test('each kind of address has commands that try it', async t => {
  const nc = (host: string, port: number) => `echo 'hello' | nc ${host} ${port}`
  const unix = (address: string) => ({ address, family: 'unix', port: 0 })
  const v6 = { address: '2001:db8::1', family: 'IPv6', port: 443 }
  const connect = 'npx bywash connect'
  const cases = [
    [
      { address: '::', family: 'IPv6', port: 80 },
      undefined,
      ["echo 'hello' | nc localhost 80", `echo 'hello' | ${connect} localhost:80`],
    ],
    [v6, undefined, ["echo 'hello' | nc 2001:db8::1 443", `echo 'hello' | ${connect} [2001:db8::1]:443`]],
    [
      v6,
      {},
      ['openssl s_client -quiet -connect [2001:db8::1]:443', `${connect} [2001:db8::1]:443 --tls-insecure`],
    ],
    [unix('/run/s'), {}, ['openssl s_client -quiet -unix /run/s', `${connect} /run/s --tls-insecure`]],
    [unix("/it's here"), undefined, ["socat - UNIX-CONNECT:'/it'\\''s here'", `${connect} '/it'\\''s here'`]],
    [
      unix('/run/s'),
      { ca: 'ca.pem' },
      [
        'openssl s_client -quiet -cert client.pem -key client-key.pem -unix /run/s',
        `${connect} /run/s --tls-insecure --tls-cert client.pem --tls-key client-key.pem`,
      ],
    ],
    [unix('echo.sock'), undefined, ['socat - UNIX-CONNECT:echo.sock', `${connect} ./echo.sock`]],
    [unix(''), undefined, []],
  ] as const
  for (const [address, tls, [first, second] = []] of cases) {
    t.strictSame(trialLines(address, tls, nc), first === undefined ? [] : [`Test: ${first}`, `Or: ${second}`])
  }
  const own = () => 'bywash connect localhost:80'
  t.strictSame(trialLines(v6, undefined, own), ['Test: bywash connect localhost:80'])
})
