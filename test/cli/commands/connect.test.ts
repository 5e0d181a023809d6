import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { lines, pipeline, toLines, uppercase, welcome } from '../../../lib/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { socketFolder } from '../../socket-folder.js'
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
      new RegExp(`^\\[${name} #1\\] fault: Stage 'lines' received a line longer than 3 bytes\\.[^\\n]+\\n$`),
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
