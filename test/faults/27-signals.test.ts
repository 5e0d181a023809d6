import t from 'tap'
import { connectTcp } from '../tcp-client.js'
import { Bystander } from './bystander.js'
import { bywash } from './command.js'
import { MIB } from './pipelines.js'

const ANY_PORT = ['--host', '127.0.0.1', '--port', '0']

t.test('27: SIGTERM under load: lines in flight answered, exit 0', async t => {
  const { child, exit, port } = bywash(t, 'uppercase', '--banner', '', ...ANY_PORT)
  const address = await port()
  const clients = await Promise.all(Array.from({ length: 100 }, () => connectTcp(t, address)))
  const bystander = await Bystander.start(address)
  const sent = clients.map((_, index) => `client ${index}\n`.repeat(1000))
  for (const [index, client] of clients.entries()) await client.send(sent[index] as string)
  const answers = clients.map(client => client.receive())
  await bystander.rounds(2)
  child.kill('SIGTERM')
  for (const [index, answer] of answers.entries()) {
    t.equal(String(await answer), sent[index]?.toUpperCase(), `client ${index}`)
    clients[index]?.end()
  }
  t.equal(await exit, 0)
})

t.test('27: SIGTERM with a frozen client: destroyed at the deadline, exit 1', async t => {
  const { child, exit, port } = bywash(t, 'echo', '--shutdown-timeout', '300ms', ...ANY_PORT)
  const address = await port()
  const frozen = await connectTcp(t, address)
  void frozen.send(Buffer.alloc(64 * MIB))
  await frozen.receive(1)
  const other = await connectTcp(t, address)
  await other.send('hello')
  await other.receive('hello')
  child.kill('SIGTERM')
  t.equal(String(await other.receive()), '', 'who is answered gets FIN')
  other.end()
  t.equal(await exit, 1)
})

t.test('27: SIGTERM twice: at once, exit 1', async t => {
  const { child, exit, port } = bywash(t, 'echo', '--shutdown-timeout', '1h', ...ANY_PORT)
  const frozen = await connectTcp(t, await port())
  void frozen.send(Buffer.alloc(64 * MIB))
  await frozen.receive(1)
  child.kill('SIGTERM')
  child.kill('SIGINT')
  t.equal(await exit, 1)
})
