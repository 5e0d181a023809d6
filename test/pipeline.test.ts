import { Duplex, duplexPair, PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  type BywashError,
  Connection,
  type Controller,
  counter,
  fromStream,
  lines,
  map,
  type Pipeline,
  pipeline,
  stage,
  tap,
  toLines,
  uppercase,
  welcome,
} from '../lib/index.js'
import { connect, fakeClock } from '../lib/testing/index.js'
import { PLANS } from './plans.js'
import { runs } from './runs.js'

const shout = pipeline()
  .through(lines({ maxLength: 8 }))
  .through(uppercase())
  .through(toLines())

t.test('a pipeline does not change when another is made of it', async t => {
  const decoded = pipeline().through(lines())
  decoded.through(uppercase())
  t.strictSame(
    decoded.stages.map(({ name }) => name),
    ['lines'],
  )
  t.throws(() => (decoded.stages as unknown[]).push(1), TypeError)
})

t.test('a stage is put in its place once, however many come behind it', async t => {
  let placed = 0
  const watched = {
    ...tap<Buffer>('watched', () => {}),
    get accepts() {
      placed++
      return 'bytes' as const
    },
  }
  const one = pipeline().through(watched)
  const once = placed
  t.equal(one.through(counter()).through(counter()).name, 'watched | counter | counter')
  t.equal(placed, once)
  t.throws(() => one.through(uppercase() as never), {
    message: /^Stage 'uppercase' takes lines, but stage 'watched' gives bytes\./,
  })
})

t.test('explain says how a pipeline will run', async t => {
  const mixed = pipeline()
    .through(counter())
    .through(lines())
    .through(fromStream<string, string>('wait', () => new PassThrough(), { accepts: 'line', emits: 'line' }))
    .through(toLines())
  t.equal(
    String(mixed.explain()),
    [
      'plan fused: bytes to bytes',
      '  fused',
      '    counter: bytes to bytes',
      '    lines: bytes to line',
      '  stream (the stage is a stream)',
      '    wait: line to line',
      '  fused',
      '    toLines: line to bytes',
    ].join('\n'),
  )
  t.equal(mixed.explain().direct, false)
  t.equal(
    String(shout.explain()),
    [
      'plan fused: bytes to bytes, no stream between socket and socket, reads in place',
      '  fused',
      '    lines: bytes to line (on whole blocks of lines)',
      '    uppercase: line to line (on whole blocks of lines)',
      '    toLines: line to bytes (on whole blocks of lines)',
    ].join('\n'),
  )
  const streams = shout.explain({ plan: 'streams' })
  t.strictSame(
    streams.segments.map(({ type, reason, stages }) => [type, reason, stages[0]?.name]),
    [
      ['stream', "plan 'streams' runs each stage as a stream", 'lines'],
      ['fused', "plan 'streams' runs each stage as a stream", 'uppercase'],
      ['fused', "plan 'streams' runs each stage as a stream", 'toLines'],
    ],
  )
  t.match(pipeline().explain(), { direct: true, accepts: 'bytes', emits: 'bytes', segments: [] })
  t.equal(
    pipeline().explain({ plan: 'streams' }).direct,
    true,
    'without a stage there is nothing to make a stream of',
  )
})

t.test('handle refuses what it cannot drive', async t => {
  const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }
  const objects = new PassThrough({ objectMode: true })
  await t.rejects(shout.handle(objects), { ...invalid, message: /a Duplex of bytes/ })
  await t.rejects(shout.handle(new PassThrough().setEncoding('utf8')), invalid)
  await t.rejects(shout.handle(new PassThrough(), { plan: 'x' as never }), {
    ...invalid,
    message: /^handle\(\): 'plan'/,
  })
  await t.rejects(shout.handle(new PassThrough(), { timeout: 1 } as object), invalid)
  await t.rejects(shout.handle(new PassThrough(), { onError: 1 as never }), invalid)
  for (const wrong of [null, 5, 'fused'] as never[]) {
    const message = /^handle\(\) takes an object of options; got/
    await t.rejects(shout.handle(new PassThrough(), wrong), { ...invalid, message })
    t.throws(() => shout.explain(wrong), {
      ...invalid,
      message: /^explain\(\) takes an object of options; got/,
    })
  }
  await t.rejects(shout.handle.call(welcome('x') as never, new PassThrough()), {
    ...invalid,
    message: /^handle\(\) takes a pipeline/,
  })
})

