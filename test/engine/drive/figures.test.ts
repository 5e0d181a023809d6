import t from 'tap'
import { figuresOf } from '../../../lib/connection.js'
import {
  asyncMap,
  Connection,
  lines,
  map,
  type Pipeline,
  pipeline,
  toLines,
  uppercase,
} from '../../../lib/index.js'
import { connect, fakeClock } from '../../../lib/testing/index.js'
import { chooser } from '../../chooser.js'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Connects to a list that somebody looks at, and times by the clock. */
async function begin(list: Pipeline<Buffer, Buffer>, clock = fakeClock(), plan?: 'streams') {
  await list.status()
  const connection = new Connection(1, {}, clock)
  const client = connect(list, { connection, ...(plan && { plan }) })
  await settle()
  return { clock, connection, client }
}

const lookup = (clock: ReturnType<typeof fakeClock>) =>
  asyncMap(
    'lookup',
    (line: string) => new Promise<string>(resolve => clock.setTimeout(() => resolve(line), 90)),
  )

t.test('what a connection has held at most, and waited for, is known when it is over', async t => {
  const clock = fakeClock()
  const list = pipeline().through(lines()).through(lookup(clock)).through(toLines())
  const { connection, client } = await begin(list, clock)
  client.send('a\nb\n')
  await settle()
  clock.advance(90)
  await settle()
  clock.advance(90)
  await settle()
  clock.advance(20)
  client.end()
  t.equal((await client.receive()).toString(), 'a\nb\n')
  t.equal((await client.outcome).reason, 'end')
  // One line waits for the other.
  t.strictSame(figuresOf(connection), { heldAtMost: 129, slowest: { name: 'lookup', share: 1 } })
})

t.test('a client that does not read is told as such, with what waits for it', async t => {
  const { clock, connection, client } = await begin(
    pipeline()
      .through(lines())
      .through(map('same', (line: string) => line))
      .through(toLines()),
  )
  void client.stalled()
  client.send('a\n'.repeat(100_000))
  await settle()
  clock.advance(1_000)
  client.reset()
  await client.outcome
  const { heldAtMost = 0, slowest } = figuresOf(connection) ?? {}
  t.ok(heldAtMost >= 16_384, `${heldAtMost}`)
  t.strictSame(slowest, { name: 'client', share: 1 })
})

t.test('where nothing waits, nothing is told; streams are not observed', async t => {
  const list = pipeline().through(lines()).through(uppercase()).through(toLines())
  const quick = await begin(list)
  quick.client.end('a\n')
  await quick.client.outcome
  t.strictSame(figuresOf(quick.connection), { heldAtMost: 0, slowest: undefined })
  t.equal(figuresOf(new Connection(1)), undefined)
  const streams = await begin(list, fakeClock(), 'streams')
  streams.client.send('a\n')
  await streams.client.receive(2)
  streams.client.send('a\n'.repeat(100_000))
  await streams.client.stalled()
  streams.client.reset()
  await streams.client.outcome
  const { heldAtMost = 0, slowest } = figuresOf(streams.connection) ?? {}
  t.ok(heldAtMost > 0)
  t.equal(slowest, undefined)
})

t.test('of a list that has become another one, the last is told', async t => {
  const clock = fakeClock()
  const next = pipeline().through(lines()).through(lookup(clock)).through(toLines())
  const list = pipeline().through(lines()).through(chooser(next))
  const { connection, client } = await begin(list, clock)
  client.send('go\na\nb\n')
  await settle()
  client.send('c\n')
  await settle()
  for (let count = 0; count < 3; count++) {
    clock.advance(90)
    await settle()
  }
  client.end()
  t.equal((await client.receive()).toString(), 'a\nb\nc\n')
  await client.outcome
  t.match(figuresOf(connection), { slowest: { name: 'lookup', share: 1 } })
})
