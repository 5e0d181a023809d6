import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { connectTcp, exchange } from '../tcp-client.js'

/** The command as it is installed: `npm run build` makes it. */
const BIN = 'dist/cli/bin.js'

function start(t: Test, ...argv: string[]) {
  // The test runner would put its own loader and coverage into the process; `env` takes them out again.
  const bare = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', process.execPath]
  const child = spawn('env', [...bare, BIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Serves a preset in a process of its own; resolves with its port when it listens. */
async function serve(t: Test, preset: string) {
  const child = start(t, preset, '--host', '127.0.0.1', '--port', '0')
  const exited = exit(child)
  let logged = ''
  child.stderr.setEncoding('utf8')
  while (!/Test: .+\n/.test(logged)) {
    const [text] = await once(child.stderr, 'data')
    logged += text
  }
  return { child, exited, port: Number(/:(\d+)\n/.exec(logged)?.[1]) }
}

async function exit(child: ChildProcess): Promise<unknown[]> {
  return once(child, 'exit')
}

async function text(stream: Readable): Promise<string> {
  let all = ''
  for await (const chunk of stream.setEncoding('utf8')) all += chunk
  return all
}

t.test('SIGTERM lets an open connection finish its line, then the process exits 0', async t => {
  const { child, exited, port } = await serve(t, 'uppercase')
  const printed = text(child.stdout)
  const client = await connectTcp(t, port)
  await client.send('one\ntw')
  await client.receive('ONE\n')
  child.kill('SIGTERM')
  client.end('o')
  t.equal((await client.receive()).toString(), 'TWO\n')
  t.strictSame(await exited, [0, null])
  t.equal(await printed, '', 'stdout stays free')
})

t.test('a second signal ends the process while a connection is open', async t => {
  const { child, exited, port } = await serve(t, 'echo')
  const client = await connectTcp(t, port)
  await client.send('one')
  await client.receive(3)
  child.kill('SIGTERM')
  child.kill('SIGINT')
  t.strictSame(await exited, [1, null])
  t.equal((await client.receive()).toString(), '', 'the client gets FIN')
})

t.test('the service goes on when the reader of its log has gone', async t => {
  const { child, exited, port } = await serve(t, 'counter')
  child.stderr.destroy()
  await once(child.stderr, 'close')
  for (const hello of ['hello', 'hello again', 'and again']) {
    t.equal((await exchange(t, port, [hello])).toString(), hello)
  }
  child.kill('SIGTERM')
  t.strictSame(await exited, [0, null])
})

t.test('a usage error exits 2, and a failure to bind exits 1 with one line', async t => {
  const wrong = start(t, 'echo', '--port', 'abc')
  t.strictSame(await Promise.all([exit(wrong), text(wrong.stdout)]), [[2, null], ''])
  const { port } = await serve(t, 'echo')
  const second = start(t, 'echo', '--host', '127.0.0.1', '--port', String(port))
  const [exited, logged] = await Promise.all([exit(second), text(second.stderr)])
  t.strictSame(exited, [1, null])
  t.match(logged, /^bind failed: 127\.0\.0\.1:\d+ is already in use[^\n]*\n$/)
})
