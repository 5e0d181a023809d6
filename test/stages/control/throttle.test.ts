import { Duplex, duplexPair } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  type Clock,
  Connection,
  type Frame,
  type ItemKinds,
  lines,
  pipeline,
  type Stage,
  stage,
  tap,
  toLines,
} from '../../../lib/index.js'
import { take, throttle } from '../../../lib/stages/index.js'
import { connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

/** A fake clock that moves as soon as somebody waits for it. */
function eagerClock(): Clock & { readonly pending: number } {
  const clock = fakeClock()
  return {
    now: clock.now,
    clearTimeout: clock.clearTimeout,
    setTimeout: (callback, milliseconds) => {
      setImmediate(() => clock.advance(milliseconds))
      return clock.setTimeout(callback, milliseconds)
    },
    get pending() {
      return clock.pending
    },
  }
}

/** The same by counting milliseconds one by one: when each piece passes. */
function slowTimetable(lengths: readonly number[], rate: number, burst: number): string[] {
  const table: string[] = []
  let tokens = 1000 * burst
  let now = 0
  for (const length of lengths) {
    for (let left = length; left > 0; ) {
      const piece = Math.min(left, burst)
      while (tokens < 1000 * piece) {
        now++
        tokens = Math.min(1000 * burst, tokens + rate)
      }
      tokens -= 1000 * piece
      left -= piece
      table.push(`${piece} at ${now}`)
    }
  }
  return table
}

for (const plan of PLANS) {
  /** When what comes out of a stage has come out. */
  const timetable = async <Item>(
    throttled: Stage<Item, Item>,
    items: readonly Item[],
    kinds: ItemKinds<Item, Item>,
  ): Promise<{ table: string[]; output: Item[] }> => {
    const clock = eagerClock()
    const table: string[] = []
    const output: Item[] = []
    const watch = stage<Item, Item>({
      name: 'watch',
      ...kinds,
      open: () => ({
        transform: item => {
          table.push(`${(item as { length?: number }).length ?? 1} at ${clock.now()}`)
          output.push(item)
        },
      }),
    })
    const whole = { name: 'whole', ...kinds, stages: [throttled, watch] } as Stage<Item, Item>
    await runStage(whole, items, { plan, connection: new Connection(1, {}, clock) })
    t.equal(clock.pending, 0, 'no timer is left')
    return { table, output }
  }
  const bytes = { accepts: 'bytes', emits: 'bytes' } as const
  const lineKinds = { accepts: 'line', emits: 'line' } as const

  t.test(`${plan}: a burst passes at once, and then pieces of it, each when there are tokens`, async t => {
    const chunks = [Buffer.from('abcde'), Buffer.from('f')]
    const { table, output } = await timetable(throttle({ bytesPerSecond: 4, burst: 2 }), chunks, bytes)
    t.strictSame(table, ['2 at 0', '2 at 500', '1 at 750', '1 at 1000'])
    t.equal(Buffer.concat(output).toString(), 'abcdef')
  })

  t.test(`${plan}: without a burst a second's bytes or items may pass at once`, async t => {
    const chunks = ['ab', 'c', 'd'].map(text => Buffer.from(text))
    const { table } = await timetable(throttle({ bytesPerSecond: 3 }), chunks, bytes)
    t.strictSame(table, ['2 at 0', '1 at 0', '1 at 334'])
    const lines = ['a', 'bb', 'ccc', 'dddd']
    const result = await timetable(throttle({ framesPerSecond: 2 }), lines, lineKinds)
    t.strictSame(result, { table: ['1 at 0', '2 at 0', '3 at 500', '4 at 1000'], output: lines })
  })

  t.test(`${plan}: values and frames pass whole, one token each`, async t => {
    const values = [{ n: 1 }, { n: 2 }]
    const kinds = { accepts: 'value', emits: 'value' } as const
    const result = await timetable(throttle<object>({ framesPerSecond: 1 }), values, kinds)
    t.strictSame(result, { table: ['1 at 0', '1 at 1000'], output: values })
    const frames = [Buffer.from('abc'), Buffer.alloc(0)] as Frame[]
    const framed = await timetable(throttle<Frame>({ framesPerSecond: 1 }), frames, {
      accepts: 'frame',
      emits: 'frame',
    })
    t.strictSame(framed, { table: ['3 at 0', '0 at 1000'], output: frames })
  })

  t.test(`${plan}: the timetable is that of a bucket that is filled each millisecond`, async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 12 }),
        async (lengths, rate, burst) => {
          const chunks = lengths.map((length, index) => Buffer.alloc(length, index))
          const { table, output } = await timetable(throttle({ bytesPerSecond: rate, burst }), chunks, bytes)
          if (!Buffer.concat(output).equals(Buffer.concat(chunks))) throw new Error('other bytes')
          const expected = slowTimetable(lengths, rate, burst)
          if (table.join() !== expected.join()) throw new Error(`got ${table}, expected ${expected}`)
        },
      ),
      { numRuns: runs(60) },
    )
  })

  t.test(`${plan}: what must wait stops the reading, and is not gathered`, async t => {
    const clock = fakeClock()
    let taken = 0
    const count = tap<Buffer>('count', chunk => {
      taken += chunk.length
    })
    const [near, far] = duplexPair({ highWaterMark: 1_000 })
    const server = pipeline()
      .through(count)
      .through(throttle({ bytesPerSecond: 1_000 }))
    const outcome = server.handle(far, { plan, connection: new Connection(1, {}, clock) })
    let sent = 0
    const sending = (async () => {
      for (; sent < 50_000 && !near.destroyed; sent += 1_000) {
        await new Promise<unknown>(resolve => near.write(Buffer.alloc(1_000), resolve))
      }
    })()
    let received = 0
    let ahead = 0
    near.on('data', (chunk: Buffer) => {
      received += chunk.length
      ahead = Math.max(ahead, taken - received)
    })
    while (received < 50_000) {
      await new Promise(resolve => setImmediate(resolve))
      ahead = Math.max(ahead, taken - received)
      if (clock.pending > 0) clock.advance(100)
    }
    await sending
    near.end()
    t.equal((await outcome).reason, 'end')
    t.ok(ahead <= 8_000, `${ahead} bytes ahead`)
    t.ok(clock.now() >= 49_000, `${clock.now()} ms`)
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: the pieces of a chunk wait for their reader`, async t => {
    const clock = fakeClock()
    let received = 0
    let isReading = false
    let read = () => {}
    const transport = new Duplex({
      read() {},
      write(chunk: Buffer, _, written) {
        received += chunk.length
        read = written
        if (isReading) written()
      },
      writableHighWaterMark: 1,
    })
    const connection = new Connection(1, {}, clock)
    const server = pipeline().through(throttle({ bytesPerSecond: 1_000, burst: 1 }))
    const outcome = server.handle(transport, { plan, connection, frameTimeout: 0, drainTimeout: 0 })
    transport.push(Buffer.alloc(30_000))
    const pass = async () => {
      do {
        clock.advance(1)
        await new Promise(resolve => setImmediate(resolve))
      } while (clock.pending > 0)
    }
    await pass()
    t.ok(received < 10, `${received} bytes have left`)
    t.ok(clock.now() < 10, `${clock.now()} ms were waited for tokens`)
    isReading = true
    read()
    while (received < 30_000) await pass()
    transport.push(null)
    t.equal((await outcome).reason, 'end')
    t.ok(clock.now() >= 29_999, `${clock.now()} ms`)
  })

  t.test(`${plan}: a stage behind it that ends the connection leaves no timer`, async t => {
    const clock = fakeClock()
    const first = pipeline()
      .through(throttle({ bytesPerSecond: 1 }))
      .through(take<Buffer>(1))
    const connection = new Connection(1, {}, clock)
    t.strictSame(await runStage(first, [Buffer.from('abc')], { plan, connection }), [Buffer.from('a')])
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: a connection that is gone leaves no timer`, async t => {
    const clock = fakeClock()
    const server = pipeline()
      .through(lines())
      .through(throttle({ framesPerSecond: 1 }))
      .through(toLines())
    const client = connect(server, { plan, connection: new Connection(1, {}, clock) })
    client.send('a\nb\nc\n')
    t.equal(String(await client.receive('\n')), 'a\n')
    while (clock.pending === 0) await new Promise(resolve => setImmediate(resolve))
    client.reset()
    t.equal((await client.outcome).reason, 'client-reset')
    t.equal(clock.pending, 0)
  })
}

