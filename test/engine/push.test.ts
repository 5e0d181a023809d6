import { Duplex } from 'node:stream'
import t from 'tap'
import {
  asyncMap,
  type Controller,
  counter,
  fromStream,
  generate,
  lines,
  map,
  type Outcome,
  pipeline,
  SlowConsumerError,
  stage,
  toLines,
} from '../../lib/index.js'
import { checkStage, connect, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'

const LINES = { accepts: 'line', emits: 'line' } as const

/** A stage that hands out the controller of its connection, and passes lines on. */
function handing(controllers: Controller<string>[]) {
  return stage<string, string>({
    name: 'handing',
    ...LINES,
    open: () => ({
      start: controller => void controllers.push(controller),
      transform: (line, controller) => controller.enqueue(line),
    }),
  })
}

/** A duplex whose client reads nothing before `read()`. */
function unread() {
  let release: (() => void) | undefined
  let isReading = false
  const writes: string[] = []
  const duplex = new Duplex({
    writableHighWaterMark: 100,
    read() {},
    write(bytes, _encoding, callback) {
      writes.push(String(bytes))
      if (isReading) callback()
      else release = callback
    },
  })
  return {
    duplex,
    writes,
    read() {
      isReading = true
      release?.()
    },
  }
}

const tick = () => new Promise(resolve => setImmediate(resolve))

/** The controller of the first connection, once its stages have started. */
async function started(controllers: Controller<string>[]): Promise<Controller<string>> {
  while (controllers[0] === undefined) await tick()
  return controllers[0]
}

for (const plan of PLANS) {
  /** Serves a duplex that is not read with a list that hands out its controller. */
  async function push(maxPending?: number) {
    const controllers: Controller<string>[] = []
    const client = unread()
    const served = pipeline().through(lines()).through(handing(controllers)).through(toLines())
    const outcome = served.handle(client.duplex, {
      plan,
      ...(maxPending === undefined ? {} : { maxPending }),
    })
    const controller = await started(controllers)
    return { ...client, controller, outcome }
  }

  t.test(`${plan}: what is pushed leaves in order, on plan 'fused' as one write for each tick`, async t => {
    const { controller, writes, read, duplex, outcome } = await push()
    read()
    for (let index = 0; index < 20; index++) controller.enqueue(String(index))
    await tick()
    controller.enqueue('later')
    await tick()
    const text = Array.from({ length: 20 }, (_, index) => `${index}\n`).join('')
    if (plan === 'fused') t.strictSame(writes, [text, 'later\n'])
    else t.equal(writes.join(''), `${text}later\n`)
    duplex.push(null)
    await tick()
    controller.enqueue('too late')
    t.match(await outcome, { reason: 'end', bytesWritten: 56 })
    controller.enqueue('much too late')
  })

  t.test(`${plan}: a client that reads nothing of what is pushed is ended beyond maxPending`, async t => {
    const { controller, outcome, read, writes, duplex } = await push(1000)
    for (let index = 0; index < 300; index++) {
      controller.enqueue('x'.repeat(9))
      if (index % 10 === 0) await tick()
    }
    read()
    duplex.push(null)
    const { reason, error, bytesWritten }: Outcome = await outcome
    t.equal(reason, 'slow-consumer')
    t.ok(error instanceof SlowConsumerError)
    t.match(error, { code: 'ERR_BYWASH_SLOW_CONSUMER', maxPending: 1000 })
    t.ok(bytesWritten <= 1_300, `${bytesWritten} bytes`)
    t.match(writes.join(''), /^(x{9}\n)+error: too much output is waiting for you\n$/)
  })

  t.test(`${plan}: so is one for which much is pushed in one tick, or into a stage that waits`, async t => {
    const { controller, outcome, read, duplex } = await push(1000)
    for (let index = 0; index < 1_000; index++) controller.enqueue('x'.repeat(9))
    read()
    duplex.push(null)
    t.match(await outcome, { reason: 'slow-consumer' })

    const controllers: Controller<string>[] = []
    const never = map('never', (_line: string) => new Promise<string>(() => {}))
    const served = pipeline().through(lines()).through(handing(controllers)).through(never).through(toLines())
    const client = connect(served, { plan, maxPending: 10_000 })
    const waiting = await started(controllers)
    for (let index = 0; index < 1_000; index++) {
      waiting.enqueue('x')
      if (index % 10 === 0) await tick()
    }
    client.end()
    await client.receive()
    t.match(await client.outcome, { reason: 'slow-consumer' })
  })

  t.test(`${plan}: a client that reads gets more than maxPending in one tick`, async t => {
    const { controller, outcome, read, writes, duplex } = await push(1000)
    read()
    for (let index = 0; index < 200; index++) {
      controller.enqueue('x'.repeat(9))
      if (plan === 'streams') await tick()
    }
    await tick()
    duplex.push(null)
    t.match(await outcome, { reason: 'end', bytesWritten: 2_000 })
    t.equal(writes.join(''), 'xxxxxxxxx\n'.repeat(200))
  })

  t.test(`${plan}: answers are no pushes: they stop with the client`, async t => {
    const { duplex, read, writes } = unread()
    const large = map('large', async (line: string) => line.repeat(1_000))
    const served = pipeline().through(lines()).through(large).through(toLines())
    const outcome = served.handle(duplex, { plan, maxPending: 10 })
    duplex.push('x\n'.repeat(50))
    duplex.push(null)
    await tick()
    read()
    t.match(await outcome, { reason: 'end', bytesWritten: 50_050 })
    t.equal(writes.join(''), `${'x'.repeat(1_000)}\n`.repeat(50))
  })

  t.test(`${plan}: desiredSize says what the client still takes, and ready waits for it`, async t => {
    const { controller, outcome, read, duplex } = await push()
    t.ok(controller.desiredSize > 0)
    await controller.ready
    let pushed = 0
    while (controller.desiredSize > 0 && pushed < 1_000) {
      controller.enqueue('x'.repeat(9))
      pushed++
      await tick()
    }
    t.ok(pushed <= 60, `${pushed} pushed`)
    let isReady = false
    const ready = controller.ready.then(() => {
      isReady = true
    })
    await tick()
    t.notOk(isReady)
    read()
    await ready
    t.ok(controller.desiredSize > 0)
    duplex.destroy()
    t.match(await outcome, { reason: 'client-reset' })
    t.equal(controller.desiredSize, 0)
    await controller.ready
  })

  t.test(`${plan}: a wait for ready ends with the connection`, async t => {
    const { controller, outcome, duplex } = await push()
    controller.enqueue('x'.repeat(9_000))
    for (let index = 0; index < 100; index++) {
      controller.enqueue('y')
      await tick()
    }
    t.ok(controller.desiredSize <= 0)
    const { ready } = controller
    duplex.destroy()
    await ready
    t.match(await outcome, { reason: 'client-reset' })
  })
}

t.test('a stage behind that waits is no peer that takes more', async t => {
  const controllers: Controller<string>[] = []
  let settle: (line: string) => void = () => {}
  const waiting = map('waiting', (_line: string) => new Promise<string>(resolve => (settle = resolve)))
  const client = connect(
    pipeline().through(lines()).through(handing(controllers)).through(waiting).through(toLines()),
  )
  client.send('a\n')
  await tick()
  t.equal(controllers[0]?.desiredSize, 0)
  const ready = controllers[0]?.ready
  settle('b')
  await ready
  t.equal(String(await client.receive('\n')), 'b\n')
  client.end()
  await client.outcome
})

t.test('a push in front of a stream is bounded too', async t => {
  const controllers: Controller<string>[] = []
  const never = fromStream<string, string>(
    'never',
    () => new Duplex({ objectMode: true, read() {}, write() {} }),
    LINES,
  )
  const served = pipeline().through(lines()).through(handing(controllers)).through(never).through(toLines())
  const client = connect(served, { maxPending: 10_000 })
  const controller = await started(controllers)
  for (let index = 0; index < 1_000; index++) controller.enqueue('x')
  client.end()
  await client.receive()
  t.match(await client.outcome, { reason: 'slow-consumer' })
})

t.test('runStage() takes what a stage pushes and generates', async t => {
  const later = stage<string, string>({
    name: 'later',
    ...LINES,
    open: () => ({
      transform: (line, controller) => {
        setImmediate(() => controller.enqueue(line))
      },
      flush: () => new Promise(resolve => setImmediate(() => setImmediate(resolve))),
    }),
  })
  t.strictSame(await runStage(later, ['a', 'b']), ['a', 'b'])
  const twice = generate('twice', async function* (items) {
    for await (const line of items) yield* [line, line]
  })
  t.strictSame(await runStage(twice, ['a', 'b']), ['a', 'a', 'b', 'b'])
  await checkStage(twice, [{ input: ['a', 'b'], output: ['a', 'a', 'b', 'b'] }], { random: 2 })
  const counting = counter({
    onOpen: async () => {
      throw new Error('boom')
    },
  })
  await t.rejects(
    runStage(
      pipeline()
        .through(counting)
        .through(asyncMap('slow', async (bytes: Buffer) => bytes, { accepts: 'bytes', emits: 'bytes' })),
      [Buffer.from('a'), Buffer.from('b')],
    ),
    {
      message: "Stage 'counter' failed in onOpen: boom",
    },
  )
})
