import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { unescapeBytes } from '../../../lib/config/text/escapes.js'
import {
  broadcast,
  Connection,
  fromStream,
  type ListenOptions,
  lines,
  listen,
  map,
  type Outcome,
  type Pipeline,
  pipeline,
  stage,
  type TapEvent,
  type TapOptions,
  toLines,
  uppercase,
  welcome,
} from '../../../lib/index.js'
import { Book, type Observed } from '../../../lib/status/book.js'
import { showItem } from '../../../lib/status/taps/show-item.js'
import type { SeeItem } from '../../../lib/status/taps/tap-event.js'
import { tapSettings } from '../../../lib/status/taps/tap-options.js'
import { attachTap } from '../../../lib/status/taps/taps.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { chooser } from '../../chooser.js'
import { runs } from '../../runs.js'
import { connectTcp } from '../../tcp-client.js'

async function serve(t: Test, list: Pipeline<Buffer, Buffer>, options: ListenOptions = {}) {
  const listener = await listen(list, { host: '127.0.0.1', port: 0, ...options })
  t.teardown(() => listener.close({ timeout: 0 }))
  return { listener, client: () => connectTcp(t, listener.address.port) }
}

/** What the events say of items, in short. */
const items = (events: readonly TapEvent[]) =>
  events.flatMap(event => (event.event === 'item' ? [`${event.stage ?? event.point}: ${event.text}`] : []))

/** A stage that does not run as one with its neighbours. */
const apart = (name: string) =>
  stage<string, string>({
    name,
    accepts: 'line',
    emits: 'line',
    open: () => ({ transform: (line, controller) => controller.enqueue(line) }),
  })

t.test('shows an open connection stage by stage, until the tap is closed', async t => {
  const list = pipeline().through(lines()).through(apart('a')).through(uppercase()).through(toLines())
  const { listener, client } = await serve(t, list)
  const [one, other] = [await client(), await client()]
  for (const each of [one, other]) await each.send('x\n')
  for (const each of [one, other]) await each.receive('X\n')
  const events: TapEvent[] = []
  const id = (await listener.status()).traffic.total.opened
  t.equal(id, 2)
  const ids: number[] = []
  const all = await listener.tap(
    { address: '::ffff:127.0.0.1' },
    event => 'id' in event && ids.push(event.id),
  )
  t.equal(all.connections, 2)
  t.equal(ids.length, 2)
  const [first = 0] = ids
  const tap = await listener.tap({ id: first }, event => events.push(event))
  t.equal(tap.connections, 1)
  await one.send('hé\u001b\n')
  await one.receive('\n')
  await other.send('unseen\n')
  await other.receive('UNSEEN\n')
  t.match(events[0], { event: 'attached', id: first, address: /^127\.0\.0\.1:\d+$/ })
  t.strictSame(items(events), [
    'in: h\\xc3\\xa9\\x1b\\n',
    'lines: h\\xc3\\xa9\\x1b',
    'a: h\\xc3\\xa9\\x1b',
    'uppercase: H\\xc3\\xa9\\x1b',
    'out: H\\xc3\\xa9\\x1b\\n',
  ])
  t.match(events[3], { event: 'item', index: 1, size: 3, isCut: false })
  tap.close()
  tap.close()
  await one.send('y\n')
  await one.receive('Y\n')
  t.equal(events.length, 6)
  t.equal(ids.length, 2 + 5 + 5 + 5, 'the other tap goes on')
  all.close()
  await one.send('z\n')
  await one.receive('Z\n')
  t.equal(ids.length, 17)
})

