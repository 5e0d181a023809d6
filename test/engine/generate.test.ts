import t from 'tap'
import {
  Connection,
  generate,
  lines,
  map,
  type Outcome,
  pipeline,
  type Stage,
  toLines,
} from '../../lib/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { serveLines } from './serve-lines.js'

const tick = () => new Promise(resolve => setImmediate(resolve))

for (const plan of PLANS) {
  const serve = (stages: readonly Stage<string, string>[], text: string) => serveLines(plan, stages, text)

  t.test(
    `${plan}: a generator answers a line with several, at any time, and ends after the client`,
    async t => {
      const countdown = generate('countdown', async function* (items) {
        yield 'ready'
        for await (const line of items) {
          for (let left = Number(line); left >= 0; left--) {
            if (left % 2 === 0) await tick()
            yield String(left)
          }
        }
        await tick()
        yield 'bye'
      })
      const { answer, outcome } = await serve([map('same', line => line), countdown], '3\n0\n1')
      t.equal(answer, 'hi\nready\n3\n2\n1\n0\n0\n1\n0\nbye\n')
      t.equal(outcome.reason, 'end')
    },
  )

  t.test(`${plan}: one that returns ends the connection in good order`, async t => {
    const first = generate('first', async function* (items) {
      for await (const line of items) {
        yield line
        break
      }
      for await (const line of items) {
        yield `${line}!`
        return
      }
    })
    const { answer, outcome } = await serve([first], 'a\nb\nc\nd\n')
    t.equal(answer, 'hi\na\nb!\n')
    t.equal(outcome.reason, 'terminated')
  })

  t.test(`${plan}: one that throws is named, behind what it has yielded`, async t => {
    const broken = generate('broken', async function* (items) {
      for await (const line of items) {
        if (line === 'bad') throw new Error('boom')
        yield line
      }
    })
    const { answer, outcome } = await serve([broken], 'a\nbad\nc\n')
    t.equal(answer, 'hi\na\n')
    t.match(outcome, {
      reason: 'stage-error',
      error: { message: "Stage 'broken' failed in its generator: boom" },
    })
    for (const [what, message] of [
      [async () => {}, /must be an async generator function/],
      [() => undefined, /must be an async generator function/],
    ] as const) {
      t.match((await serve([generate('wrong', what as never)], 'a\n')).outcome.error?.message, message)
    }
    const kind = generate('kind', async function* () {
      yield 7 as never
    })
    t.match((await serve([kind], 'a\n')).outcome.error?.message, /emitted a number/)
  })

  t.test(`${plan}: one that never ends is resumed only while the client reads`, async t => {
    let yielded = 0
    const endless = generate('endless', async function* () {
      for (;;) {
        yielded++
        yield 'x'.repeat(99)
      }
    })
    const client = connect(pipeline().through(lines()).through(endless).through(toLines()), { plan })
    const stalled = client.stalled()
    client.send('x\n')
    await stalled
    for (let turn = 0; turn < 20; turn++) await tick()
    const before = yielded
    for (let turn = 0; turn < 20; turn++) await tick()
    t.equal(yielded, before, 'it stops')
    t.ok(yielded < 4_000, `${yielded} yielded`)
    t.equal((await client.receive(400_000)).length, 400_000)
    t.ok(yielded > before, 'and goes on')
    client.reset()
    t.equal((await client.outcome).reason, 'client-reset')
  })

  t.test(`${plan}: its finally runs once, however the connection ends`, async t => {
    const ends = [
      'end',
      'reset at a yield',
      'reset at a line',
      'reset at a promise',
      'reset and goes on',
    ] as const
    for (const how of ends) {
      let count = 0
      let release = () => {}
      const outcomes: Outcome[] = []
      const held = generate('held', async function* (items, { signal }: Connection) {
        try {
          yield 'first'
          for await (const line of items) {
            yield line
            if (how !== 'reset at a promise' && how !== 'reset and goes on') continue
            // It yields once more, to nobody, if it is not told to stop.
            await new Promise<void>((resolve, reject) => {
              release = resolve
              if (how === 'reset at a promise') {
                signal.addEventListener('abort', () => reject(signal.reason), { once: true })
              }
            })
            if (how === 'reset and goes on') yield 'to nobody'
          }
        } finally {
          count++
        }
      })
      const errors: string[] = []
      const client = connect(pipeline().through(lines()).through(held).through(toLines()), {
        plan,
        onError: ({ message }) => errors.push(message),
      })
      client.send('a\n')
      await client.receive(how === 'reset at a yield' ? 'first\n' : 'a\n')
      if (how === 'end') client.end()
      else client.reset()
      outcomes.push(await client.outcome)
      for (let turn = 0; turn < 5; turn++) await tick()
      release()
      for (let turn = 0; turn < 5; turn++) await tick()
      t.equal(count, 1, how)
      t.strictSame(errors, [])
    }
  })

  t.test(`${plan}: a finally that throws after the end is reported`, async t => {
    const errors: string[] = []
    const broken = generate('broken', async function* (items) {
      try {
        for await (const line of items) for (;;) yield line.repeat(10_000)
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: what is tested
        throw new Error('boom')
      }
    })
    const client = connect(pipeline().through(lines()).through(broken).through(toLines()), {
      plan,
      onError: ({ message }) => errors.push(message),
    })
    const stalled = client.stalled()
    client.send('xxxxxxxxxx\n')
    await stalled
    client.reset()
    t.equal((await client.outcome).reason, 'client-reset')
    for (let turn = 0; turn < 5; turn++) await tick()
    t.strictSame(errors, ["Stage 'broken' failed in its generator: boom"])
  })

  t.test(`${plan}: one that does not return after the client's end is named at halfCloseTimeout`, async t => {
    const clock = fakeClock()
    const hanging = generate('hanging', async function* () {
      yield 'first'
      await new Promise(() => {})
    })
    const client = connect(pipeline().through(lines()).through(hanging).through(toLines()), {
      plan,
      connection: new Connection(1, {}, clock),
      halfCloseTimeout: 1_000,
    })
    await client.receive('first\n')
    client.end()
    for (let turn = 0; turn < 5; turn++) await tick()
    for (let second = 0; second < 3; second++) {
      clock.advance(1_000)
      await tick()
    }
    t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'hanging' } })
  })

  t.test(`${plan}: an item that it does not take holds back the peer`, async t => {
    let read = 0
    const counting = map('counting', (line: string) => {
      read++
      return line
    })
    const idle = generate('idle', async function* (items) {
      for await (const _line of items) await new Promise(() => {})
    })
    const client = connect(pipeline().through(lines()).through(counting).through(idle).through(toLines()), {
      plan,
    })
    client.send('\n'.repeat(100_000))
    for (let turn = 0; turn < 20; turn++) await tick()
    t.ok(read <= 600, `${read} lines`)
    client.reset()
    await client.outcome
  })
}

t.test('generate checks its options at once, and takes other kinds', async t => {
  const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }
  t.throws(() => generate('x', 7 as never), { ...invalid, message: /'generator' is a function/ })
  t.throws(() => generate('x', async function* () {}, { concurrency: 2 } as object), invalid)
  const size = generate(
    'size',
    async function* (items: AsyncIterable<string>) {
      for await (const line of items) yield line.length
    },
    { accepts: 'line', emits: 'value' },
  )
  t.strictSame(await runStage(size, ['a', 'bc']), [1, 2])
})
