import { PassThrough } from 'node:stream'
import { mock } from 'node:test'
import t from 'tap'
import {
  Connection,
  fromStream,
  lines,
  map,
  pipeline,
  stage,
  toLines,
  uppercase,
  welcome,
} from '../../lib/index.js'
import { checkStage, chunkings, connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'

const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }

const lengths = (chunks: readonly Buffer[]) => chunks.map(chunk => chunk.length)

t.test('chunkings gives every cut in two, and the ones that break most', async t => {
  const input = 'é\r\n'
  const all = [...chunkings(input, { random: 5 })]
  for (const chunks of all) t.equal(Buffer.concat(chunks).toString(), input)
  t.strictSame(all.slice(0, -5).map(lengths), [
    [4],
    [0, 4, 0],
    [1, 1, 1, 1],
    [1, 0, 1, 0, 1, 0, 1, 0],
    [1, 3],
    [2, 2],
    [3, 1],
  ])
  t.equal(all.length, 7 + 5)
})

t.test('chunkings cuts inside all CRLFs, inside all characters, and into pieces of a length', async t => {
  const all = [...chunkings('é\r\n€\r\n', { random: 0 })].map(lengths)
  t.strictSame(all.slice(4, -8), [
    [3, 5, 1],
    [1, 4, 1, 3],
    [2, 2, 2, 2, 1],
    [3, 3, 3],
    [4, 4, 1],
  ])
})

t.test('chunkings repeats itself for a seed, and differs for another', async t => {
  const cuts = (seed: number) =>
    JSON.stringify([...chunkings('x'.repeat(50), { seed })].map(chunks => chunks.map(chunk => chunk.length)))
  t.equal(cuts(7), cuts(7))
  t.not(cuts(7), cuts(8))
  t.equal(cuts(0), cuts(1))
})

t.test('chunkings cuts copies, of nothing as well', async t => {
  const input = Buffer.from('ab')
  for (const chunks of chunkings(input)) for (const chunk of chunks) chunk.fill(0)
  t.equal(input.toString(), 'ab')
  t.strictSame([...chunkings('', { random: 0 })].map(lengths), [[0], [0, 0, 0], [0], [0, 0]])
  t.throws(() => [...chunkings('a', { seed: -1 })], invalid)
  t.throws(() => [...chunkings('a', { random: 0.5 })], invalid)
  t.throws(() => [...chunkings('a', { times: 1 } as object)], invalid)
})