/** Options without a deadline that is looked for now and then, so that the clock has only the connection's own timers. */
const NO_DEADLINES = { frameTimeout: 0, drainTimeout: 0 }

for (const plan of PLANS) {
  t.test(`${plan}: a duplex that was used, paused or has ended before is driven to its end`, async t => {
    const [near, far] = duplexPair()
    near.write('a\n')
    far.once('data', () => far.pause())
    await new Promise(resolve => far.once('pause', resolve))
    near.end('b\n')
    const handled = shout.handle(far, { plan })
    t.equal(Buffer.concat(await near.toArray()).toString(), 'B\n')
    t.equal((await handled).reason, 'end')

    const [client, ended] = duplexPair()
    client.end()
    ended.resume()
    await new Promise(resolve => ended.once('end', resolve))
    const answer = client.toArray()
    t.equal((await shout.handle(ended, { plan })).reason, 'end')
    t.strictSame(await answer, [])
  })

  t.test(`${plan}: a duplex that is destroyed before it is driven opens no stage`, async t => {
    const counted = pipeline().through(counter({ onOpen: () => t.fail('opened') }))
    const duplex = new PassThrough()
    duplex.destroy()
    t.match(await counted.handle(duplex, { plan }), { reason: 'client-reset', bytesRead: 0, bytesWritten: 0 })
  })

  t.test(`${plan}: a farewell of one's own is sent, also none`, async t => {
    const say = (farewell: (error: BywashError, connection: Connection) => string | undefined) => {
      const client = connect(shout, { plan, farewell, connection: new Connection(3) })
      client.end('123456789\n')
      return client.receive()
    }
    t.equal(
      (await say((error, { id }) => `${error.code} on ${id}`)).toString(),
      'ERR_BYWASH_FRAME_TOO_LONG on 3',
    )
    t.equal((await say(() => undefined)).length, 0)
    t.equal((await say(() => null as never)).length, 0)
  })

  t.test(`${plan}: what a callback throws is uncaught, and the connection ends all the same`, async t => {
    const uncaught: string[] = []
    const caught = new Promise<void>(resolve => {
      process.once('uncaughtException', ({ message }) => {
        uncaught.push(message)
        resolve()
      })
    })
    const farewell = () => {
      throw new Error('farewell')
    }
    const client = connect(shout, { plan, farewell })
    client.end('123456789\n')
    t.equal((await client.receive()).length, 0)
    t.equal((await client.outcome).reason, 'frame-too-long')
    await caught
    t.strictSame(uncaught, ['farewell'])
  })

  t.test(`${plan}: after a failure the client is read for 2 s or 64 KiB, and then destroyed`, async t => {
    const clock = fakeClock()
    const client = connect(shout, { plan, connection: new Connection(1, {}, clock), ...NO_DEADLINES })
    client.send('123456789\n')
    t.equal((await client.receive('bytes\n')).toString(), 'error: line is longer than 8 bytes\n')
    await client.receive()
    for (let sent = 0; sent < 100; sent++) client.send(Buffer.alloc(1024))
    await new Promise(resolve => setImmediate(resolve))
    clock.advance(1_999)
    t.equal(clock.pending, 1)
    clock.advance(1)
    const { reason, bytesRead } = await client.outcome
    t.equal(reason, 'frame-too-long')
    t.ok(bytesRead >= 10)
    t.equal(clock.pending, 0)
  })

  t.test(`${plan}: after a failure a client that ends is not waited for`, async t => {
    const clock = fakeClock()
    const client = connect(shout, { plan, connection: new Connection(1, {}, clock) })
    client.send('123456789\n')
    await client.receive()
    client.end('more')
    t.equal((await client.outcome).reason, 'frame-too-long')
  })

  t.test(`${plan}: a stage that never calls back is a stage-error at halfCloseTimeout`, async t => {
    const clock = fakeClock()
    const never = asyncMap('never', () => new Promise<string>(() => {}))
    const client = connect(pipeline().through(lines()).through(never).through(toLines()), {
      plan,
      connection: new Connection(1, {}, clock),
      halfCloseTimeout: 100,
      ...NO_DEADLINES,
    })
    client.end('a\n')
    while (clock.pending === 0) await new Promise(resolve => setImmediate(resolve))
    clock.advance(99)
    clock.advance(1)
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { stage: 'never', message: /^Stage 'never' has not answered for 100 ms/ },
    })
  })

  t.test(
    `${plan}: a failure behind a stream that never calls back ends at halfCloseTimeout, in the name of that stream`,
    async t => {
      const clock = fakeClock()
      const deaf = fromStream('deaf', () => new Duplex({ read() {}, write() {} }))
      const client = connect(
        pipeline()
          .through(lines({ maxLength: 1 }))
          .through(toLines())
          .through(deaf),
        {
          plan,
          connection: new Connection(1, {}, clock),
          ...NO_DEADLINES,
        },
      )
      client.send('abc\n')
      while (clock.pending === 0) await new Promise(resolve => setImmediate(resolve))
      clock.advance(10_000)
      client.end()
      t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'deaf' } })
    },
  )

  t.test(`${plan}: a reset while output is on its way is a client that has gone`, async t => {
    const client = connect(shout, { plan })
    client.send('a\n')
    await client.receive(2)
    client.end()
    client.reset()
    t.match(await client.outcome, { reason: 'client-reset', error: { code: 'ECONNRESET' } })
  })

  t.test(`${plan}: empty chunks are not written`, async t => {
    const hollow = stage<Buffer, Buffer>({
      name: 'hollow',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        transform: (chunk, controller) => {
          for (const part of [Buffer.alloc(0), chunk, chunk, chunk, Buffer.alloc(0)]) controller.enqueue(part)
        },
      }),
    })
    const client = connect(pipeline().through(hollow), { plan })
    client.end('ab')
    t.equal((await client.receive()).toString(), 'ababab')
    t.equal((await client.outcome).bytesWritten, 6)
  })
}