t.test('shows connections that open later, from their greeting on, and their end', async t => {
  const list = pipeline().through(lines()).through(apart('a')).through(toLines()).through(welcome('hi\n'))
  const { listener, client } = await serve(t, list)
  const events: TapEvent[] = []
  const tap = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
  t.equal(tap.connections, 0)
  const closed = new Promise<void>(resolve => {
    const wait = () => (events.at(-1)?.event === 'closed' ? resolve() : setImmediate(wait))
    wait()
  })
  const one = await client()
  await one.receive('hi\n')
  await one.send('x\n')
  await one.receive('x\n')
  one.end()
  await closed
  t.match(events, [
    { event: 'opened' },
    { point: 'out', text: 'hi\\n' },
    { point: 'in', text: 'x\\n' },
    { stage: 'lines', text: 'x' },
    { stage: 'a', text: 'x' },
    { stage: 'toLines', text: 'x\\n' },
    { point: 'out', text: 'x\\n' },
    { event: 'closed', reason: 'end', message: null, bytesIn: 2, bytesOut: 5, duration: Number },
  ])
  tap.close()
})

t.test(
  'an id that nobody has is seen by the number of connections; other addresses are not shown',
  async t => {
    const { listener, client } = await serve(t, pipeline())
    const one = await client()
    await one.send('x')
    await one.receive('x')
    t.equal((await listener.tap({ id: 1_000_000 }, () => {})).connections, 0)
    t.equal((await listener.tap({ address: '10.0.0.7' }, () => {})).connections, 0)
  },
)

t.test('the last items of a connection are shown when it ends for the reason that is waited for', async t => {
  const list = pipeline()
    .through(lines({ maxLength: 3 }))
    .through(apart('a'))
    .through(toLines())
  const { listener, client } = await serve(t, list)
  const events: TapEvent[] = []
  const tap = await listener.tap({ reason: 'frame-too-long' }, event => events.push(event))
  const [good, bad] = [await client(), await client()]
  await good.send('ok\n')
  await good.receive('ok\n')
  good.end()
  for (let count = 0; count < 20; count++) {
    await bad.send(`${count}\n`)
    await bad.receive(`${count}\n`)
  }
  t.same(events, [])
  await bad.send('abcdef\n')
  while (events.at(-1)?.event !== 'closed') await new Promise(setImmediate)
  t.equal(events.length, 17, 'no more than so many are kept')
  t.ok(items(events).includes('in: abcdef\\n'))
  t.match(events.at(-1), { event: 'closed', reason: 'frame-too-long', message: /longer than 3 bytes/ })
  tap.close()
})

t.test('shows lists with streams, lists that become others', async t => {
  const streams = pipeline()
    .through(lines())
    .through(
      fromStream('pass', () => new PassThrough({ objectMode: true }), { accepts: 'line', emits: 'line' }),
    )
    .through(
      fromStream('pass2', () => new PassThrough({ objectMode: true }), { accepts: 'line', emits: 'line' }),
    )
    .through(toLines())
  const next = pipeline().through(lines()).through(apart('next')).through(toLines())
  const becoming = pipeline().through(lines()).through(chooser(next))
  for (const [list, sent, expected] of [
    [streams, 'x\n', ['in: x\\n', 'lines: x', 'pass: x', 'pass2: x', 'out: x\\n']],
    [becoming, 'go\nx\n', ['in: go\\nx\\n', 'lines: go', 'lines: x', 'next: x', 'out: x\\n']],
  ] as const) {
    const { listener, client } = await serve(t, list)
    const events: TapEvent[] = []
    const tap = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
    const one = await client()
    await one.send(sent)
    await one.receive('x\n')
    t.strictSame(items(events), expected)
    tap.close()
    await one.send('y\n')
    await one.receive('y\n')
    t.equal(items(events).length, 5)
  }
})

t.test('what is pushed to many, and encoded once for all, is shown as it was given', async t => {
  const list = pipeline().through(lines()).through(broadcast()).through(toLines())
  const { listener, client } = await serve(t, list)
  const [one, other] = [await client(), await client()]
  for (const each of [one, other]) await each.send('first\n')
  for (const each of [one, other]) await each.receive('first\n')
  const events: TapEvent[] = []
  const tap = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
  await one.send('x\n')
  await other.receive('x\n')
  t.ok(items(events).includes('broadcast: x'))
  t.ok(items(events).includes('out: x\\n'))
  tap.close()
  const before = events.length
  await one.send('y\n')
  await other.receive('y\n')
  t.equal(events.length, before)
})