for (const plan of PLANS) {
  t.test(`${plan}: runStage rejects with what came out before the failure`, async t => {
    const picky = map('picky', line => {
      if (line === 'c') throw new Error('boom')
      return line
    })
    await t.rejects(runStage(picky, ['a', 'b', 'c', 'd'], { plan }), {
      code: 'ERR_BYWASH_STAGE',
      stage: 'picky',
      output: ['a', 'b'],
    })
    const [chunk] = [Buffer.from('a\nbcd\ne\n')]
    await t.rejects(runStage(lines({ maxLength: 2 }), [chunk], { plan }), {
      code: 'ERR_BYWASH_FRAME_TOO_LONG',
      output: ['a'],
    })
  })

  t.test(`${plan}: runStage runs a pipeline, with the connection that is given`, async t => {
    const named = pipeline('line').through(map('id', (line, { id }) => `${line} ${id}`))
    t.strictSame(await runStage(named, ['a'], { plan, connection: new Connection(9) }), ['a 9'])
  })

  t.test(`${plan}: runStage closes the stage, and a throw in close rejects`, async t => {
    const reasons: string[] = []
    const closing = stage<string, string>({
      name: 'closing',
      accepts: 'line',
      emits: 'line',
      open: () => ({
        transform: (line, controller) => {
          if (line === 'stop') controller.terminate()
          else controller.enqueue(line)
        },
        close: ({ reason }) => {
          reasons.push(reason)
          if (reason === 'end') throw new Error('boom')
        },
      }),
    })
    t.strictSame(await runStage(closing, ['a', 'stop', 'b'], { plan }), ['a'])
    await t.rejects(runStage(closing, ['a'], { plan }), {
      message: "Stage 'closing' failed in close: boom",
      output: ['a'],
    })
    t.strictSame(reasons, ['terminated', 'end'])
  })

  t.test(`${plan}: runStage waits for a stage that is slower than its input`, async t => {
    const many = Array.from({ length: 200 }, (_, at) => String(at))
    t.strictSame(await runStage(uppercase(), many, { plan }), many)
  })

  t.test(`${plan}: connect sends nothing for empty chunks, however many`, async t => {
    const client = connect(pipeline(), { plan })
    client.send('a')
    await client.receive(1)
    for (let n = 0; n < 5; n++) client.send('')
    client.send('b')
    client.end('')
    t.equal((await client.receive()).toString(), 'b')
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: connect receives a number of bytes, up to a text, or all`, async t => {
    const client = connect(pipeline().through(lines()).through(toLines()), { plan })
    client.send('one\ntwo\nthree')
    t.equal((await client.receive(2)).toString(), 'on')
    t.equal((await client.receive('two\n')).toString(), 'e\ntwo\n')
    client.end(' and four')
    t.equal((await client.receive()).toString(), 'three and four\n')
    await t.rejects(client.receive(1), { message: 'The server ended before 1, after "".' })
    await t.rejects(client.receive('x'), { message: 'The server ended before "x", after "".' })
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: runStage gives items in batches, each in one turn`, async t => {
    const turns: number[] = []
    const counting = stage<string, string>({
      name: 'counting',
      accepts: 'line',
      emits: 'line',
      open: () => {
        let lines = 0
        return {
          transform: () => {
            lines++
          },
          readComplete: () => {
            if (lines > 0) turns.push(lines)
            lines = 0
          },
        }
      },
    })
    await runStage(counting, ['a', 'b', 'c'], { plan, batch: 2 })
    t.strictSame(turns, plan === 'fused' ? [2, 1] : [1, 1, 1])
    await t.rejects(runStage(counting, ['a'], { plan, batch: 0 }), invalid)
  })

  t.test(`${plan}: a client that does not read stops the pipeline, and reads on`, async t => {
    const client = connect(pipeline().through(lines()).through(toLines()), { plan })
    const chunk = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(16))
    for (let sent = 0; sent < 64; sent++) client.send(chunk)
    const { waiting, unread } = await client.stalled()
    t.ok(waiting > 48 * chunk.length, `${waiting} bytes wait`)
    t.ok(unread > 0 && unread <= 2 * chunk.length, `${unread} bytes are unread`)
    t.strictSame(await client.stalled(), { waiting, unread }, 'nothing moves')
    t.equal((await client.receive(chunk.length)).length, chunk.length)
    client.end()
    t.ok((await client.stalled()).waiting > 0)
    t.equal((await client.receive()).length, 63 * chunk.length)
    t.equal((await client.outcome).reason, 'end')
    t.strictSame(await client.stalled(), { waiting: 0, unread: 0 })
    client.send('into the void')
    t.equal((await client.receive()).length, 0)
  })

  t.test(`${plan}: receive says after a deadline what came, and leaves it for the next one`, async t => {
    const client = connect(pipeline().through(lines()).through(toLines()), { plan })
    client.send('one\ntwo')
    const late = { timeout: 20 }
    const message = (what: string) =>
      `receive() waited 20 ms (option 'timeout') for ${what} from the server, and got only "one\\n".`
    await t.rejects(client.receive('two', late), { message: message('"two"') })
    await t.rejects(client.receive(5, late), { message: message('5 bytes') })
    await t.rejects(client.receive(undefined, late), { message: message('the end') })
    client.end('x'.repeat(400))
    const rejection = client.receive(1000, late)
    await t.rejects(rejection, { message: /after "one\\ntwox+" and 108 bytes more\.$/ })
    t.equal((await client.receive()).length, 408)
    await t.rejects(client.receive(1, { timeout: 0 }), invalid)
    await t.rejects(client.receive(1, { timeuot: 1 } as object), invalid)
  })

  t.test(`${plan}: a text that receive waits for may come in pieces`, async t => {
    const client = connect(pipeline(), { plan })
    const whole = client.receive('--')
    client.send('ab-')
    client.send('-c')
    t.equal((await whole).toString(), 'ab--')
    client.end()
    t.equal((await client.receive()).toString(), 'c')
  })

  t.test(`${plan}: what is received a piece at a time is not copied again and again`, async t => {
    const client = connect(pipeline(), { plan })
    const { mock: concat } = mock.method(Buffer, 'concat')
    t.teardown(() => concat.restore())
    for (let n = 0; n < 10_000; n++) client.send('abc')
    client.end()
    const first = await client.receive(3)
    for (let n = 1; n < 10_000; n++) await client.receive(3)
    t.equal((await client.receive()).length, 0)
    t.equal(first.toString(), 'abc', 'it keeps its bytes')
    const copied = concat.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
    t.ok(copied < 100_000, `${copied} bytes`)
  })

  t.test(`${plan}: chunks that are sent at once are not moved again and again`, async t => {
    const count = RUNS_ALL ? 80_000 : 4_000
    let moved = 0
    // The elements of each long array of which a method may move the rest, or all, and the bytes that are joined.
    for (const name of ['shift', 'unshift', 'splice', 'slice', 'reduce', 'filter'] as const) {
      const original = Array.prototype[name] as (...parameters: unknown[]) => unknown
      const counting = function (this: readonly unknown[], ...parameters: unknown[]) {
        if (this.length > 1_000) moved += this.length
        return original.apply(this, parameters)
      }
      Object.assign(Array.prototype, { [name]: counting })
      t.teardown(() => Object.assign(Array.prototype, { [name]: original }))
    }
    const { mock: concat } = mock.method(Buffer, 'concat')
    t.teardown(() => concat.restore())
    const client = connect(pipeline(), { plan })
    for (let n = 0; n < count; n++) client.send('a')
    client.end()
    t.equal((await client.receive()).length, count)
    t.equal((await client.outcome).bytesRead, count)
    const copied = concat.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
    // Half of the square if each one that is taken moves the others. Node moves some, once for many.
    t.ok(moved + copied < count ** 2 / 100, `${moved} elements, ${copied} bytes`)
  })

  t.test(`${plan}: clients of a test have different ids, and so have the runs of a stage`, async t => {
    const named = pipeline('line').through(map('id', (line, { id }) => `${line} ${id}`))
    t.strictSame(await runStage(named, ['a'], { plan }), ['a 1'])
    t.strictSame(await runStage(named, ['a'], { plan }), ['a 2'])
    const served = pipeline().through(lines()).through(named).through(toLines())
    const clients = [connect(served, { plan }), connect(served, { plan })]
    for (const client of clients) client.end('a')
    const answers = await Promise.all(clients.map(client => client.receive()))
    t.strictSame(answers.map(String), ['a 1\n', 'a 2\n'])
  })

  t.test(`${plan}: faked timers stop nothing`, async t => {
    mock.timers.enable()
    const { mock: now } = mock.method(performance, 'now', () => 0)
    t.teardown(() => {
      mock.timers.reset()
      now.restore()
    })
    const shout = pipeline().through(lines()).through(uppercase()).through(toLines())
    const client = connect(shout.through(welcome('Hi\n')), { plan })
    client.send('one\ntwo')
    t.equal((await client.receive('ONE\n')).toString(), 'Hi\nONE\n')
    await t.rejects(client.receive('two', { timeout: 20 }), /receive\(\) waited 20 ms/)
    t.strictSame(await client.stalled(), { waiting: 0, unread: 0 })
    client.end()
    t.equal((await client.receive()).toString(), 'TWO\n')
    await checkStage(uppercase(), [{ input: ['a'], output: ['A'] }])
    const stuck = fromStream('stuck', () => new PassThrough({ flush: () => {} }))
    await t.rejects(checkStage(stuck, [{ input: 'a', output: 'a' }], { timeout: 20 }), {
      message: /law 'end'/,
    })
  })

  t.test(`${plan}: connect shows a client that the server has destroyed the end`, async t => {
    const clock = fakeClock()
    const client = connect(
      pipeline()
        .through(lines({ maxLength: 1 }))
        .through(toLines()),
      {
        plan,
        connection: new Connection(1, {}, clock),
      },
    )
    client.reset()
    await t.rejects(client.receive(1))
    t.equal((await client.outcome).reason, 'client-reset')
  })
}

