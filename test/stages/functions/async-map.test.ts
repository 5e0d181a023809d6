import fc from 'fast-check'
import t from 'tap'
import {
  type AsyncMapOptions,
  asyncMap,
  type BywashError,
  type Call,
  Connection,
  jsonLines,
  lines,
  map,
  pipeline,
  type Semaphore,
  semaphore,
  toLines,
} from '../../../lib/index.js'
import { connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

const tick = () => new Promise(resolve => setImmediate(resolve))

/** Calls that a test ends by hand, by their lines. */
class Calls {
  readonly begun: string[] = []
  readonly calls = new Map<string, Call>()
  readonly #ends = new Map<string, { resolve: (line: string) => void; reject: (cause: unknown) => void }>()

  readonly work = (line: string, _connection: Connection, call: Call) => {
    this.begun.push(line)
    this.calls.set(line, call)
    return new Promise<string>((resolve, reject) => this.#ends.set(line, { resolve, reject }))
  }

  /** Waits until a number of calls has begun. */
  async begins(count: number) {
    while (this.begun.length < count) await tick()
  }

  resolve(line: string) {
    this.#ends.get(line)?.resolve(line.toUpperCase())
  }

  reject(line: string) {
    this.#ends.get(line)?.reject(new Error(`no ${line}`))
  }
}

/** A client of `lines | asyncMap | toLines`, whose calls the test ends. */
function serve(
  options: AsyncMapOptions,
  { plan = 'fused' as (typeof PLANS)[number], calls = new Calls(), clock = fakeClock() } = {},
) {
  const list = pipeline()
    .through(lines())
    .through(asyncMap('ask', calls.work, options))
    .through(toLines())
  const errors: BywashError[] = []
  const client = connect(list, {
    plan,
    connection: new Connection(1, {}, clock),
    onError: error => errors.push(error),
    farewell: () => 'failed\n',
  })
  return { client, calls, clock, errors }
}

for (const plan of PLANS) {
  t.test(`${plan}: results leave as they come with ordered: false`, async t => {
    const { client, calls } = serve({ ordered: false, concurrency: 2 }, { plan })
    client.send('a\nb\nc\nd\n')
    client.end()
    await calls.begins(2)
    t.strictSame(calls.begun, ['a', 'b'])
    calls.resolve('b')
    t.equal(String(await client.receive('\n')), 'B\n')
    await calls.begins(3)
    t.strictSame(calls.begun, ['a', 'b', 'c'])
    calls.resolve('c')
    await calls.begins(4)
    calls.resolve('d')
    await tick()
    calls.resolve('a')
    t.equal(String(await client.receive()), 'C\nD\nA\n')
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: a call that takes too long ends the connection, behind the results before it`, async t => {
    const { client, calls, clock, errors } = serve({ timeout: 50, concurrency: 3 }, { plan })
    client.send('a\nb\nc\n')
    await calls.begins(3)
    const { signal } = calls.calls.get('b') as Call
    t.equal((calls.calls.get('b') as Call).signal, signal)
    clock.advance(40)
    calls.resolve('a')
    t.equal(String(await client.receive('\n')), 'A\n')
    t.equal(signal.aborted, false)
    clock.advance(10)
    t.equal(signal.aborted, true)
    t.match(signal.reason, { message: "Stage 'ask' got no result within 50 ms." })
    t.equal(String(await client.receive('\n')), 'failed\n')
    calls.resolve('b')
    calls.resolve('c')
    client.end()
    const { reason, error } = await client.outcome
    t.equal(reason, 'stage-error')
    t.equal(error?.message, "Stage 'ask' got no result within 50 ms.")
    t.equal(errors.length, 1)
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: the signal of a call is aborted when the client leaves`, async t => {
    for (const timeout of [0, 1_000]) {
      const { client, calls, clock } = serve({ timeout, concurrency: 2 }, { plan })
      client.send('a\nb\n')
      await calls.begins(2)
      const signals = ['a', 'b'].map(line => (calls.calls.get(line) as Call).signal)
      calls.resolve('a')
      await client.receive('\n')
      client.reset()
      await client.outcome
      t.strictSame(
        signals.map(({ aborted }) => aborted),
        [timeout === 0, true],
      )
      t.equal(clock.pending, 0)
      calls.reject('b')
      await tick()
    }
  })

  t.test(`${plan}: connections share a limit, and who leaves gives back its place in the queue`, async t => {
    const limit = semaphore(2)
    const calls = new Calls()
    const first = serve({ limit, concurrency: 2 }, { plan, calls }).client
    first.send('a\nb\n')
    await calls.begins(2)
    const second = serve({ limit, concurrency: 2 }, { plan, calls }).client
    second.send('c\nd\n')
    while (limit.waiting < 2) await tick()
    const third = serve({ limit, concurrency: 2, ordered: false }, { plan, calls }).client
    third.send('e\n')
    while (limit.waiting < 3) await tick()
    t.strictSame(calls.begun, ['a', 'b'])
    t.strictSame([limit.active, limit.waiting], [2, 3])
    second.reset()
    await second.outcome
    t.strictSame([limit.active, limit.waiting], [2, 1])
    calls.reject('a')
    await calls.begins(3)
    t.strictSame(calls.begun, ['a', 'b', 'e'])
    first.end()
    t.equal((await first.outcome).reason, 'stage-error')
    // The call goes on without its client, and so does its place.
    t.strictSame([limit.active, limit.waiting], [2, 0])
    calls.resolve('b')
    calls.resolve('e')
    t.equal(String(await third.receive('\n')), 'E\n')
    t.strictSame([limit.active, limit.waiting], [0, 0])
    third.end()
    await third.outcome
  })

  t.test(`${plan}: a report of an earlier stage does not wait where results are not ordered`, async t => {
    const calls = new Calls()
    const list = pipeline()

      .through(lines())
      .through(jsonLines({ invalid: 'report' }))
      .through(map('text', (value: unknown) => String(value), { accepts: 'value', emits: 'line' }))
      .through(asyncMap('ask', calls.work, { ordered: false, concurrency: 4 }))
      .through(toLines())
    const errors: BywashError[] = []
    const client = connect(list, { plan, onError: error => errors.push(error) })
    client.send('1\nx\n2\n')
    await calls.begins(2)
    while (errors.length < 1) await tick()
    t.match(errors, [{ code: 'ERR_BYWASH_INVALID_FRAME' }])
    calls.resolve('1')
    calls.resolve('2')
    client.end()
    t.equal(String(await client.receive()), '1\n2\n')
  })
}

t.test('any delays, in order or not: all results, and never more calls than allowed', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(4), { maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      async (delays, concurrency, most, ordered) => {
        const limit = semaphore(most)
        let active = 0
        let highest = 0
        const stage = asyncMap(
          'wait',
          async line => {
            highest = Math.max(highest, ++active)
            for (let left = delays[Number(line)] as number; left > 0; left--) await tick()
            active--
            return line
          },
          { concurrency, ordered, limit },
        )
        const input = delays.map((_delay, index) => String(index))
        const output = await runStage(stage, input)
        const sorted = (items: readonly string[]) =>
          [...items].sort((one, other) => Number(one) - Number(other))
        t.strictSame(ordered ? output : sorted(output), input)
        t.ok(highest <= Math.min(concurrency, most))
        t.strictSame([limit.active, limit.waiting], [0, 0])
      },
    ),
    { numRuns: runs(200) },
  )
})

t.test('a call may give a value at once, throw, or give any thenable', async t => {
  t.strictSame(
    await runStage(
      asyncMap('now', line => `${line}!`),
      ['a'],
    ),
    ['a!'],
  )
  // biome-ignore lint/suspicious/noThenProperty: a thenable of another library
  const thenable = { then: (done: (line: string) => void) => done('then') }
  t.strictSame(
    await runStage(
      asyncMap('then', () => thenable as PromiseLike<string>),
      ['a'],
    ),
    ['then'],
  )
  const throwing = asyncMap('bad', () => {
    throw new Error('boom')
  })
  await t.rejects(runStage(throwing, ['a']), { message: "Stage 'bad' failed in transform: boom" })
})

t.test('semaphore.run() takes calls of any sort', async t => {
  const limit = semaphore(1)
  const order: string[] = []
  const call = (name: string) =>
    limit.run(async () => {
      order.push(`${name} begins`)
      await tick()
      order.push(`${name} ends`)
      if (name === 'b') throw new Error('no b')
      return name
    })
  const results = await Promise.allSettled([call('a'), call('b'), call('c'), limit.run(() => 7)])
  t.strictSame(order, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  t.match(results, [{ value: 'a' }, { reason: { message: 'no b' } }, { value: 'c' }, { value: 7 }])
  t.strictSame([limit.active, limit.waiting, limit.limit], [0, 0, 1])
  await t.rejects(limit.run('x' as never), { message: 'run(): \'work\' is a function; got "x".' })
})

t.test('a wrong use is refused at once', async t => {
  t.throws(() => semaphore(0), { message: /'limit' is a whole number, from 1 to 65536; got 0/ })
  const limit = { active: 0 } as unknown as Semaphore
  t.throws(() => asyncMap('x', async line => line, { limit }), {
    message: /'limit' is made by semaphore\(\)/,
  })
  t.throws(() => asyncMap('x', async line => line, { timeout: -1 }), { message: /'timeout'/ })
  t.throws(() => asyncMap('x', async line => line, { ordered: 1 as never }), { message: /'ordered'/ })
  t.throws(() => asyncMap('x', async line => line, { unordered: true } as never), {
    message: /no option 'unordered'/,
  })
})