t.test('a wait that is longer than a timer can be is waited for in parts', async t => {
  const waits: number[] = []
  const clock = eagerClock()
  const noting: Clock = {
    ...clock,
    setTimeout: (callback, milliseconds) => {
      waits.push(milliseconds)
      return clock.setTimeout(callback, milliseconds)
    },
  }
  const chunk = Buffer.alloc(5_000_000)
  const connection = new Connection(1, {}, noting)
  const slow = throttle({ bytesPerSecond: 1, burst: 5_000_000 })
  t.equal((await runStage(slow, [chunk, chunk], { connection })).length, 2)
  t.strictSame(waits, [2_147_483_647, 2_147_483_647, 705_032_706])
})

t.test('options are checked at once, and not changed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => throttle(options as never), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({}, /throttle\(\): give it either 'bytesPerSecond' or 'framesPerSecond'/)
  refused({ bytesPerSecond: 1, framesPerSecond: 1 }, /give it either/)
  refused({ bytesPerSecond: 0 }, /throttle\(\): 'bytesPerSecond' is a whole number, from 1/)
  refused({ framesPerSecond: 1.5 }, /throttle\(\): 'framesPerSecond' is a whole number, .* got 1.5/)
  refused({ framesPerSecond: 1, burst: 0 }, /throttle\(\): 'burst' is a whole number, from 1/)
  refused({ linesPerSecond: 1 }, /throttle\(\) has no option 'linesPerSecond'/)
  const chunk = Buffer.from('ab')
  const options = Object.freeze({ bytesPerSecond: 1_000 })
  t.strictSame(await runStage(throttle(options), [chunk]), [Buffer.from('ab')])
  t.equal(chunk.toString(), 'ab')
})