t.test('what a stage pushes between our FIN and the close is dropped', async t => {
  let late: Controller<Buffer> | undefined
  const errors: string[] = []
  const sloppy = stage<Buffer, Buffer>({
    name: 'sloppy',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({
      start: controller => {
        late = controller
      },
      flush: () => void setImmediate(() => late?.enqueue(Buffer.from('late'))),
    }),
  })
  const [near, far] = duplexPair()
  const handled = pipeline()
    .through(sloppy)
    .handle(far, { onError: ({ message }) => errors.push(message) })
  near.end()
  // The client reads our FIN only later, so the connection is still open when the stage pushes.
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)))
  near.resume()
  t.match(await handled, { reason: 'end', bytesWritten: 0 })
  t.strictSame(errors, [])
})

t.test('a stage that goes on after the connection is over writes to nobody', async t => {
  for (const plan of PLANS) {
    let controller: Controller<Buffer> | undefined
    const errors: string[] = []
    const ticking = stage<Buffer, Buffer>({
      name: 'ticking',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        start: given => {
          controller = given
        },
      }),
    })
    const client = connect(pipeline().through(ticking), {
      plan,
      onError: ({ message }) => errors.push(message),
    })
    client.send('x')
    await client.receive(1)
    client.reset()
    controller?.enqueue(Buffer.from('to nobody'))
    t.match(await client.outcome, { reason: 'client-reset' })
    controller?.enqueue(Buffer.from('late'))
    t.strictSame(errors, [])
  }
})

