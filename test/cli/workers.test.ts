import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import { main } from '../../lib/cli/main.js'
import type { Status } from '../../lib/status/status.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { connectTcp, isBound } from '../tcp-client.js'
import { FakeIo } from './fake-io.js'

/** Starts the command, from lib/: what its workers run counts as covered. */
function start(t: Test, ...argv: string[]) {
  // A group of its own, as a shell gives it.
  const child = spawn(process.execPath, [...SCRIPT_FLAGS, scriptPath('lib/cli/bin'), ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const ended = once(child, 'exit')
  t.teardown(() => signalGroup(child, 'SIGKILL'))
  const events = new EventEmitter()
  let text = ''
  child.stderr.setEncoding('utf8').on('data', chunk => {
    text += chunk
    events.emit('logged')
  })
  const logged = async (pattern: RegExp) => {
    for (;;) {
      const match = pattern.exec(text)
      if (match !== null) return match
      await once(events, 'logged')
    }
  }
  return { child, ended, logged, text: () => text }
}

/** As Ctrl-C does. */
function signalGroup({ pid = 0 }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It is gone already.
  }
}

async function serve(t: Test, ...argv: string[]) {
  const server = start(t, ...argv, '--host', '127.0.0.1', '--port', '0')
  const [, port] = await server.logged(/ on \S+:(\d+)\nTest: .+\n/)
  return { ...server, port: Number(port) }
}

t.test('--workers serves with several processes: one greeting, one count, and one end at Ctrl-C', async t => {
  const { child, ended, logged, text, port } = await serve(t, 'counter', '--workers', '2')
  const clients = []
  for (let number = 1; number <= 4; number++) {
    const client = await connectTcp(t, port)
    await client.send('hello\n')
    t.equal((await client.receive('\n')).toString(), 'hello\n')
    clients.push(client)
  }
  clients[0]?.end()
  await logged(/total served: 4/)
  signalGroup(child, 'SIGINT')
  for (const client of clients) {
    t.equal((await client.receive()).toString(), '')
    client.end()
  }
  t.strictSame(await ended, [0, null])
  await logged(/(total served: 4[\s\S]*){4}/)
  t.strictSame(
    [...text().matchAll(/conn #(\d+)/g)].map(([, number]) => Number(number)),
    [1, 2, 3, 4],
  )
  t.equal(text().match(/listening on/g)?.length, 1)
})

t.test(
  'a second signal ends workers at once, and the exit code says that a connection was cut off',
  async t => {
    const { child, ended, port } = await serve(t, 'uppercase', '--workers', '2')
    const client = await connectTcp(t, port)
    await client.receive('\n')
    await client.send('begun')
    child.kill('SIGTERM')
    // Two signals at once would be one: the first has arrived when nobody listens any more.
    while (await isBound(port)) {}
    child.kill('SIGTERM')
    t.strictSame(await ended, [1, null])
  },
)

t.test('--workers takes a number or auto', async t => {
  for (const wrong of ['0', '1025', '1.5', 'all', '']) {
    const io = new FakeIo()
    t.equal(await main(['echo', '--workers', wrong], io), 2)
    t.match(io.logged, `'${wrong}' is invalid. It must be a whole number, from 1 to 1024, or auto.`)
  }
  const { ended, child } = await serve(t, 'run', 'lines | to-lines', '--workers', 'auto')
  child.kill('SIGTERM')
  t.strictSame(await ended, [0, null])
})

t.test('--status adds up what workers do, and keeps what one that was killed has counted', async t => {
  const { child, ended, logged, port } = await serve(
    t,
    'uppercase',
    '--workers',
    '2',
    '--status',
    '127.0.0.1:0',
  )
  const [, url] = await logged(/Status on (http:\S+)\n/)
  const look = async () => {
    const [status] = (await (await fetch(`${url}status`)).json()) as [Status]
    return status
  }
  const serving = ({ workers }: Status) => workers.filter(({ state }) => state === 'serving').length
  while (serving(await look()) < 2) {}
  const clients = []
  for (let number = 1; number <= 4; number++) {
    const client = await connectTcp(t, port)
    await client.receive('\n')
    await client.send('hello\n')
    t.equal((await client.receive('\n')).toString(), 'HELLO\n')
    clients.push(client)
  }
  // An answer may be a moment old.
  let before = await look()
  while (before.traffic.total.bytesIn < 24) before = await look()
  t.match(before, { connections: { open: 4 }, traffic: { total: { opened: 4, bytesIn: 24, ended: {} } } })
  t.equal(
    before.workers.reduce((sum, { connections }) => sum + connections, 0),
    4,
  )
  const [killed] = before.workers
  process.kill(killed?.process?.pid as number, 'SIGKILL')
  let after = await look()
  while (after.connections.open === 4 || serving(after) < 2) after = await look()
  t.match(after.traffic.total, { opened: 4, bytesIn: 24, ended: { 'worker-died': killed?.connections } })
  child.kill('SIGTERM')
  for (const client of clients) client.socket.destroy()
  await ended
})
