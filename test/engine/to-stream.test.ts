import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, type Transform, Writable } from 'node:stream'
import { pipeline as connectStreams } from 'node:stream/promises'
import { CompressionStream, DecompressionStream, TransformStream } from 'node:stream/web'
import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  type BywashError,
  Connection,
  counter,
  delimited,
  fromWeb,
  generate,
  gunzip,
  gzip,
  jsonLines,
  lines,
  map,
  type Outcome,
  pipeline,
  type Stage,
  stage,
  take,
  tap,
  toDelimited,
  toLines,
  toStream,
  toWeb,
  uppercase,
} from '../../lib/index.js'
import { fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { runs } from '../runs.js'

const tick = () => new Promise(resolve => setImmediate(resolve))
const shout = pipeline().through(lines()).through(uppercase()).through(toLines())

/** A stage of lines that fails at the line `bad`. */
const fragile = tap('fragile', (line: string) => {
  if (line === 'bad') throw new Error('boom')
})

/** Everything that a stream gives. */
async function all(stream: Readable): Promise<unknown[]> {
  const items: unknown[] = []
  for await (const item of stream) items.push(item)
  return items
}

/** A stage of lines that notes how it was closed. */
function closing(outcomes: Outcome[]): Stage<string, string> {
  return stage({
    name: 'closing',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      transform: (line, controller) => controller.enqueue(line),
      close: outcome => {
        outcomes.push(outcome)
      },
    }),
  })
}

