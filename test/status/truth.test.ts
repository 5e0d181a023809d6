import { duplexPair, Transform } from 'node:stream'
import t, { type Test } from 'tap'
import {
  asyncMap,
  Connection,
  delimited,
  type Frame,
  fromStream,
  generate,
  lines,
  map,
  type Pipeline,
  pipeline,
  type Stage,
  type Status,
  stage,
  take,
  toDelimited,
  toLines,
  uppercase,
} from '../../lib/index.js'
import { connect, type FakeClock, fakeClock, type TestClient } from '../../lib/testing/index.js'

type Line = Stage<string, string>

/** Lets everything happen that does not wait for the clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** A stage of lines that takes so many milliseconds of the clock for each. */
const slow = (name: string, clock: FakeClock, milliseconds: number): Line =>
  stage<string, string>({
    name,
    accepts: 'line',
    emits: 'line',
    open: () => ({
      transform(line, controller) {
        clock.advance(milliseconds)
        controller.enqueue(line)
      },
    }),
  })

/** A stage whose calls take so many milliseconds, in which others can run. */
const later = (name: string, clock: FakeClock, milliseconds: number, concurrency = 1): Line =>
  asyncMap(
    name,
    (line: string) => new Promise<string>(resolve => clock.setTimeout(() => resolve(line), milliseconds)),
    { concurrency },
  )

function listOf(stages: readonly Line[]): Pipeline<Buffer, Buffer> {
  let list: Pipeline<Buffer, string> = pipeline().through(lines())
  for (const each of stages) list = list.through(each)
  return list.through(toLines())
}

interface Run {
  readonly clock: FakeClock
  readonly client: TestClient
  readonly status: () => Promise<Status>
}

async function begin(t: Test, list: Pipeline<Buffer, Buffer>, clock: FakeClock): Promise<Run> {
  await list.status()
  const client = connect(list, { connection: new Connection(1, {}, clock) })
  await settle()
  t.teardown(async () => {
    client.reset()
    await client.outcome
  })
  return { clock, client, status: () => list.status() }
}

async function pass({ clock }: Pick<Run, 'clock'>, milliseconds: number, step = 10): Promise<void> {
  const end = clock.now() + milliseconds
  while (clock.now() < end) {
    clock.advance(Math.min(step, end - clock.now()))
    await settle()
  }
}

/** Sends a line in each `interval`, some of which the stages themselves use up. */
async function feed(run: Run, milliseconds: number, interval: number): Promise<void> {
  const end = run.clock.now() + milliseconds
  while (run.clock.now() < end) {
    const due = run.clock.now() + interval
    run.client.send('a\n')
    await settle()
    await pass(run, due - run.clock.now(), Math.min(interval, 10))
  }
}

function isNear(t: Test, actual: number | undefined, expected: number, name: string): void {
  t.ok(Math.abs((actual ?? Number.NaN) - expected) <= 0.03, `${name}: ${actual} is ${expected}`)
}

t.test('stages with a known cost show up with their share', async t => {
  const clock = fakeClock()
  const run = await begin(t, listOf([slow('light', clock, 2), slow('heavy', clock, 5)]), clock)
  await feed(run, 30_000, 10)
  const { stages, culprit } = await run.status()
  const shares = (index: number) => stages[index]?.shares.last60s
  isNear(t, shares(1)?.busy, 0.2, 'light')
  isNear(t, shares(1)?.blocked, 0.5, 'light waits for heavy')
  isNear(t, shares(2)?.busy, 0.5, 'heavy')
  isNear(t, shares(2)?.starved, 0.5, 'heavy waits for a line')
  isNear(t, shares(0)?.blocked, 0.7, 'lines')
  isNear(t, stages[2]?.activeShares?.busy, 0.71, 'heavy, while there is something to do')
  t.equal(culprit.stage, 2)
  t.match(stages[2]?.itemTime, { samples: Number })
  const { median = 0, p99 = 0 } = stages[2]?.itemTime ?? {}
  t.ok(median > 4 && median < 6 && p99 < 6, 'the time of an item')
})

t.test('an asynchronous stage is busy while a call is under way, also where it takes more', async t => {
  for (const concurrency of [1, 4]) {
    const clock = fakeClock()
    const run = await begin(t, listOf([later('lookup', clock, 30, concurrency)]), clock)
    await feed(run, 20_000, 50)
    const { stages, culprit, slowest } = await run.status()
    isNear(t, stages[1]?.shares.last10s?.busy, 0.6, 'lookup')
    isNear(t, stages[1]?.shares.last10s?.starved, 0.4, 'lookup waits for a line')
    isNear(t, stages[0]?.shares.last10s?.blocked, 0.6, 'lines')
    t.match(culprit, { kind: 'stage', stage: 1, text: /stage 'lookup' is busy/ })
    t.same(slowest, [], 'nothing is under way')
    const { median = 0 } = stages[1]?.itemTime ?? {}
    t.ok(median > 25 && median < 35, `${median} ms for an item`)
  }
})