/** Stages of lines to pick from, each with a function that gives its output for a list of lines. */
const middles: Record<string, (made: Pipeline<Buffer, string>) => Pipeline<Buffer, string>> = {
  uppercase: made => made.through(uppercase()),
  reverse: made => made.through(map('reverse', line => [...line].reverse().join(''))),
  twice: made =>
    made.through(
      stage<string, string>({
        name: 'twice',
        accepts: 'line',
        emits: 'line',
        open: () => ({
          transform: (line, controller) => {
            controller.enqueue(line)
            controller.enqueue(line)
          },
        }),
      }),
    ),
  numbered: made =>
    made.through(
      stage<string, string>({
        name: 'numbered',
        accepts: 'line',
        emits: 'line',
        open: () => {
          let n = 0
          return {
            start: controller => controller.enqueue('begin'),
            transform: (line, controller) => controller.enqueue(`${++n}${line}`),
            flush: controller => controller.enqueue('end'),
          }
        },
      }),
    ),
  three: made =>
    made.through(
      stage<string, string>({
        name: 'three',
        accepts: 'line',
        emits: 'line',
        open: () => {
          let left = 3
          return {
            transform: (line, controller) => {
              controller.enqueue(line)
              if (--left === 0) controller.terminate()
            },
          }
        },
      }),
    ),
  noQ: made =>
    made.through(
      map('noQ', line => {
        if (line.includes('q')) throw new Error('q')
        return line
      }),
    ),
  wait: made => made.through(asyncMap('wait', async line => line, { concurrency: 2 })),
  look: made => made.through(tap('look', () => {})),
  again: made =>
    made
      .through(toLines())
      .through(welcome('~'))
      .through(lines({ maxLength: 12 })),
}

t.test('both plans give the same bytes and the same end, for any stages, bytes and cuts', async () => {
  const names = fc.array(fc.constantFrom(...Object.keys(middles)), { maxLength: 5 })
  const chunks = fc.array(
    fc
      .array(fc.constantFrom('a', 'b', 'q', '\n', '\n', '\r\n', 'é', 'aaaaaaa'), { maxLength: 8 })
      .map(parts => Buffer.from(parts.join(''))),
    { maxLength: 5 },
  )
  await fc.assert(
    fc.asyncProperty(names, chunks, async (names, chunks) => {
      let made: Pipeline<Buffer, string> = pipeline().through(lines({ maxLength: 12 }))
      for (const name of names) made = (middles[name] as (typeof middles)[string])(made)
      const whole = made.through(toLines()).through(welcome('hi\n'))
      const results = PLANS.map(async plan => {
        const client = connect(whole, { plan })
        for (const chunk of chunks) client.send(chunk)
        client.end()
        const answer = (await client.receive()).toString()
        const { reason, error } = await client.outcome
        return JSON.stringify([answer, reason, error?.message])
      })
      const [fused, streams] = await Promise.all(results)
      if (fused !== streams) throw new Error(`fused ${fused}, streams ${streams}`)
    }),
    { numRuns: runs(400) },
  )
})

t.test('handle() ends with its signal, also one that is aborted already', async t => {
  const controller = new AbortController()
  const { signal } = controller
  const pairs = Array.from({ length: 20 }, () => duplexPair({ allowHalfOpen: true }))
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const handled = pairs.map(([, server]) => shout.handle(server, { signal }))
  await new Promise(resolve => setImmediate(resolve))
  controller.abort()
  for (const outcome of await Promise.all(handled)) t.equal(outcome.reason, 'shutdown')
  const [, server] = duplexPair()
  t.equal((await shout.handle(server, { signal })).reason, 'shutdown')
  t.equal(server.destroyed, true)
  const [client, other] = duplexPair()
  client.resume().end('a\n')
  t.equal((await shout.handle(other, { signal: new AbortController().signal })).reason, 'end')
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(warnings, [])
  process.off('warning', onWarning)
  await t.rejects(shout.handle(other, { signal: {} as never }), { message: /'signal' is an AbortSignal/ })
})