for (const plan of PLANS) {
  t.test(`${plan}: a pipeline in stream.pipeline(), between two files`, async t => {
    const folder = t.testdir()
    const [input, output] = [join(folder, 'in'), join(folder, 'out')]
    const text = 'a line of text\n'.repeat(50_000)
    await writeFile(input, text)
    await connectStreams(createReadStream(input), toStream(shout, { plan }), createWriteStream(output))
    t.equal(await readFile(output, 'utf8'), text.toUpperCase())
  })

  t.test(`${plan}: each kind of items, in and out`, async t => {
    const source = (...items: unknown[]) => Readable.from(items)
    t.strictSame(await all(source('a\nb', '\nc').pipe(toStream(lines(), { plan }))), ['a', 'b', 'c'])
    t.strictSame(await all(source('a', 'b').pipe(toStream(uppercase(), { plan }))), ['A', 'B'])
    const values = pipeline('line')
      .through(jsonLines())
      .through(tap('same', () => {}))
    t.strictSame(await all(source('1', '{"a":2}').pipe(toStream(values, { plan }))), [1, { a: 2 }])
    const frames = source(Buffer.from('a;b;')).pipe(toStream(delimited({ delimiters: ';' }), { plan }))
    t.strictSame(await all(frames), [Buffer.from('a'), Buffer.from('b')])
    const encoded = source(new Uint8Array([0x61])).pipe(toStream(toDelimited(';'), { plan }))
    t.equal(String(Buffer.concat((await all(encoded)) as Buffer[])), 'a;')
    const any = source('x').pipe(
      toStream(
        tap('any', () => {}),
        { plan },
      ),
    )
    t.strictSame(await all(any), [Buffer.from('x')])
    const doubled = source(1, 2).pipe(
      toStream(
        map('double', (n: number) => 2 * n, { accepts: 'value', emits: 'value' }),
        { plan },
      ),
    )
    t.strictSame(await all(doubled), [2, 4])
  })

  t.test(`${plan}: a failure destroys it with its cause, behind the output from before it`, async t => {
    const outcomes: Outcome[] = []
    const list = pipeline().through(lines()).through(closing(outcomes)).through(fragile)
    const taken: unknown[] = []
    const stream = toStream(list, { plan })
    const source = Readable.from(['a\nb\nbad\nc\n', 'd\n'])
    await t.rejects(
      connectStreams(source, stream, async items => {
        for await (const item of items) {
          await tick()
          taken.push(item)
        }
      }),
      { code: 'ERR_BYWASH_STAGE', message: "Stage 'fragile' failed in transform: boom" },
    )
    t.strictSame(taken, ['a', 'b'])
    t.equal(source.destroyed, true)
    t.match(outcomes, [{ reason: 'stage-error', error: { message: /boom/ } }])
    t.equal(outcomes.length, 1)
  })

  t.test(`${plan}: where a stage ends the connection, the output ends and the rest is dropped`, async t => {
    const outcomes: Outcome[] = []
    const list = pipeline('line').through(closing(outcomes)).through(take(2))
    const source = Readable.from(['a', 'b', 'c', 'd', 'e'])
    t.strictSame(await all(source.pipe(toStream(list, { plan }))), ['a', 'b'])
    t.match(outcomes, [{ reason: 'terminated' }])
  })

  t.test(`${plan}: stages that wait, and hold the end open`, async t => {
    const slow = asyncMap('slow', async line => tick().then(() => line), { concurrency: 3 })
    const twice = generate('twice', async function* (items) {
      for await (const line of items) yield* [line, line]
      await tick()
      yield 'end'
    })
    const list = pipeline('line').through(slow).through(twice)
    t.strictSame(await all(Readable.from(['a', 'b']).pipe(toStream(list, { plan }))), [
      'a',
      'a',
      'b',
      'b',
      'end',
    ])
  })

  t.test(`${plan}: a reader that stops stops the writer`, async t => {
    let made = 0
    const source = new Readable({
      read() {
        made++
        this.push(Buffer.alloc(16_384, 'a\n'))
      },
    })
    const stream = source.pipe(toStream(shout, { plan }))
    for (let turns = 0; turns < 100; turns++) await tick()
    const before = made
    for (let turns = 0; turns < 100; turns++) await tick()
    t.equal(made, before)
    t.ok(before < 40, `${before} chunks of 16 KiB`)
    source.unpipe(stream)
    source.destroy()
    stream.destroy()
    await once(stream, 'close')
  })

  t.test(`${plan}: destroyed from outside, it closes its stages once`, async t => {
    const outcomes: Outcome[] = []
    const connection = new Connection(7)
    const controller = new AbortController()
    const stream = toStream(pipeline('line').through(closing(outcomes)), {
      plan,
      connection,
      signal: controller.signal,
    })
    stream.write('a')
    await once(stream, 'readable')
    controller.abort()
    await t.rejects(once(stream, 'close'), { name: 'AbortError' })
    await tick()
    t.match(outcomes, [{ reason: 'client-reset', bytesRead: 1, error: { name: 'AbortError' } }])
    t.equal(connection.signal.aborted, true)
    t.strictSame(
      connection.counts.map(({ name }) => name),
      ['closing'],
    )
  })

  t.test(`${plan}: what is reported is told, and a push that nobody reads is bounded`, async t => {
    const errors: BywashError[] = []
    let push = (_line: string) => {}
    const pushing = stage({
      name: 'pushing',
      accepts: 'value',
      emits: 'line',
      open: () => ({
        start: controller => {
          push = line => controller.enqueue(line)
        },
        transform: () => {},
      }),
    })
    const controllerOf = (list: Stage<string, string>) =>
      toStream(list, { plan, maxPending: 10_000, onError: error => errors.push(error) })
    const stream = controllerOf(
      pipeline('line')
        .through(jsonLines({ invalid: 'report' }))
        .through(pushing),
    )
    stream.write('{')
    while (errors.length === 0) await tick()
    t.match(errors, [{ code: 'ERR_BYWASH_INVALID_FRAME' }])
    for (let count = 0; count < 50; count++) push('x'.repeat(100))
    await tick()
    t.equal(stream.destroyed, false)
    for (let count = 0; count < 50; count++) push('x'.repeat(100))
    const failed = once(stream, 'close')
    stream.resume()
    await t.rejects(failed, { code: 'ERR_BYWASH_SLOW_CONSUMER' })
  })

  t.test(`${plan}: deadlines only where they are asked for`, async t => {
    for (const [options, code] of [
      [{ idleTimeout: 1_000 }, /'idleTimeout'/],
      [{ frameTimeout: 1_000 }, /'frameTimeout'/],
      [{}, undefined],
    ] as const) {
      const clock = fakeClock()
      const stream = toStream(shout, { plan, connection: new Connection(1, {}, clock), ...options })
      const failed = new Promise<Error | undefined>(resolve =>
        stream.on('error', resolve).on('close', () => resolve(undefined)),
      )
      stream.resume().write('begun')
      for (let turns = 0; turns < 20; turns++) await tick()
      for (let count = 0; count < 10; count++) clock.advance(500)
      if (code === undefined) stream.destroy()
      const error = await failed
      if (code === undefined) t.equal(error, undefined)
      else t.match(error?.message, code)
      await tick()
      t.equal(clock.pending, 0)
    }
  })

  t.test(`${plan}: web streams, as a pipeline and as a stage`, async t => {
    const readable = new Blob(['a\nb\n'])
      .stream()
      .pipeThrough(toWeb(shout, { plan }) as never) as AsyncIterable<Uint8Array>
    const chunks: Uint8Array[] = []
    for await (const chunk of readable) chunks.push(chunk)
    t.equal(String(Buffer.concat(chunks)), 'A\nB\n')
    const packed = fromWeb('packed', () => new CompressionStream('gzip'))
    const unpacked = fromWeb('unpacked', () => new DecompressionStream('gzip'))
    for (const list of [
      pipeline().through(packed).through(gunzip()),
      pipeline().through(gzip()).through(unpacked),
    ]) {
      const output = await runStage(list, [Buffer.from('hello '), Buffer.from('world')], { plan })
      t.equal(String(Buffer.concat(output)), 'hello world')
    }
    const doubled = fromWeb(
      'doubled',
      () => new TransformStream({ transform: (line, controller) => controller.enqueue(line + line) }),
      { accepts: 'line', emits: 'line' },
    )
    t.strictSame(await runStage(doubled, ['a', 'b'], { plan }), ['aa', 'bb'])
    const failing = fromWeb(
      'failing',
      () =>
        new TransformStream({
          transform: () => {
            throw new Error('boom')
          },
        }),
      { accepts: 'line', emits: 'line' },
    )
    await t.rejects(runStage(failing, ['a', 'b'], { plan }), {
      message: "Stage 'failing' failed in its stream: boom",
    })
    await t.rejects(
      runStage(
        fromWeb('none', () => null as never),
        [],
        { plan },
      ),
      { message: /it gave null/ },
    )
    const wrong = fromWeb('wrong', () => ({ readable: new TransformStream().readable }) as never)
    await t.rejects(runStage(wrong, ['a'].map(Buffer.from as never), { plan }), {
      message:
        "Stage 'wrong' must return an object with 'readable' and 'writable' from open; it gave an object.",
    })
  })
}

