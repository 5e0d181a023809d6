import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  type BywashError,
  Connection,
  counter,
  delimited,
  fixedLength,
  fromStream,
  type HandleOptions,
  jsonLines,
  lengthPrefixed,
  lines,
  map,
  netstring,
  type Pipeline,
  type PlanMode,
  pipeline,
  slip,
  stage,
  toDelimited,
  toFixedLength,
  toJsonLines,
  toLengthPrefixed,
  toLines,
  toNetstring,
  toSlip,
  uppercase,
} from '../../../lib/index.js'
import { internalStage } from '../../../lib/stage.js'
import { connect, type FakeClock, fakeClock } from '../../../lib/testing/index.js'
import { turn } from '../../../lib/testing/turns.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

/** A stream that takes its input, and never calls back. */
class Deaf extends Duplex {
  override _read(): void {}
  override _write(): void {}
}

const OFF = { idleTimeout: 0, frameTimeout: 0, drainTimeout: 0 }
const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
const same = () => map('same', (chunk: Buffer): Buffer => chunk, BYTES)
const echoLines = () => pipeline().through(lines()).through(toLines())

interface Timed extends HandleOptions {
  readonly clock?: FakeClock
}

/** A client of a pipeline, with a fake clock for the deadlines. */
function serve(stages: Pipeline<Buffer, Buffer>, { clock = fakeClock(), ...options }: Timed = {}) {
  const errors: BywashError[] = []
  let opened = () => {}
  const started = new Promise<void>(resolve => {
    opened = resolve
  })
  const client = connect(
    pipeline()
      .through(counter({ onOpen: opened }))
      .through(stages),
    {
      ...OFF,
      connection: new Connection(1, {}, clock),
      onError: error => errors.push(error),
      ...options,
    },
  )
  let reason: string | undefined
  void client.outcome.then(outcome => {
    reason = outcome.reason
  })
  return {
    client,
    clock,
    errors,
    /** Advances the clock, waits some turns of the event loop, and returns the reason if the connection has ended. */
    async pass(milliseconds: number): Promise<string | undefined> {
      await started
      clock.advance(milliseconds)
      for (let turns = 0; turns < 20; turns++) await turn()
      return reason
    },
  }
}

/** Every decoder, with bytes that begin a frame and the bytes that end it. */
const decoders: Record<string, { pipeline: () => Pipeline<Buffer, Buffer>; begun: string; rest: string }> = {
  lines: { pipeline: echoLines, begun: 'abc', rest: '\n' },
  'lines as blocks': {
    pipeline: () => pipeline().through(lines()).through(uppercase()).through(toLines()),
    begun: 'abc',
    rest: '\n',
  },
  'lines in a loop': {
    pipeline: () =>
      pipeline()
        .through(lines())
        .through(map('same', line => line))
        .through(toLines()),
    begun: 'abc',
    rest: '\n',
  },
  'lines that keep their delimiters': {
    pipeline: () =>
      pipeline()
        .through(lines({ keep: true }))
        .through(toLines()),
    begun: 'abc',
    rest: '\n',
  },
  'lines as frames': {
    pipeline: () =>
      pipeline()
        .through(lines({ encoding: 'buffer' }))
        .through(toDelimited('\n')),
    begun: 'abc',
    rest: '\n',
  },
  'lines over the limit that are skipped': {
    pipeline: () =>
      pipeline()
        .through(lines({ maxLength: 2, overflow: 'skip' }))
        .through(toLines()),
    begun: 'abc',
    rest: '\n',
  },
  delimited: {
    pipeline: () =>
      pipeline()
        .through(delimited({ delimiters: 'END' }))
        .through(toDelimited('END')),
    begun: 'abcEN',
    rest: 'D',
  },
  'a delimiter that has begun': {
    pipeline: () =>
      pipeline()
        .through(delimited({ delimiters: 'END' }))
        .through(toDelimited('END')),
    begun: 'E',
    rest: 'ND',
  },
  'length-prefixed': {
    pipeline: () => pipeline().through(lengthPrefixed()).through(toLengthPrefixed()),
    begun: '\0\0\0\x04ab',
    rest: 'cd',
  },
  'a length that has begun': {
    pipeline: () => pipeline().through(lengthPrefixed()).through(toLengthPrefixed()),
    begun: '\0\0',
    rest: '\0\x01a',
  },
  'fixed-length': {
    pipeline: () => pipeline().through(fixedLength(4)).through(toFixedLength(4)),
    begun: 'abc',
    rest: 'd',
  },
  netstring: {
    pipeline: () => pipeline().through(netstring()).through(toNetstring()),
    begun: '5:hel',
    rest: 'lo,',
  },
  slip: { pipeline: () => pipeline().through(slip()).through(toSlip()), begun: 'abc', rest: '\xc0' },
  'JSON lines': {
    pipeline: () =>
      pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines()),
    begun: '{"a":',
    rest: '1}\n',
  },
}

