import fc from 'fast-check'
import t from 'tap'
import { asyncMap, Connection, map, type Pipeline, pipeline, stage, toStream } from '../../../lib/index.js'
import { connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { turn } from '../../../lib/testing/turns.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
const OFF = { frameTimeout: 0, drainTimeout: 0 }

/** Sets an idle timeout with each chunk that is a number of milliseconds, and echoes everything. */
const obey = map(
  'obey',
  (chunk: Buffer, connection): Buffer => {
    const [, time, inputOnly] = /^(\d+)( in)?$/.exec(String(chunk)) ?? []
    if (time !== undefined) connection.setIdleTimeout(Number(time), { inputOnly: inputOnly !== undefined })
    return chunk
  },
  BYTES,
)

/** A client of a list, whose clock stands still. */
function serve(list: Pipeline<Buffer, Buffer>, options: object = {}) {
  const clock = fakeClock()
  const connection = new Connection(1, {}, clock)
  const client = connect(list, { ...OFF, ...options, connection })
  let reason: string | undefined
  void client.outcome.then(outcome => {
    reason = outcome.reason
  })
  return {
    client,
    clock,
    connection,
    async say(text: string): Promise<void> {
      client.send(text)
      await client.receive(text.length)
      // The transport says a little later that it has been taken.
      await turn()
      await turn()
    },
    /** Lets time pass, and gives the reason of the end, if the connection has ended. */
    async pass(milliseconds: number): Promise<string | undefined> {
      clock.advance(milliseconds)
      for (let turns = 0; turns < 20; turns++) await turn()
      return reason
    },
  }
}

for (const plan of PLANS) {
  const list = pipeline().through(obey)

  t.test(
    `${plan}: a connection that is idle for the time that a stage has set is ended, and told`,
    async t => {
      const { client, clock, pass, say } = serve(list, { plan })
      await say('8000')
      t.equal(await pass(7_999), undefined)
      const received = client.receive()
      clock.advance(2_001)
      t.equal(String(await received), 'error: idle for 8 s\n')
      client.end()
      const { reason, error } = await client.outcome
      t.equal(reason, 'idle-timeout')
      t.equal(error?.message, "Nothing came from the client or went to it for 8 s ('setIdleTimeout()').")
      t.equal(clock.pending, 0, 'no timer is left')
    },
  )

  t.test(`${plan}: it stands in for the one of the listener, also where it is 0`, async t => {
    const { client, pass, say } = serve(list, { plan, idleTimeout: 1_000 })
    await say('0')
    t.equal(await pass(60_000), undefined)
    await say('8000')
    t.equal(await pass(4_000), undefined)
    await say('x')
    t.equal(await pass(7_000), undefined, 'what comes and goes begins it anew')
    await say('0')
    t.equal(await pass(60_000), undefined)
    client.end()
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: output counts, unless only input shall`, async t => {
    for (const [how, expected] of [
      ['8000', undefined],
      ['8000 in', 'idle-timeout'],
    ] as const) {
      const ticking = stage<Buffer, Buffer>({
        ...BYTES,
        name: 'ticking',
        open: ({ clock, signal }) => ({
          start(controller) {
            const tick = () => {
              if (signal.aborted) return
              controller.enqueue(Buffer.from('.'))
              clock.setTimeout(tick, 1_000)
            }
            clock.setTimeout(tick, 1_000)
          },
        }),
      })
      const { client, pass, say } = serve(list.through(ticking), { plan })
      await say(how)
      for (let second = 0; second < 11; second++) await pass(1_000)
      t.equal(await pass(0), expected, how)
      if (expected !== undefined) {
        client.end()
        const { error } = await client.outcome
        t.equal(error?.message, "Nothing came from the client for 8 s ('setIdleTimeout()').")
        t.match(String(await client.receive()), /^\.+error: idle for 8 s\n$/)
      } else client.reset()
    }
  })

  t.test(`${plan}: a stage that does not answer is named`, async t => {
    const deaf = asyncMap('deaf', () => new Promise<Buffer>(() => {}), BYTES)
    const { client, connection, pass } = serve(pipeline().through(deaf), { plan })
    connection.setIdleTimeout(8_000)
    client.send('x')
    t.equal(await pass(0), undefined)
    await pass(10_000)
    client.end()
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { message: /'deaf' has not answered for 8 s/ },
    })
  })

  t.test(`${plan}: a client that does not read is not idle: that is a matter of drainTimeout`, async t => {
    for (const how of ['8000', '8000 in']) {
      const large = map('large', (chunk: Buffer): Buffer => Buffer.concat([chunk, Buffer.alloc(1e6)]), BYTES)
      const { client, pass } = serve(list.through(large), { plan })
      client.send(how)
      await client.stalled()
      t.equal(await pass(60_000), undefined, how)
      await client.receive(how.length + 1e6)
      t.equal(await pass(0), undefined)
      t.equal(await pass(7_000), undefined)
      await pass(3_000)
      client.end()
      t.equal((await client.outcome).reason, 'idle-timeout')
    }
  })
}

t.test('it may be set before the stages are opened, and once the connection is over', async t => {
  const { client, connection, clock, pass } = serve(pipeline())
  connection.setIdleTimeout(8_000)
  await pass(0)
  await pass(10_000)
  client.end()
  t.equal((await client.outcome).reason, 'idle-timeout')
  connection.setIdleTimeout(5_000)
  t.equal(clock.pending, 0)
  const ended = serve(pipeline().through(obey))
  await ended.say('8000')
  ended.client.end()
  t.equal((await ended.client.outcome).reason, 'end')
  t.equal(ended.clock.pending, 0, 'no timer is left')
})

t.test('all that are as long share a timer, and it is forgotten with the last of them', async t => {
  const clock = fakeClock()
  const clients = Array.from({ length: 3 }, (_, index) =>
    connect(pipeline().through(obey), { ...OFF, connection: new Connection(index + 1, {}, clock) }),
  )
  for (const client of clients) {
    client.send('8000')
    await client.receive(4)
  }
  t.equal(clock.pending, 1)
  for (const client of clients) {
    client.end()
    await client.outcome
  }
  t.equal(clock.pending, 0)
})

t.test('a pipeline as a stream has it too', async t => {
  const clock = fakeClock()
  const connection = new Connection(1, {}, clock)
  const stream = toStream(pipeline().through(obey), { connection, idleTimeout: 1_000, frameTimeout: 0 })
  const failed = new Promise<Error>(resolve => stream.on('error', resolve))
  connection.setIdleTimeout(9_000)
  stream.write(Buffer.alloc(1e6))
  await turn()
  clock.advance(60_000)
  t.equal(stream.destroyed, false, 'its reader has not taken what it gave')
  stream.resume()
  for (let turns = 0; turns < 5; turns++) await turn()
  stream.write('5000 in')
  await turn()
  clock.advance(4_999)
  t.equal(stream.destroyed, false)
  stream.write('8000')
  await turn()
  clock.advance(10_000)
  t.match(await failed, {
    code: 'ERR_BYWASH_TIMEOUT',
    reason: 'idle-timeout',
    message: /for 8 s \('setIdleTimeout\(\)'\)/,
  })
  connection.setIdleTimeout(1_000)
  t.equal(clock.pending, 0)
})

t.test('in a test of a stage no time passes, and nothing happens', async t => {
  t.strictSame(await runStage(obey, [Buffer.from('8000')]), [Buffer.from('8000')])
})

t.test('what is no time is refused', async t => {
  const connection = new Connection(1)
  for (const wrong of [-1, 0.5, 2 ** 31, '5s', undefined]) {
    t.throws(() => connection.setIdleTimeout(wrong as number), {
      code: 'ERR_BYWASH_INVALID_OPTION',
      message: /'milliseconds' is a whole number/,
    })
  }
  t.throws(() => connection.setIdleTimeout(1, { inputOnly: 1 as never }), {
    message: /'inputOnly' is true or false; got 1/,
  })
  t.throws(() => connection.setIdleTimeout(1, { input: true } as never), {
    message: /has no option 'input'. It takes inputOnly/,
  })
})

t.test('it is never early, and two ticks late at most', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 200_000 }),
      fc.integer({ min: 1, max: 20 }),
      fc.boolean(),
      async (timeout, steps, inputOnly) => {
        const { client, pass, say } = serve(pipeline().through(obey))
        await say(`${timeout}${inputOnly ? ' in' : ''}`)
        for (let step = 0; step < steps; step++) {
          if ((await pass((timeout - 0.01) / steps)) !== undefined) throw new Error('early')
        }
        await pass(0.01 + 2 * Math.ceil(Math.min(timeout / 4, 1_000)))
        client.end()
        const { reason } = await client.outcome
        if (reason !== 'idle-timeout') throw new Error(`late: ${reason}`)
      },
    ),
    { numRuns: runs(100) },
  ),
)