t.test('a client that does not read blocks every stage', async t => {
  const clock = fakeClock()
  const run = await begin(t, listOf([slow('echo', clock, 0)]), clock)
  void run.client.stalled()
  run.client.send('a\n'.repeat(200_000))
  await pass(run, 12_000, 100)
  const { stages, culprit, slowest, largest } = await run.status()
  for (const { shares, name } of stages) isNear(t, shares.last10s?.blocked, 1, name)
  t.equal(culprit.kind, 'client')
  t.match(slowest, [{ id: 1, waitsFor: { kind: 'client' } }])
  t.ok((slowest[0]?.waitedFor ?? 0) >= 11_000)
  t.ok((largest[0]?.pendingBytes ?? 0) > 0)
})

t.test('a client that says nothing starves every stage', async t => {
  const clock = fakeClock()
  const list = listOf([slow('echo', clock, 0)])
  const run = await begin(t, list, clock)
  run.client.send('a\n')
  await pass(run, 12_000, 100)
  const { stages, culprit, slowest } = await run.status()
  for (const { shares, name } of stages) isNear(t, shares.last10s?.starved, 1, name)
  t.strictSame([culprit.kind, slowest.length], ['input', 0])
})

t.test('a connection that was blocked when the look began is seen from then on', async t => {
  const clock = fakeClock()
  const list = listOf([later('stuck', clock, 1e9)])
  const client = connect(list, { connection: new Connection(1, {}, clock) })
  const idle = connect(pipeline().through(lines()).through(uppercase()).through(toLines()))
  client.send('a\na\na\n')
  await settle()
  clock.advance(60_000)
  t.equal((await list.status()).culprit.kind, 'unknown')
  await pass({ clock }, 5_000, 100)
  const { culprit, slowest, stages } = await list.status()
  t.equal(culprit.stage, 1)
  t.match(slowest, [{ waitedFor: 5_000, waitsFor: { stage: 1 } }])
  t.match(stages[1]?.held, { items: 2, bytes: 2 })
  isNear(t, stages[0]?.shares.last10s?.blocked, 1, 'lines')
  await pass({ clock }, 80_000, 1_000)
  t.equal((await list.status()).observedFor, 0, 'the look has ended, and another one begins')
  for (const each of [client, idle]) {
    each.reset()
    await each.outcome
  }
})

interface Case {
  readonly name: string
  readonly stages: (clock: FakeClock) => readonly Line[]
  readonly culprit: number | 'client' | 'input'
  /** Milliseconds between two lines. */
  readonly interval?: number
  readonly stalled?: boolean
  readonly lines?: number
}

const CASES: readonly Case[] = [
  { name: 'the second of two', stages: c => [slow('a', c, 1), slow('b', c, 6)], culprit: 2 },
  { name: 'the first of two', stages: c => [slow('a', c, 6), slow('b', c, 1)], culprit: 1 },
  { name: 'the middle one', stages: c => [slow('a', c, 1), slow('b', c, 6), slow('c', c, 1)], culprit: 2 },
  { name: 'a lookup', stages: c => [later('a', c, 40)], culprit: 1, interval: 50 },
  {
    name: 'the second lookup',
    stages: c => [later('a', c, 10), later('b', c, 60)],
    culprit: 2,
    interval: 80,
  },
  { name: 'the first lookup', stages: c => [later('a', c, 60), later('b', c, 10)], culprit: 1, interval: 80 },
  {
    name: 'a lookup behind work',
    stages: c => [slow('a', c, 5), later('b', c, 60)],
    culprit: 2,
    interval: 80,
  },
  {
    name: 'work behind a lookup',
    stages: c => [later('a', c, 10), slow('b', c, 60)],
    culprit: 2,
    interval: 80,
  },
  {
    name: 'many calls at once',
    stages: c => [slow('a', c, 1), later('b', c, 70, 8)],
    culprit: 2,
    interval: 20,
  },
  { name: 'a call that never ends', stages: c => [later('a', c, 1e9)], culprit: 1, interval: 1_000 },
  {
    name: 'nothing comes',
    stages: c => [later('a', c, 10), slow('b', c, 10)],
    culprit: 'input',
    interval: 1_000,
  },
  { name: 'nobody reads', stages: c => [slow('a', c, 0)], culprit: 'client', stalled: true, lines: 200_000 },
  {
    name: 'nobody reads what was looked up',
    stages: c => [later('a', c, 1, 64), slow('b', c, 0), map('c', line => line.repeat(1_000))],
    culprit: 'client',
    stalled: true,
    lines: 2_000,
  },
  {
    name: 'a generator that waits',
    stages: c => [
      generate('a', async function* (items) {
        for await (const line of items) {
          await new Promise<void>(resolve => c.setTimeout(resolve, 60))
          yield line
        }
      }),
    ],
    culprit: 1,
    interval: 80,
  },
  {
    name: 'a stage that has ended the output',
    stages: c => [slow('a', c, 1), take(3)],
    culprit: 'input',
    interval: 900,
  },
]

