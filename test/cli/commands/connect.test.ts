import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { lines, listen, pipeline, toLines, uppercase, welcome } from '../../../lib/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { socketFolder } from '../../socket-folder.js'
import { identity, pathOf, pem } from '../../transports/certificates.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

const shout = pipeline().through(lines()).through(uppercase()).through(toLines()).through(welcome('hi\n'))

/** A server that is written by hand, for what a listener would not do. */
async function server(
  t: Test,
  onSocket: (socket: Socket) => void,
  at: object = { host: '127.0.0.1', port: 0 },
) {
  const server = createServer({ allowHalfOpen: true }, socket => {
    t.teardown(() => socket.destroy())
    onSocket(socket.on('error', () => {}))
  })
  server.listen(at)
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

/** A path that is short enough for a unix socket, which the folders of tests may not be. */
function socketPath(t: Test): string {
  const folder = socketFolder(t)
  return join(folder, 'echo.sock')
}

/** A client whose stdin stays open. */
function interactive(port: number) {
  const io = new FakeIo()
  const exited = main(['connect', `127.0.0.1:${port}`], io)
  const printed = async (text: string) => {
    while (!io.printed.includes(text)) await once(io.stdout, 'data')
  }
  return { io, exited, printed }
}

t.test('sends stdin, half-closes, and prints the answer until the server closes', async t => {
  const { port } = await serveLocally(t, shout)
  t.strictSame(await runCommand(['connect', `127.0.0.1:${port}`], 'hello\nthere'), {
    exitCode: 0,
    printed: 'hi\nHELLO\nTHERE\n',
    logged: '',
  })
})

t.test('sends and prints through pipelines', async t => {
  const { port } = await serveLocally(t, shout)
  const argv = [
    'connect',
    `127.0.0.1:${port}`,
    'lines | number | to-lines',
    '--receive',
    "lines | prefix '> ' | to-lines",
  ]
  t.match(await runCommand(argv, 'a\nb\n'), { exitCode: 0, printed: '> hi\n> 1: A\n> 2: B\n' })
})

t.test('prints each answer while stdin stays open, and ends when the server does', async t => {
  const { port, listener } = await serveLocally(t, shout)
  const { io, exited, printed } = interactive(port)
  await printed('hi\n')
  io.stdin.write('one\n')
  await printed('ONE\n')
  io.stdin.write('two\n')
  await printed('TWO\n')
  await listener.close()
  t.equal(await exited, 0)
  t.equal(io.printed, 'hi\nONE\nTWO\n')
})

t.test('a server that closes at once is no failure', async t => {
  const port = await server(t, socket => socket.end('bye\n'))
  const { io, exited } = interactive(port)
  t.equal(await exited, 0)
  t.equal(io.printed, 'bye\n')
})

t.test('a server that resets the connection exits 1 with one line', async t => {
  const port = await server(t, socket => socket.once('data', () => socket.resetAndDestroy()))
  const { io, exited } = interactive(port)
  io.stdin.write('x')
  t.equal(await exited, 1)
  t.equal(io.logged, 'cannot read: connection reset by peer\n')
})

t.test('goes to IPv6 addresses and unix sockets', async t => {
  const answer = (socket: Socket) => void socket.pipe(socket)
  const path = socketPath(t)
  await server(t, answer, { path })
  t.match(await runCommand(['connect', path], 'x'), { exitCode: 0, printed: 'x' })
  const port = await server(t, answer, { host: '::1', port: 0 }).catch(() => undefined)
  if (port === undefined) t.comment('no IPv6 here')
  else t.match(await runCommand(['connect', `[::1]:${port}`], 'x'), { exitCode: 0, printed: 'x' })
})

t.test('an address is host:port, also behind a scheme, or two words', async t => {
  const { port } = await serveLocally(t, shout)
  for (const words of [
    [`tcp://127.0.0.1:${port}`],
    [`TCP://127.0.0.1:${port}/`],
    ['127.0.0.1', `${port}`],
    ['tcp://127.0.0.1', `${port}`],
  ]) {
    t.match(
      await runCommand(['connect', ...words], 'x\n'),
      { exitCode: 0, printed: 'hi\nX\n' },
      words.join(' '),
    )
  }
  const toUpper = ['127.0.0.1', `${port}`, "lines | prefix '> ' | to-lines"]
  t.match(await runCommand(['connect', ...toUpper], 'x\n'), { exitCode: 0, printed: 'hi\n> X\n' })
  for (const [words, message] of [
    [['http://localhost:80'], "'http://' is not spoken here. Write tcp:// or tls://, or neither.\n"],
    [
      ['localhost', 'lines', 'to-lines'],
      "'lines' is no port. Write a number, or put the whole text in quotes.\n",
    ],
    [['localhost', '70000'], "'localhost:70000' is no address. "],
    [['::1', '0'], "'[::1]:0' is no address. "],
    [['tls://localhost'], "'localhost' is no address. "],
  ] as const) {
    const { exitCode, printed, logged } = await runCommand(['connect', ...words])
    t.strictSame([exitCode, printed], [2, ''])
    t.ok(logged.startsWith(message), logged)
  }
})

t.test('--timeout gives up a server that says nothing, and one that cannot be reached', async t => {
  const port = await server(t, () => {})
  const io = new FakeIo()
  t.equal(await main(['connect', `127.0.0.1:${port}`, '--timeout', '500ms', '-v'], io), 1)
  t.equal(
    io.logged,
    `connected to 127.0.0.1:${port}\ncannot read: nothing came or went for 500 ms\n` +
      'closed by us: nothing came or went for 500 ms; 0 bytes sent, 0 received\n' +
      'nothing was received; a server that speaks TLS needs --tls\n',
  )
  t.capture(Socket.prototype, 'connect', function (this: Socket) {
    return this
  })
  t.match(await runCommand(['connect', 'localhost:1', '--timeout', '20ms']), {
    exitCode: 1,
    logged: 'cannot connect to localhost:1: nothing came or went for 20 ms\n',
  })
})

t.test('-v says when it is connected, and by whom it is closed', async t => {
  const cases: [string, (socket: Socket) => void, string][] = [
    ['x', socket => void socket.pipe(socket), 'by us, then by the server; 1 bytes sent, 1 received\n'],
    [
      '',
      socket => void socket.end('bye'),
      /by (the server, then by us|us, then by the server); 0 bytes sent, 3 received\n/.source,
    ],
    [
      'x',
      socket => socket.once('data', () => socket.resetAndDestroy()),
      'by the server: connection reset by peer; ',
    ],
  ]
  for (const [input, onSocket, end] of cases) {
    const port = await server(t, onSocket)
    const { logged, exitCode } = await runCommand(['connect', `127.0.0.1:${port}`, '--verbose'], input)
    t.match(logged, new RegExp(`^connected to 127\\.0\\.0\\.1:${port}\\n(?:cannot .*\\n)?closed ${end}`))
    t.equal(exitCode, end.includes('reset') ? 1 : 0)
  }
  const path = socketPath(t)
  await server(t, socket => void socket.end('x'), { path })
  t.match((await runCommand(['connect', path, '-v'])).logged, /^connected to a unix socket\n/)
})

t.test('-v says that it is closed by us where stdout goes away', async t => {
  const port = await server(t, socket => void socket.write('x'))
  const io = new FakeIo()
  const exited = main(['connect', `127.0.0.1:${port}`, '-v'], io)
  await once(io.stdout, 'data')
  io.stdout.destroy()
  await exited
  t.match(io.logged, 'closed by us; 0 bytes sent, 1 received\n')
})

const trusted = ['--tls-ca', pathOf('authority')]

t.test('speaks TLS with a server whose certificate it can check', async t => {
  const tls = identity('server')
  const { port } = await serveLocally(t, shout, { tls })
  const there = `127.0.0.1:${port}`
  const named = ['--tls-server-name', 'localhost']
  const first = await runCommand(['connect', there, '--tls', ...trusted, ...named, '-v'], 'x\n')
  t.match(first, { exitCode: 0, printed: 'hi\nX\n' })
  t.match(first.logged, new RegExp(`^connected to ${there}, TLSv1\\.3\\nclosed by us, then by the server; `))
  for (const flags of [[...trusted, ...named], ['--tls-insecure'], ['--tls', '--tls-insecure', ...named]]) {
    t.match(await runCommand(['connect', there, ...flags], 'x\n'), { exitCode: 0, printed: 'hi\nX\n' })
  }
  t.match(await runCommand(['connect', `tls://${there}`, '--tls-insecure'], 'x\n'), { printed: 'hi\nX\n' })
  const { logged, exitCode } = await runCommand(['connect', there, '--tls', ...named])
  t.equal(exitCode, 1)
  t.match(
    logged,
    new RegExp(
      `^cannot connect to ${there}: its certificate is not accepted: .*[^.]\\. Name its authority with --tls-ca or the ` +
        'server with --tls-server-name, or skip the check with --tls-insecure\\n$',
    ),
  )
  t.match(await runCommand(['connect', there, ...trusted, '--tls-server-name', 'elsewhere']), {
    exitCode: 1,
    logged: /its certificate is not accepted: .*elsewhere/,
  })
})

t.test('speaks TLS on a unix socket, with the name localhost', async t => {
  const path = socketPath(t)
  const listener = await listen(shout, { path, tls: identity('server') })
  t.teardown(() => listener.close({ timeout: 0 }))
  t.match(await runCommand(['connect', path, ...trusted], 'x\n'), { exitCode: 0, printed: 'hi\nX\n' })
})

t.test('shows a certificate where the server asks for one', async t => {
  const { port } = await serveLocally(t, shout, { tls: { ...identity('server'), ca: pem('authority') } })
  const argv = ['connect', `localhost:${port}`, ...trusted]
  const own = ['--tls-cert', pathOf('client'), '--tls-key', pathOf('client-key')]
  t.match(await runCommand([...argv, ...own], 'x\n'), { exitCode: 0, printed: 'hi\nX\n' })
  t.match(await runCommand(argv, 'x\n'), { exitCode: 1, printed: '' })
})

t.test('files of TLS that cannot be read, or used, exit 1 with one line', async t => {
  t.strictSame(await runCommand(['connect', 'localhost:1', '--tls-ca', 'none.pem']), {
    exitCode: 1,
    printed: '',
    logged: 'cannot read none.pem: no such file or directory\n',
  })
  const wrong = ['--tls-cert', pathOf('client'), '--tls-key', pathOf('client')]
  t.match(await runCommand(['connect', 'localhost:1', ...wrong]), {
    exitCode: 1,
    logged: /^the certificate and key cannot be used: .+\n$/,
  })
})

t.test('with TLS to a server that does not speak it, or ends the handshake, says so', async t => {
  const { port } = await serveLocally(t, pipeline())
  t.match(await runCommand(['connect', `127.0.0.1:${port}`, '--tls'], 'x'), {
    exitCode: 1,
    logged: new RegExp(
      `^cannot connect to 127\\.0\\.0\\.1:${port}: it does not seem to speak TLS \\(.+\\); leave --tls out\\n$`,
    ),
  })
  const alert = await server(t, socket => void socket.end(Buffer.from('15030300020228', 'hex')))
  t.match(await runCommand(['connect', `127.0.0.1:${alert}`, '--tls'], 'x'), {
    exitCode: 1,
    logged: /cannot connect to .*alert handshake failure\n$/,
  })
})

t.test('without TLS to a server that speaks it, says so', async t => {
  const { port } = await serveLocally(t, shout, { tls: identity('server') })
  t.match(await runCommand(['connect', `127.0.0.1:${port}`], 'hello\n'), {
    printed: 'error: this port speaks TLS\n',
  })
  const alert = await server(t, socket => void socket.end(Buffer.from('15030300020246', 'hex')))
  t.match(await runCommand(['connect', `127.0.0.1:${alert}`], 'hello\n'), {
    exitCode: 1,
    logged: `127.0.0.1:${alert} speaks TLS; connect with --tls.\n`,
  })
  for (const answer of ['150303000202', '16030300020246', '15040300020246', '15030300030246']) {
    const other = await server(t, socket => void socket.end(Buffer.from(answer, 'hex')))
    t.match(await runCommand(['connect', `127.0.0.1:${other}`], 'x'), { exitCode: 0, logged: '' }, answer)
  }
})

t.test('a server that is not there exits 1 with one line', async t => {
  const { port, listener } = await serveLocally(t, shout)
  await listener.close()
  const missing = socketPath(t)
  for (const [address, reason] of [
    [`127.0.0.1:${port}`, 'nobody listens there'],
    [missing, 'no such file or directory'],
  ]) {
    t.strictSame(await runCommand(['connect', `${address}`]), {
      exitCode: 1,
      printed: '',
      logged: `cannot connect to ${address}: ${reason}\n`,
    })
  }
})

t.test('says the code where a name has several addresses and Node no message', async t => {
  t.capture(Socket.prototype, 'connect', function (this: Socket) {
    return this.destroy(Object.assign(new AggregateError([]), { code: 'ENETUNREACH' }))
  })
  t.match(await runCommand(['connect', 'localhost:1']), {
    exitCode: 1,
    logged: 'cannot connect to localhost:1: ENETUNREACH\n',
  })
})

t.test('what a stage reports on either way is said on stderr', async t => {
  const { port } = await serveLocally(t, shout)
  const report = 'lines --max-length 3 --overflow report | to-lines'
  for (const [name, argv] of [
    ['sent', [report]],
    ['received', ['echo', '--receive', report]],
  ] as const) {
    const { exitCode, logged } = await runCommand(['connect', `127.0.0.1:${port}`, ...argv], 'abcd\n')
    t.equal(exitCode, 0)
    t.match(
      logged,
      new RegExp(
        `^\\[${name} #\\d+\\] fault: Stage 'lines' received a line longer than 3 bytes\\.[^\\n]+\\n$`,
      ),
    )
  }
})

t.test('a stage error on either way exits 1 with one line', async t => {
  const { port } = await serveLocally(t, shout)
  const short = 'lines --max-length 3 | to-lines'
  for (const argv of [[short], ['echo', '--receive', short]]) {
    const { exitCode, logged } = await runCommand(['connect', `127.0.0.1:${port}`, ...argv], 'abcd\n')
    t.equal(exitCode, 1)
    t.match(logged, /^Stage 'lines' received a line longer than 3 bytes\.[^\n]+\n$/)
  }
})

t.test('an address that is none, or a wrong text, exits 2 before anything is sent', async t => {
  for (const address of ['localhost', '::1:80', 'localhost:0', 'localhost:65536', 'localhost:http']) {
    t.match(await runCommand(['connect', address]), {
      exitCode: 2,
      logged: `'${address}' is no address. Write a host and a port, such as localhost:8080 or [::1]:8080, or `,
    })
  }
  t.match(await runCommand(['connect', 'localhost:1', 'lins']), {
    exitCode: 2,
    logged: "error: There is no stage 'lins'. Did you mean 'lines'",
  })
})