t.test('runStage refuses an item of another kind than the stage takes', async t => {
  await t.rejects(runStage(lines(), ['text' as never]), {
    ...invalid,
    message: /stage 'lines' takes bytes, but got text/,
  })
  await t.rejects(runStage(lines(), [], { plan: 'x' as never }), invalid)
  await t.rejects(runStage(lines(), [], { mode: 'x' } as object), invalid)
})

t.test('a fake clock calls what falls due, in order, and nothing else', async t => {
  const clock = fakeClock()
  const calls: string[] = []
  clock.setTimeout(() => calls.push(`b at ${clock.now()}`), 20)
  clock.setTimeout(() => {
    calls.push(`a at ${clock.now()}`)
    clock.setTimeout(() => calls.push(`c at ${clock.now()}`), 15)
  }, 10)
  clock.clearTimeout(clock.setTimeout(() => calls.push('cleared'), 5))
  clock.setTimeout(() => calls.push('too late'), 31)
  clock.advance(30)
  t.strictSame(calls, ['a at 10', 'b at 20', 'c at 25'])
  t.equal(clock.now(), 30)
  t.equal(clock.pending, 1)
})

t.test(
  'what are no options, and names of options that do not exist, are refused at once by name',
  async t => {
    const stage = lines()
    const client = connect(pipeline())
    const examples = [{ input: 'a\n', output: ['a'] }]
    const calls: Record<string, (options: never) => unknown> = {
      'runStage()': options => runStage(stage, [], options),
      'chunkings()': options => chunkings('a', options),
      'connect()': options => connect(pipeline(), options),
      'receive()': options => client.receive(1, options),
      'checkStage()': options => checkStage(stage, examples, options),
      'checkStage(): an example': example => checkStage(stage, [example]),
    }
    for (const [owner, call] of Object.entries(calls)) {
      for (const [wrong, message] of [
        [null, `${owner} takes an object of options; got null.`],
        [7, `${owner} takes an object of options; got 7.`],
        [[], `${owner} takes an object of options; got a list.`],
        [{ seeed: 1 }, new RegExp(`^${owner.replace('()', '\\(\\)')} has no option 'seeed'\\. It takes `)],
      ] as const) {
        await t.rejects(async () => call(wrong as never), { ...invalid, message }, `${owner} ${wrong}`)
      }
    }
    for (const [name, wrong] of [
      ['endpoints', null],
      ['parameters', 'ab'],
    ] as const) {
      await t.rejects(checkStage(stage, examples, { [name]: wrong as never }), {
        ...invalid,
        message: new RegExp(`^checkStage\\(\\): '${name}' is .*; got `),
      })
    }
    await t.rejects(checkStage(stage, null as never), {
      ...invalid,
      message: "checkStage(): 'examples' is a list; got null.",
    })
    client.end()
    await client.outcome
  },
)