t.test('any lines and cuts: the same bytes as runStage() gives, however it is read', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 8 })),
      fc.array(fc.nat(6), { maxLength: 20 }),
      fc.constantFrom(...PLANS),
      fc.boolean(),
      async (texts, cuts, plan, isSlow) => {
        const input = Buffer.from(texts.map(text => `${text}\n`).join(''))
        const chunks: Buffer[] = []
        let at = 0
        for (const size of [...cuts, input.length]) {
          if (size > 0) chunks.push(input.subarray(at, at + size))
          at += size
        }
        const output: Buffer[] = []
        const sink = new Writable({
          highWaterMark: 1,
          write: (chunk, _encoding, callback) => {
            output.push(chunk)
            if (isSlow) setImmediate(callback)
            else callback()
          },
        })
        await connectStreams(Readable.from(chunks), toStream(shout, { plan }), sink)
        const expected = await runStage(shout, [input])
        if (!Buffer.concat(output).equals(Buffer.concat(expected))) throw new Error('other bytes')
      },
    ),
    { numRuns: runs(200) },
  )
})

t.test('a wrong use is refused, or fails with its cause', async t => {
  t.throws(() => toStream(lines as never), { message: /toStream\(\) takes a stage or a pipeline/ })
  t.throws(() => toStream(lines(), { plan: 'fast' as never }), { message: /'plan' is one of/ })
  t.throws(() => toStream(lines(), { timeout: 1 } as never), { message: /no option 'timeout'/ })
  t.throws(() => toStream(lines(), { signal: {} as never }), {
    message: /'signal' is an AbortSignal, such as/,
  })
  t.throws(() => toWeb(lines(), { maxPending: 0 }), { message: /'maxPending'/ })
  t.throws(() => fromWeb('x', 'y' as never), { message: /'open' is a function/ })
  t.throws(() => fromWeb('x', () => new TransformStream(), { mode: 1 } as never), {
    message: /no option 'mode'/,
  })
  const stream = toStream(uppercase())
  stream.write(7)
  await t.rejects(once(stream, 'close'), { message: 'The pipeline takes a string, but got a number.' })
  const failsAtOpen = stage({
    name: 'broken',
    accepts: 'line',
    emits: 'line',
    open: () => {
      throw new Error('boom')
    },
  })
  for (const plan of PLANS) await t.rejects(all(toStream(failsAtOpen, { plan })), { message: /boom/ })
  const failsAtClose = stage({
    name: 'broken',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      close: () => {
        throw new Error('boom')
      },
    }),
  })
  const closed = toStream(failsAtClose)
  closed.resume().end('a')
  await t.rejects(once(closed, 'close'), { message: /boom/ })
})

