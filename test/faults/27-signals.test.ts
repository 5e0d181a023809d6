import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { serveCommand } from '../cli/start-command.js'
import { connectTcp } from '../tcp-client.js'

/** A line becomes more than the system holds for a client that does not read. */
const FLOOD = `lines | prefix ${'x'.repeat(16_384)} | to-lines`

/** Each connection has one line when it opens, and one with the reason when it ends, which is returned. */
function endings(t: Test, log: string): ReadonlyMap<number, string> {
  const numbers = (event: RegExp) => [...log.matchAll(event)].map(([, id]) => Number(id)).sort()
  const ended = /^\[conn #(\d+)\] closed: ([\w-]+),/gm
  t.strictSame(numbers(ended), numbers(/^\[conn #(\d+)\] opened: /gm))
  const reasons = [...log.matchAll(ended)].map(([, id, reason = '']) => [Number(id), reason] as const)
  t.equal(new Map(reasons).size, reasons.length)
  return new Map(reasons)
}

/** Resolves when nobody listens any more. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port })
    const code = await once(socket, 'connect').then(
      () => '',
      (error: NodeJS.ErrnoException) => error.code,
    )
    socket.destroy()
    if (code === 'ECONNREFUSED') return
  }
}

/** A client that reads nothing, although there is much to read. */
async function freeze(t: Test, port: number) {
  const client = await connectTcp(t, port)
  await client.send('x\n'.repeat(2000))
  await client.receive(1)
  return client
}

t.test('27: SIGTERM under load', async t => {
  const { child, exited, log, logged, port } = await serveCommand(
    t,
    ...['uppercase', '--banner', '', '--log', 'text'],
  )
  const clients = await Promise.all(Array.from({ length: 50 }, () => connectTcp(t, port)))
  const bystander = await connectTcp(t, port)
  // One that has not been accepted would be reset.
  await logged(/opened: /, 51)
  await bystander.send('half a ')
  const sent = Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join('')
  const received = clients.map(client => client.receive())
  await Promise.all(clients.map(client => client.send(sent)))
  child.kill('SIGTERM')
  for (const answer of await Promise.all(received)) {
    t.equal(answer.toString(), sent.toUpperCase(), 'every line that was sent before is answered, then FIN')
  }
  await refused(port)
  bystander.end('line\n')
  t.equal((await bystander.receive()).toString(), 'HALF A LINE\n', 'a line that had begun, too')
  for (const client of clients) client.end()
  t.strictSame(await exited, [0, null])
  for (const reason of endings(t, log()).values()) t.match(reason, /^(end|shutdown)$/)
})

t.test('27: SIGTERM with a frozen client', async t => {
  const { child, exited, log, port } = await serveCommand(
    t,
    ...['run', FLOOD, '--log', 'text', '--shutdown-timeout', '300ms'],
  )
  const frozen = await freeze(t, port)
  const bystander = await connectTcp(t, port)
  await bystander.send('hel')
  child.kill('SIGTERM')
  await refused(port)
  bystander.end('lo\n')
  t.ok((await bystander.receive()).toString().endsWith('xhello\n'), 'others are answered')
  t.strictSame(await exited, [1, null])
  frozen.socket.destroy()
  t.equal(endings(t, log()).get(1), 'shutdown')
})

t.test('27: SIGTERM twice', async t => {
  const { child, exited, log, port } = await serveCommand(
    t,
    ...['run', FLOOD, '--log', 'text', '--shutdown-timeout', '1h', '--drain-timeout', '0'],
  )
  await freeze(t, port)
  child.kill('SIGTERM')
  await refused(port)
  child.kill('SIGTERM')
  t.strictSame(await exited, [1, null], 'at once')
  t.equal(endings(t, log()).get(1), 'shutdown')
})
