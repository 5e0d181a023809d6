import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import {
  compiledExample,
  exampleEnvironment as env,
  serve,
  startExample as start,
} from '../example-server.js'
import { SCRIPT_FLAGS } from '../script-path.js'
import { connectWebSocket } from '../transports/websocket-client.js'

const root = pathToFileURL('./')

/** A client that sends something, then FIN, and reads up to the server's FIN. */
async function talk(port: number, input: string | Buffer): Promise<{ answer: Buffer; clientPort: number }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const clientPort = socket.localPort as number
  socket.end(input)
  const answer: Buffer[] = []
  for await (const chunk of socket) answer.push(chunk)
  return { answer: Buffer.concat(answer), clientPort }
}

const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
const ECHO = 'Echo server listening on'

t.test('echo-server sends back the exact bytes', async t => {
  const { port, line, stop } = await start(t, 'echo-server.ts', ECHO)
  t.equal(await line(), `Test: echo 'hello' | nc localhost ${port}`)
  t.equal(await line(), `Or: echo 'hello' | npx bywash connect localhost:${port}`)
  const large = Buffer.concat(Array.from({ length: 4096 }, () => everyByte))
  for (const input of [Buffer.from('hello\n'), Buffer.alloc(0), everyByte, large]) {
    const { answer } = await talk(port, input)
    t.ok(answer.equals(input), `${input.length} bytes`)
  }
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('welcome-server greets, then echoes', async t => {
  const { port, line, stop } = await start(t, 'welcome-server.ts', ECHO)
  t.equal(await line(), `Test: echo 'hello' | nc localhost ${port}`)
  t.equal(await line(), `Or: echo 'hello' | npx bywash connect localhost:${port}`)
  const { answer } = await talk(port, everyByte)
  const greeting = Buffer.from('Welcome to the echo server! Type anything and press Enter.\n')
  t.strictSame(answer, Buffer.concat([greeting, everyByte]))
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('counter-server echoes and numbers its clients', async t => {
  const { port, line, stop } = await start(t, 'counter-server.ts', ECHO)
  t.equal(await line(), `Test: echo 'hello' | nc localhost ${port}`)
  t.equal(await line(), `Or: echo 'hello' | npx bywash connect localhost:${port}`)
  for (const number of [1, 2, 3]) {
    const { answer, clientPort } = await talk(port, everyByte)
    t.strictSame(answer, everyByte)
    t.equal(await line(), `[conn #${number}] new client from 127.0.0.1:${clientPort}`)
    t.equal(await line(), `[server] client disconnected (total served: ${number})`)
  }
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('uppercase-server shouts, and changes no byte but a to z', async t => {
  const { port, line, stop } = await start(t, 'uppercase-server.ts', 'Uppercase echo server on')
  t.equal(await line(), `Test: nc localhost ${port}`)
  t.equal(await line(), `Or: npx bywash connect localhost:${port}`)
  const greeting = 'Type a line and press Enter. I will shout it back.\n'
  const shout = async (input: string) =>
    (await talk(port, Buffer.from(input, 'latin1'))).answer.toString('latin1')
  t.equal(await shout('hello world\nunfinished'), `${greeting}HELLO WORLD\nUNFINISHED\n`)
  const bytes = everyByte.toString('latin1')
  const shouted = bytes.replace(/[a-z]/g, letter => letter.toUpperCase())
  t.equal(await shout(`${bytes}\n`), `${greeting}${shouted}\n`, 'every byte')
  const longest = 'a'.repeat(4096)
  t.equal(
    await shout(`${longest}\n${longest}a\nlost\n`),
    `${greeting}${longest.toUpperCase()}\nerror: line is longer than 4096 bytes\n`,
    'a line over the limit',
  )
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('proxy-server passes connections on', async t => {
  const behind = await start(t, 'echo-server.ts', ECHO)
  const flags = [
    ...SCRIPT_FLAGS,
    compiledExample('proxy-server.ts'),
    '0',
    '127.0.0.1',
    `127.0.0.1:${behind.port}`,
  ]
  const { port, stop } = await serve(t, flags, 'Proxy listening on')
  t.strictSame((await talk(port, everyByte)).answer, everyByte)
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('browser-server has a page, and shouts to WebSockets', async t => {
  const { port, line, stop } = await start(t, 'browser-server.ts', 'Browsers on')
  t.equal(await line(), `Open: http://localhost:${port}/`)
  t.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), '<title>bywash</title>')
  const { webSocket, next, rest } = await connectWebSocket(t, port)
  t.equal(await next(), 'Type a line and press Enter. I will shout it back.')
  webSocket.send('hello')
  t.equal(await next(), 'HELLO')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
  t.equal((await rest()).code, 1001)
})

t.test('custom-stage adds up, each connection for itself', async t => {
  const { port, stop } = await start(t, 'custom-stage.ts', 'Adding on')
  const add = async (input: string) => String((await talk(port, input)).answer)
  t.equal(await add('1\n2.5\nsix\n-4'), '= 1\n= 3.5\nnot a number: six\n= -0.5\n')
  t.equal(await add('7\nquit\n8\n'), '= 7\n', 'quit ends the connection')

  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const answers = createInterface({ input: socket })[Symbol.asyncIterator]()
  socket.write('10\n')
  t.equal((await answers.next()).value, '= 10')
  t.equal(await add('5'), '= 5\n', 'a second client meanwhile')
  socket.end('1\n')
  t.equal((await answers.next()).value, '= 11')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('my-stages gives texts stages of its own', async t => {
  const text = 'lines | reverse | repeat --times 3 | to-lines'
  const flags = ['--import', './examples/my-stages.js', '--host', '127.0.0.1', '--port', '0']
  const { port, stop } = await serve(t, ['dist/cli/bin.js', 'run', text, ...flags], 'Pipeline on')
  t.equal(String((await talk(port, 'ab\nné\n')).answer), 'bababa\nénénén\n')
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('shout.yaml has no problem, its tests pass, and it serves', async t => {
  const file = 'examples/shout.yaml'
  for (const command of ['check', 'test']) {
    const child = spawn(process.execPath, ['dist/cli/bin.js', command, file], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => child.kill())
    const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    t.equal(code, 0, command)
    t.match(
      output,
      command === 'check' ? /^(examples\/shout\.yaml: \S+: memory: .*\n)+$/ : /^3 tests passed\.$/m,
    )
  }
  const ports = { PORT: '0', ECHO_PORT: '0' }
  const { port, line, stop } = await serve(
    t,
    ['dist/cli/bin.js', 'serve', file],
    'shout: listening on',
    ports,
  )
  t.match(await line(), /^echo: listening on 127\.0\.0\.1:\d+$/)
  t.equal(
    String((await talk(port, 'hello\n')).answer),
    'Type a line and press Enter. I will shout it back.\nHELLO\n',
  )
  t.equal(await stop(), 0, 'SIGTERM ends it in good order')
})

t.test('stage.test passes under node:test', async t => {
  const child = spawn(
    process.execPath,
    [...SCRIPT_FLAGS, '--test-reporter=tap', compiledExample('stage.test.ts')],
    {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.teardown(() => child.kill())
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 0)
  t.match(output, /^# pass 2$/m)
  t.match(output, /^# fail 0$/m)
})

t.test('every example is tested, and fits a screen', async t => {
  const own = await readFile('test/docs/examples.test.ts', 'utf8')
  const check = async (path: string, tests: string, lines: number) => {
    const name = path.replace('examples/', '')
    t.ok(tests.includes(`'${name}'`) || tests.includes(`${path}'`), path)
    const source = await readFile(new URL(path, root), 'utf8')
    t.ok(source.trimEnd().split('\n').length <= lines, `${path} has ${lines} lines at most`)
  }
  for (const example of await readdir(new URL('examples/', root)))
    if (example !== 'protocols') await check(`examples/${example}`, own, 30)

  const folder = new URL('test/protocols/', root)
  const sources = (await readdir(folder)).map(name => readFile(new URL(name, folder), 'utf8'))
  const ofProtocols = (await Promise.all(sources)).join('\n')
  for (const example of await readdir(new URL('examples/protocols/', root)))
    await check(`examples/protocols/${example}`, ofProtocols, 60)
})

t.test('the cookbook quotes the examples as they are', async t => {
  const page = await readFile('docs/cookbook.md', 'utf8')
  const quotes = page.matchAll(/^\[(examples\/\S+)\].*?^```ts\n(.*?)^```$/gms)
  const quoted = new Set<string>()
  for (const [, path = '', block = ''] of quotes) {
    quoted.add(path)
    const source = (await readFile(path, 'utf8')).split('\n')
    for (const line of block.split('\n'))
      if (!/^(import|declare) /.test(line)) t.ok(source.includes(line), `${path}: ${line}`)
  }
  t.equal(quoted.size, (await readdir('examples/protocols')).length, 'each of them')
})