t.test('an output that a stage has ended stays ended', async t => {
  const list = pipeline()
    .through(
      stage<Buffer, Buffer>({
        name: 'half',
        accepts: 'bytes',
        emits: 'bytes',
        open: () => ({
          transform(chunk, controller) {
            controller.enqueue(chunk)
            controller.endOutput()
          },
        }),
      }),
    )
    .through(map('same', (chunk: Buffer) => chunk, { accepts: 'bytes', emits: 'bytes' }))
  const { listener, client } = await serve(t, list)
  const events: TapEvent[] = []
  const one = await client()
  const tap = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
  await one.send('x')
  t.equal((await one.receive()).toString(), 'x')
  tap.close()
  const again = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
  await one.send('y')
  while (!items(events).includes('in: y')) await new Promise(setImmediate)
  t.strictSame(items(events), ['in: x', 'half: x', 'out: x', 'in: y'])
  again.close()
})

/** A connection that a test makes say things. */
function observed(id: number, book: Book) {
  let see: SeeItem | undefined
  const connection = new Connection(id, { remoteAddress: '10.0.0.7', remotePort: id }, book.clock)
  const each: Partial<Observed> = {
    connection,
    stageBook: book.current,
    counts: () => [],
    tap: given => {
      see = given
    },
  }
  return {
    each: each as Observed,
    says: (item: unknown) => see?.('in', item),
    isSeen: () => see !== undefined,
  }
}

function fakes() {
  const clock = fakeClock()
  const open: Observed[] = []
  const book = new Book(clock, 'off', () => open)
  const events: TapEvent[] = []
  const tap = (options: TapOptions) => attachTap(book, tapSettings(options), event => events.push(event))
  const add = (id: number) => {
    const one = observed(id, book)
    open.push(one.each)
    book.taps?.opened(one.each)
    return one
  }
  return { clock, book, events, tap, add, over: (each: Observed) => book.ended(OUTCOME, each) }
}

const OUTCOME: Outcome = { reason: 'end', error: undefined, bytesRead: 1, bytesWritten: 2, duration: 3 }

t.test('tells no more than so many events in a second, and how many more there were', async t => {
  const { clock, book, events, tap, add, over } = fakes()
  const one = add(1)
  const attached = tap({ id: 1, maxRate: 3, maxBytes: 2 })
  for (let count = 0; count < 10; count++) one.says(`line ${count}`)
  t.match(events, [{ event: 'attached' }, { text: 'li', isCut: true, size: 6 }, { text: 'li' }])
  clock.advance(999)
  t.equal(events.length, 3)
  clock.advance(1)
  t.match(events[3], { event: 'skipped', count: 8, because: 'rate' })
  one.says('x')
  t.match(events[4], { event: 'item', text: 'x' })
  for (let count = 0; count < 5; count++) one.says('y')
  over(one.each)
  t.match(events.slice(-2), [
    { event: 'skipped', count: 3 },
    { event: 'closed', bytesIn: 1, bytesOut: 2 },
  ])
  over(one.each)
  t.equal(events.length, 9, 'the end is told once, also where it is more than may be told in a second')
  attached.close()
  t.equal(book.taps, undefined, 'nothing is left of the last tap')
  clock.advance(5_000)
  t.equal(events.length, 9)
})

t.test('ends are counted, too, where many connections are tapped', async t => {
  const { clock, events, tap, add, over } = fakes()
  const all = [add(1), add(2), add(3)]
  tap({ address: '10.0.0.7', maxRate: 4 })
  for (const { each } of all) over(each)
  t.strictSame(
    events.map(({ event }) => event),
    ['attached', 'attached', 'attached', 'closed'],
  )
  clock.advance(1_000)
  t.match(events.at(-1), { event: 'skipped', count: 2 })
})

