import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'

/** Runs a program behind the gate, as a test file runs. */
async function run(program: string): Promise<{ code: number; printed: string }> {
  const child = spawn(
    process.execPath,
    [
      ...SCRIPT_FLAGS,
      `--import=${scriptPath('test/gate/leak-gate')}`,
      '--input-type=module',
      '--eval',
      program,
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: undefined },
    },
  )
  const [printed, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  return { code, printed }
}

const IMPORTS =
  "import { createServer, connect } from 'node:net'; import { EventEmitter, once } from 'node:events'\n"

t.test('a file that closes what it opened passes', async t => {
  const { code, printed } = await run(`${IMPORTS}
    const server = createServer(socket => socket.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect(server.address().port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  `)
  t.strictSame({ code, printed }, { code: 0, printed: '' })
})

t.test('a file that leaves a server behind fails', async t => {
  const { code, printed } = await run(`${IMPORTS}
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.unref()
  `)
  t.equal(code, 1)
  t.match(printed, /^This test file leaks: (tcp socket|TCP)/)
})

t.test('a file that leaves a client behind fails', async t => {
  const { code, printed } = await run(`${IMPORTS}
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connect(server.address().port, '127.0.0.1')
    await once(client, 'connect')
    process.exit()
  `)
  t.equal(code, 1)
  t.match(printed, /TCPSocketWrap/)
})

t.test('a file in which an emitter has too many listeners fails', async t => {
  const { code, printed } = await run(`${IMPORTS}
    const emitter = new EventEmitter()
    for (let listener = 0; listener < 11; listener++) emitter.on('event', () => {})
  `)
  t.equal(code, 1)
  t.match(printed, /This test file leaks: Possible EventEmitter memory leak detected/)
})

t.test('a file that fails by itself keeps its exit code', async t => {
  const { code, printed } = await run('process.exitCode = 7')
  t.strictSame({ code, printed }, { code: 7, printed: '' })
})