for (const plan of PLANS) {
  for (const [name, { pipeline, begun, rest }] of Object.entries(decoders)) {
    t.test(`${plan}: ${name}: what stays unfinished for frameTimeout ends the connection`, async t => {
      const { client, clock, pass } = serve(pipeline(), { plan, frameTimeout: 4000 })
      t.equal(await pass(60_000), undefined, 'nothing is unfinished')
      client.send(Buffer.from(begun, 'latin1'))
      t.equal(await pass(0), undefined)
      t.equal(await pass(3999), undefined, 'never early')
      client.send(Buffer.from(rest, 'latin1'))
      t.equal(await pass(0), undefined)
      t.equal(await pass(60_000), undefined, 'it was finished in time')
      client.send(Buffer.from(begun, 'latin1'))
      await pass(0)
      clock.advance(6000)
      const answer = (await client.receive()).toString()
      t.match(answer, /error: (line|frame) took longer than 4 s\n$/)
      client.end()
      t.match(await client.outcome, {
        reason: 'frame-timeout',
        error: { code: 'ERR_BYWASH_TIMEOUT', reason: 'frame-timeout' },
      })
      t.equal(clock.pending, 0, 'no timer is left')
    })
  }

  t.test(`${plan}: a byte a second does not extend frameTimeout`, async t => {
    const { client, pass } = serve(echoLines(), { plan, frameTimeout: 30_000, idleTimeout: 10_000 })
    for (let second = 0; second < 30; second++) {
      client.send('x')
      await pass(0)
      t.equal(await pass(999), undefined)
      await pass(1)
    }
    await pass(2000)
    t.match((await client.receive()).toString(), /took longer than 30 s/)
    client.end()
    t.match(await client.outcome, {
      reason: 'frame-timeout',
      error: { message: "Stage 'lines' waited 30 s for the rest of a line ('frameTimeout')." },
    })
  })

  t.test(`${plan}: frames one after the other, each in its time, go on for ever`, async t => {
    const { client, pass } = serve(echoLines(), { plan, frameTimeout: 4000 })
    client.send('x')
    for (let lines = 0; lines < 10; lines++) {
      t.equal(await pass(3000), undefined)
      client.send('x\nx')
    }
    t.equal(await pass(3000), undefined)
    client.end('x\n')
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: deadlines of 0 are for ever`, async t => {
    const { client, clock, pass } = serve(echoLines(), { plan })
    client.send('abc')
    await pass(0)
    t.equal(clock.pending, 0)
    t.equal(await pass(1_000_000_000), undefined)
    client.end()
    t.equal((await client.receive()).toString(), 'abc\n')
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: silence for idleTimeout ends the connection, and the client is told`, async t => {
    const { client, clock, pass } = serve(echoLines(), { plan, idleTimeout: 4000 })
    client.send('a\n')
    await pass(0)
    t.equal(await pass(3999), undefined)
    client.send('b\n')
    await pass(0)
    t.equal(await pass(3999), undefined, 'a byte begins it anew')
    clock.advance(2001)
    t.equal((await client.receive()).toString(), 'a\nb\nerror: idle for 4 s\n')
    client.end()
    t.match(await client.outcome, {
      reason: 'idle-timeout',
      error: { message: "Nothing came from the client or went to it for 4 s ('idleTimeout')." },
    })
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: what the server sends of itself keeps a connection from being idle`, async t => {
    let say = () => {}
    const talking = stage<Buffer, Buffer>({
      name: 'talking',
      ...BYTES,
      open: () => ({
        start: controller => {
          say = () => controller.enqueue(Buffer.from('x'))
        },
      }),
    })
    const { client, pass } = serve(pipeline().through(talking), { plan, idleTimeout: 4000 })
    for (let times = 0; times < 5; times++) {
      t.equal(await pass(3999), undefined)
      say()
      await client.receive(1)
    }
    client.end()
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: a stage that has taken input and never calls back is named at idleTimeout`, async t => {
    const never = fromStream('never', () => new Deaf())
    const { client, clock, errors, pass } = serve(pipeline().through(never), { plan, idleTimeout: 4000 })
    client.send('x')
    await pass(0)
    clock.advance(6000)
    client.end()
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: {
        stage: 'never',
        message: "Stage 'never' has not answered for 4 s: it may not have called back.",
      },
    })
    t.equal(errors.length, 1)
    t.equal((await client.receive()).length, 0)
  })

  t.test(`${plan}: a promise that never settles is named at idleTimeout`, async t => {
    const hanging = asyncMap('hanging', (_chunk: Buffer) => new Promise<Buffer>(() => {}), BYTES)
    const { client, clock, pass } = serve(pipeline().through(hanging), { plan, idleTimeout: 4000 })
    client.send('x')
    await pass(0)
    clock.advance(6000)
    client.end()
    t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'hanging' } })
  })

  t.test(`${plan}: output of which nothing is taken for drainTimeout ends the connection`, async t => {
    const { client, clock, pass } = serve(pipeline().through(same()), { plan, drainTimeout: 4000 })
    const stalled = client.stalled()
    client.send(Buffer.alloc(100_000))
    t.not((await stalled).unread, 0)
    t.equal(await pass(3999), undefined)
    clock.advance(2001)
    t.match(await client.outcome, {
      reason: 'drain-timeout',
      error: { message: "The client took no output for 4 s ('drainTimeout')." },
    })
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: a client that takes a little now and then keeps its connection`, async t => {
    const { client, pass } = serve(pipeline().through(same()), {
      plan,
      drainTimeout: 4000,
      idleTimeout: 5000,
    })
    let unread = 0
    for (let times = 0; times < 5; times++) {
      const stalled = client.stalled()
      client.send(Buffer.alloc(100_000))
      await stalled
      t.equal(await pass(3999), undefined)
      unread += 100_000
      await client.receive(unread)
      unread = 0
    }
    client.end()
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(
    `${plan}: a client that does not read is not to blame for a line that it could not finish`,
    async t => {
      const { client, pass } = serve(echoLines(), { plan, frameTimeout: 4000 })
      const stalled = client.stalled()
      client.send(`${'x'.repeat(40_000)}\n${'x'.repeat(60_000)}\nabc`)
      await stalled
      t.equal(await pass(60_000), undefined)
      client.end('\n')
      t.equal((await client.receive()).length, 100_006)
      t.equal((await client.outcome).reason, 'end')
    },
  )

  t.test(`${plan}: a decoder that does not say what is unfinished is not timed`, async t => {
    const silent = internalStage<Buffer, string>({
      name: 'silent',
      accepts: 'bytes',
      emits: 'line',
      open: () => ({ transform: (chunk, controller) => controller.enqueue(chunk.toString().trimEnd()) }),
      blocks: {
        role: 'decode',
        encoding: 'utf8',
        open: () => ({ push: (chunk, emit) => emit(chunk), end: () => undefined }),
      },
    })
    const { client, pass } = serve(pipeline().through(silent).through(toLines()), {
      plan,
      frameTimeout: 4000,
    })
    client.send('a\n')
    t.equal(await pass(0), undefined)
    t.equal(await pass(60_000), undefined)
    client.end()
    t.equal((await client.receive()).toString(), 'a\n')
  })

  t.test(`${plan}: a stage whose unfinished() throws is named`, async t => {
    const boom = () => {
      throw new Error('boom')
    }
    for (const broken of [
      stage<Buffer, Buffer>({ name: 'broken', ...BYTES, open: () => ({ unfinished: boom }) }),
      fromStream('broken', () => Object.assign(new Deaf(), { unfinished: boom })),
    ]) {
      const { client, clock, pass } = serve(pipeline().through(broken), { plan, frameTimeout: 4000 })
      client.send('x')
      await pass(0)
      clock.advance(1000)
      await pass(0)
      client.end()
      t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'broken', message: /boom/ } })
    }
  })

  t.test(`${plan}: a deadline is found at its time or up to two ticks later, and never earlier`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom('idleTimeout', 'frameTimeout', 'drainTimeout'),
        fc.integer({ min: 4, max: 100_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 1, max: 7 }),
        (option, timeout, share, steps) => meetsDeadline({ plan, option, timeout, share, steps }),
      ),
      { numRuns: runs(25) },
    ),
  )
}

/** Checks that a timeout is neither early nor late: the clock advances in steps, from anywhere within a tick. */
async function meetsDeadline({
  plan,
  option,
  timeout,
  share,
  steps,
}: {
  plan: PlanMode
  option: 'idleTimeout' | 'frameTimeout' | 'drainTimeout'
  timeout: number
  share: number
  steps: number
}): Promise<void> {
  const { client, clock, pass } = serve(echoLines(), { plan, [option]: timeout })
  const tick = Math.ceil(Math.min(timeout / 4, 1000))
  await pass(share * tick)
  if (option === 'drainTimeout') void client.stalled()
  client.send(option === 'frameTimeout' ? 'x' : 'x\n')
  if ((await pass(0)) !== undefined) throw new Error('at once')
  let passed = 0
  const step = (timeout - 0.01) / steps
  for (; passed < steps; passed++) {
    if ((await pass(step)) !== undefined) throw new Error(`${passed} of ${steps} steps: early`)
  }
  clock.advance(0.01 + 2 * tick)
  client.end()
  const { reason } = await client.outcome
  if (reason !== option.replace(/T/, '-t')) throw new Error(`late: ${reason}`)
}