t.test(
  'of a thousand connections the last items are kept, of further ones the end alone is told',
  async t => {
    const { events, tap, add, over } = fakes()
    const first = add(1)
    const attached = tap({ reason: 'end', maxRate: 1_000 })
    for (let id = 2; id <= 1_000; id++) add(id)
    const more = add(1_001)
    first.says('kept')
    more.says('not kept')
    t.same(events, [])
    over(more.each)
    over(first.each)
    t.match(events, [
      { event: 'closed', id: 1_001 },
      { event: 'item', text: 'kept' },
      { event: 'closed', id: 1 },
    ])
    t.notOk(first.isSeen(), 'what is over is not tapped any more')
    attached.close()
  },
)

t.test('a connection that has no address has none in its events', async t => {
  const { book, events, tap, over } = fakes()
  tap({ id: 3 })
  const each = { ...observed(3, book).each, connection: new Connection(3, {}, book.clock) }
  book.taps?.opened(each)
  over(each)
  t.match(events, [
    { event: 'opened', address: null },
    { event: 'closed', address: null },
  ])
})

t.test('a connection without a tap of its own has none', async t => {
  const { book, tap, add, over } = fakes()
  const one = add(1)
  const two = add(2)
  tap({ id: 1 })
  t.strictSame([one.isSeen(), two.isSeen()], [true, false])
  book.taps?.reopened(two.each)
  t.notOk(two.isSeen())
  over(two.each)
})

t.test('whatever an item is, it is shown as printable ASCII', async () => {
  const property = fc.property(
    fc.oneof(
      fc.uint8Array().map(bytes => Buffer.from(bytes)),
      fc.string({ unit: ANY_CHARACTER }),
      fc.anything(),
    ),
    fc.integer({ min: 1, max: 64 }),
    (item, maxLength) => {
      const { text, isCut } = showItem(item, maxLength)
      const isBytes = typeof item === 'string' || Buffer.isBuffer(item)
      const begun = typeof item === 'string' ? Buffer.from(item.slice(0, maxLength)) : item
      return (
        /^[ -~]*$/.test(text) &&
        text.length <= 12 * maxLength &&
        (!isBytes || isCut === item.length > maxLength) &&
        (!isBytes || unescapeBytes(text).equals((begun as Buffer).subarray(0, 4 * maxLength)) || isCut)
      )
    },
  )
  fc.assert(property, { numRuns: runs(500) })
})

t.test('a value that throws when it is looked at is shown as such, and calls nothing of its own', async t => {
  const hostile = {
    get [Symbol.toStringTag](): string {
      throw new Error('boom')
    },
  }
  t.strictSame(showItem(hostile, 99), { text: 'a value that cannot be shown', isCut: false })
  const own = { [Symbol.for('nodejs.util.inspect.custom')]: () => t.fail('was called'), a: 1 }
  t.match(showItem(own, 999).text, /a: 1/)
})

t.test('options are checked', async t => {
  const { listener } = await serve(t, pipeline())
  for (const [options, message] of [
    [{}, /takes one of 'id', 'address' and 'reason'/],
    [{ id: 1, address: '::1' }, /takes one of/],
    [{ id: 0 }, /'id' is a whole number, from 1/],
    [{ address: 'localhost' }, /'address' is an IP address/],
    [{ address: 7 as never }, /'address' is an IP address/],
    [{ reason: 'refused' as never }, /'reason' is one of "end"/],
    [{ id: 1, maxBytes: 4_097 }, /'maxBytes'/],
    [{ id: 1, maxRate: 1_001 }, /'maxRate'/],
    [{ id: 1, wrong: 1 } as never, /no option 'wrong'/],
  ] as const) {
    await t.rejects(
      listener.tap(options, () => {}),
      { name: 'InvalidOptionError', message },
    )
  }
})

t.test('a failed connection without stages, and a client that resets, do no harm', async t => {
  const { listener } = await serve(t, pipeline())
  const events: TapEvent[] = []
  const tap = await listener.tap({ address: '127.0.0.1' }, event => events.push(event))
  const socket = connect(listener.address.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write('x')
  while (items(events).length < 2) await new Promise(setImmediate)
  socket.resetAndDestroy()
  while (events.at(-1)?.event !== 'closed') await new Promise(setImmediate)
  t.match(events.at(-1), { reason: 'client-reset' })
  tap.close()
})