for (const { name, stages, culprit, interval = 10, stalled = false, lines: count = 0 } of CASES) {
  t.test(`the culprit: ${name}`, async t => {
    const clock = fakeClock()
    const run = await begin(t, listOf(stages(clock)), clock)
    if (stalled) {
      void run.client.stalled()
      run.client.send('a\n'.repeat(count))
      await pass(run, 12_000, 100)
    } else {
      await feed(run, 12_000, interval)
    }
    const { culprit: found } = await run.status()
    t.equal(found.stage ?? found.kind, culprit, found.text)
  })
}

t.test('stages that are streams are counted, and not timed', async t => {
  const clock = fakeClock()
  const list = listOf([later('lookup', clock, 30)])
  const [near, far] = duplexPair()
  await list.status()
  const outcome = list.handle(far, { plan: 'streams', connection: new Connection(1, {}, clock) })
  near.resume().write('a\nb\n')
  // The modules for streams are loaded first.
  while ((await list.status()).traffic.total.bytesIn === 0) await settle()
  await pass({ clock }, 3_000, 10)
  const { stages, slowest } = await list.status()
  t.match(stages, [
    {
      name: 'lines',
      shares: { last1s: null, last10s: null },
      activeShares: null,
      out: { total: { items: 2 } },
    },
    { name: 'lookup', in: { total: { items: 2 } }, held: { items: 0 } },
    { name: 'toLines' },
  ])
  t.same(slowest, [])
  near.end()
  await pass({ clock }, 100, 10)
  await outcome
})

t.test('what waits in front of a stream is held, in items or in bytes', async t => {
  const stuck = (objectMode: boolean) => () => new Transform({ objectMode, transform: () => {} })
  for (const [list, held] of [
    [
      pipeline().through(
        fromStream<Buffer, Buffer>('stuck', stuck(false), { accepts: 'bytes', emits: 'bytes' }),
      ),
      { items: 1, bytes: 4 },
    ],
    [
      pipeline()
        .through(lines())
        .through(fromStream<string, string>('stuck', stuck(true), { accepts: 'line', emits: 'line' }))
        .through(toLines()),
      { items: 2, bytes: 0 },
    ],
  ] as const) {
    const client = connect(list)
    const heldNow = async () => (await list.status()).stages.find(({ name }) => name === 'stuck')?.held
    while ((await list.status()).connections.open === 0) await settle()
    t.same(await heldNow(), { items: 0, bytes: 0 })
    client.send('a\nb\n')
    await settle()
    t.same(await heldNow(), held)
    client.reset()
    await client.outcome
  }
})

t.test('of many items in a turn some are timed, and stand for the others', async t => {
  const clock = fakeClock()
  const count = (frame: Frame) => {
    clock.advance(0.05)
    return frame
  }
  const list = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(map<Frame, Frame>('count', count, { accepts: 'frame', emits: 'frame' }))
    .through(toDelimited(';'))
  const run = await begin(t, list as never, clock)
  for (let turn = 0; turn < 3_000; turn++) {
    run.client.send('a;'.repeat(40))
    await settle()
    await pass(run, 3, 3)
  }
  const { stages } = await run.status()
  isNear(t, stages[1]?.shares.last10s?.busy, 0.4, 'count')
})

t.test('a client that reads again is not waited for any more', async t => {
  const clock = fakeClock()
  const list = listOf([map('more', line => line.repeat(100_000))])
  const [near, far] = duplexPair()
  await list.status()
  const outcome = list.handle(far, { connection: new Connection(1, {}, clock) })
  near.write('a\na\n')
  await settle()
  await pass({ clock }, 2_000, 100)
  t.equal((await list.status()).slowest[0]?.waitsFor.kind, 'client')
  near.resume()
  await pass({ clock }, 2_000, 100)
  t.same((await list.status()).slowest, [])
  near.end()
  await settle()
  await outcome
})
