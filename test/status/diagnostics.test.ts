import { spawn } from 'node:child_process'
import { type Channel, channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { Connection, lines, listen, map, pipeline, toLines } from '../../lib/index.js'
import { publishListener, publishRefuse } from '../../lib/status/diagnostics.js'
import { connect } from '../../lib/testing/index.js'
import { exchange } from '../tcp-client.js'

const NAMES = [
  'connection:open',
  'connection:close',
  'connection:error',
  'stage:error',
  'listener:open',
  'listener:close',
  'listener:refuse',
] as const

/** What was published since, as the names of channels with what `show` makes of the payloads. */
function listenTo(t: Test, show: (payload: Readonly<Record<string, unknown>>) => unknown = () => '') {
  const seen: [name: string, shown: unknown][] = []
  for (const name of NAMES) {
    const onMessage = (payload: unknown) => void seen.push([name, show(payload as Record<string, unknown>)])
    const each: Channel = channel(`bywash:${name}`)
    each.subscribe(onMessage)
    t.teardown(() => each.unsubscribe(onMessage))
  }
  return seen
}

const shout = pipeline()
  .through(lines({ maxLength: 8, overflow: 'report' }))
  .through(
    map('shout', (line: string) => {
      if (line === 'boom') throw new Error('boom')
      return line.toUpperCase()
    }),
  )
  .through(toLines())

t.test('a listener, its connections and their errors are published', async t => {
  const seen = listenTo(t, payload => Object.keys(payload).join())
  const listener = await listen(shout, { host: '127.0.0.1', port: 0, maxConnections: 1 })
  const { port } = listener.address
  t.equal(String(await exchange(t, port, ['a\n'])), 'A\n')
  await exchange(t, port, ['much too long\nboom\n'])
  const first = connectSocket(port, '127.0.0.1')
  await once(first, 'connect')
  await exchange(t, port, [])
  first.end().resume()
  await once(first, 'close')
  await listener.close()
  await listener.close()
  t.strictSame(seen, [
    ['listener:open', 'address,worker'],
    ['connection:open', 'connection'],
    ['connection:close', 'connection,outcome'],
    ['connection:open', 'connection'],
    ['stage:error', 'connection,error,stage'],
    ['stage:error', 'connection,error,stage'],
    ['connection:error', 'connection,error,outcome'],
    ['connection:close', 'connection,outcome'],
    ['connection:open', 'connection'],
    ['listener:refuse', 'address,connection,error'],
    ['connection:close', 'connection,outcome'],
    ['listener:close', 'address,worker'],
  ])
})

t.test('the address of a client that has gone is there, for a list that asks for none', async t => {
  const addresses = listenTo(t, ({ connection }) => (connection as Connection | undefined)?.remoteAddress)
  const listener = await listen(pipeline().through(lines()).through(toLines()), {
    host: '127.0.0.1',
    port: 0,
  })
  const client = connectSocket(listener.address.port, '127.0.0.1')
  await once(client, 'connect')
  client.resetAndDestroy()
  while (addresses.length < 4) await new Promise(setImmediate)
  t.strictSame(addresses, [
    ['listener:open', undefined],
    ['connection:open', '127.0.0.1'],
    ['connection:error', '127.0.0.1'],
    ['connection:close', '127.0.0.1'],
  ])
  await listener.close()
})

t.test('handle() publishes its connections, and the name of the stage', async t => {
  const seen = listenTo(t, ({ stage, outcome, connection }) => [
    stage,
    (outcome as { reason: string } | undefined)?.reason,
    (connection as Connection).id,
  ])
  const client = connect(shout, { connection: new Connection(7) })
  client.send('much too long\nboom\n')
  client.end()
  await client.outcome
  t.strictSame(seen, [
    ['connection:open', [undefined, undefined, 7]],
    ['stage:error', ['lines', undefined, 7]],
    ['stage:error', ['shout', undefined, 7]],
    ['connection:error', [undefined, 'stage-error', 7]],
    ['connection:close', [undefined, 'stage-error', 7]],
  ])
})

t.test('without anybody who listens, no payload and no fault is made', async t => {
  let reads = 0
  const spied = {
    get address() {
      reads++
      return { address: '', family: '', port: 0 }
    },
    worker: undefined,
  }
  publishListener('open', spied)
  publishListener('close', spied)
  publishRefuse(spied, new Connection(0), new Error('refused') as never)
  t.equal(reads, 0)
  const published: unknown[] = []
  const { publish } = Object.getPrototypeOf(channel('bywash:stage:error')) as Channel
  const prototype = Object.getPrototypeOf(channel('bywash:stage:error')) as { publish: unknown }
  prototype.publish = (payload: unknown) => published.push(payload)
  t.teardown(() => {
    prototype.publish = publish
  })
  const client = connect(shout)
  client.send('much too long\nboom\n')
  client.end()
  t.match(await client.outcome, { reason: 'stage-error' })
  t.strictSame(published, [])
})

/** Uses the build, since each of its processes would need half a second for tsx. */
const WORKERS_PROGRAM = `
import { channel } from 'node:diagnostics_channel'
import { connect } from 'node:net'
import { listen, pipeline } from 'bywash'
const seen = []
for (const name of ${JSON.stringify(NAMES)}) channel('bywash:' + name).subscribe(({ worker, address }) => {
  seen.push(name + (address === undefined ? '' : ' ' + (worker ?? 'primary') + ' ' + address.address))
})
const listener = await listen(pipeline(), { host: '127.0.0.1', port: 0, workers: 1 })
if (listener.worker === undefined) {
  const client = connect(listener.address.port, '127.0.0.1').resume()
  client.end('a').on('close', () => listener.close())
}
await listener.closed
process.stdout.write(JSON.stringify([listener.worker ?? 0, seen]) + '\\n')
`

t.test('a worker publishes its connections, and each process its listener', async t => {
  const folder = t.testdir({ 'server.js': WORKERS_PROGRAM })
  // What runs here is built in dist/; coverage is of lib/.
  const env = { ...process.env, NODE_V8_COVERAGE: undefined }
  const child = spawn(process.execPath, [join(folder, 'server.js')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = (await text(child.stdout))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as unknown[])
  t.strictSame(
    new Map(lines as [number, string[]][]),
    new Map([
      [0, ['listener:open primary 127.0.0.1', 'listener:close primary 127.0.0.1']],
      [1, ['listener:open 1 127.0.0.1', 'connection:open', 'connection:close', 'listener:close 1 127.0.0.1']],
    ]),
  )
})