t.test('deadlines stop with the input, and while the reader is slow', async t => {
  const clock = fakeClock()
  const options = { connection: new Connection(1, {}, clock), idleTimeout: 1_000, frameTimeout: 1_000 }
  const ended = toStream(shout, options)
  ended.end('a\n')
  await once(ended, 'readable')
  for (let turns = 0; turns < 5; turns++) await tick()
  const full = toStream(shout, { ...options, idleTimeout: 0 })
  full.write(`${'a'.repeat(40_000)}\n${'a'.repeat(40_000)}\n`)
  full.write('b')
  await once(full, 'readable')
  for (let count = 0; count < 10; count++) clock.advance(500)
  for (const stream of [ended, full]) {
    t.equal(stream.destroyed, false)
    stream.destroy()
    await once(stream, 'close')
  }
})

t.test('desiredSize is what the reader still takes', async t => {
  for (const [emits, mark] of [
    ['bytes', 65_536],
    ['line', 16 * 128],
  ] as const) {
    const sizes: number[] = []
    const sized = stage({
      name: 'sized',
      accepts: 'line',
      emits,
      open: () => ({
        transform: (line, controller) => {
          sizes.push(controller.desiredSize)
          controller.enqueue((emits === 'bytes' ? Buffer.from(line) : line) as never)
        },
      }),
    })
    const stream = toStream(sized)
    stream.write('abc')
    stream.write('abc')
    await once(stream, 'readable')
    await tick()
    t.strictSame(sizes, [mark, emits === 'bytes' ? mark - 3 : mark - 128 - 3])
    stream.destroy()
  }
})

t.test('what is reported to nobody is dropped, and a stage that cannot be loaded fails', async t => {
  const list = pipeline('line').through(jsonLines({ invalid: 'report' }))
  t.strictSame(await all(Readable.from(['{', '1']).pipe(toStream(list))), [1])
  const unloaded = { ...gzip(), load: () => Promise.reject(new Error('no zlib')) }
  for (const plan of PLANS) await t.rejects(all(toStream(unloaded, { plan })), { message: 'no zlib' })
})

t.test('a callback of a stage that rejects fails the stream', async t => {
  const rejecting = counter({ onOpen: (() => Promise.reject(new Error('boom'))) as () => void })
  const stream = toStream(rejecting)
  stream.write('a')
  await t.rejects(once(stream, 'close'), { message: /boom/ })
})

t.test('a promise that rejects once all is over is told', async t => {
  const errors: BywashError[] = []
  const late = stage({
    name: 'late',
    accepts: 'line',
    emits: 'line',
    open: () => ({ close: (() => tick().then(() => Promise.reject(new Error('boom')))) as () => void }),
  })
  const stream: Transform = toStream(late, { onError: error => errors.push(error) }) as Transform
  stream.resume().end('a')
  await once(stream, 'close')
  while (errors.length === 0) await tick()
  t.match(errors, [{ message: /boom/ }])
})
