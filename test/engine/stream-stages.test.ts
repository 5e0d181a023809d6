import { Duplex, PassThrough, Transform, type TransformCallback } from 'node:stream'
import { createGunzip, createGzip, gzipSync } from 'node:zlib'
import t from 'tap'
import {
  asyncMap,
  type BywashError,
  type Frame,
  fromStream,
  InvalidFrameError,
  lines,
  map,
  type OpenStream,
  pipeline,
  type Stage,
  stage,
  toLines,
  welcome,
} from '../../lib/index.js'
import { delimited, take, toDelimited } from '../../lib/stages/index.js'
import { chunkings, connect, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { serveLines } from './serve-lines.js'

const LINES = { accepts: 'line', emits: 'line' } as const

/** A stage of lines that is a Transform with the methods given. */
function transformStage(name: string, methods: object): Stage<string, string> {
  return fromStream<string, string>(
    name,
    () => Object.assign(new PassThrough({ objectMode: true }), methods),
    LINES,
  )
}

for (const plan of PLANS) {
  const serve = (stages: readonly Stage<string, string>[], text: string) => serveLines(plan, stages, text)

  t.test(`${plan}: any Duplex of the ecosystem is a stage, however its input is cut`, async t => {
    const gunzip = fromStream('gunzip', () => createGunzip())
    for (const chunks of chunkings(gzipSync('hello\nworld\n'), { random: 3 })) {
      t.equal(Buffer.concat(await runStage(gunzip, chunks, { plan })).toString(), 'hello\nworld\n')
    }
  })

  t.test(`${plan}: streams and calls alternate, and keep every byte`, async t => {
    const whole = pipeline()
      .through(fromStream('gzip', () => createGzip()))
      .through(fromStream('gunzip', () => createGunzip()))
      .through(lines({ delimiter: '\n', encoding: 'latin1', maxLength: 1_000_000 }))
      .through(asyncMap('wait', async line => line, { concurrency: 4 }))
      .through(toLines({ encoding: 'latin1' }))
    const input = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at % 97 === 96 ? 10 : at % 256)))
    const client = connect(whole, { plan })
    client.end(Buffer.concat([input, Buffer.from('\n')]))
    t.ok((await client.receive()).equals(Buffer.concat([input, Buffer.from('\n')])))
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: a stream that fails is named, behind what it made`, async t => {
    const broken = pipeline()
      .through(fromStream('gunzip', () => createGunzip()))
      .through(welcome('hi\n'))
    const client = connect(broken, { plan })
    client.send(gzipSync('hello\n'))
    t.equal((await client.receive('hello\n')).toString(), 'hi\nhello\n')
    client.end('not gzip')
    t.equal((await client.receive()).toString(), '')
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { stage: 'gunzip', cause: { code: 'Z_DATA_ERROR' } },
    })
  })

  const faults: [string, object, RegExp][] = [
    [
      'throws in transform',
      {
        _transform: () => {
          throw new Error('boom')
        },
      },
      /^Stage 'broken' failed in its stream: boom$/,
    ],
    [
      'throws what is no error',
      {
        _transform: () => {
          throw 'boom'
        },
      },
      /^Stage 'broken' failed in its stream: boom$/,
    ],
    [
      'rejects in transform',
      {
        _transform: async () => {
          throw new Error('boom')
        },
      },
      /^Stage 'broken' failed in its stream: boom$/,
    ],
    [
      'calls back with an error',
      {
        _transform: (_line: string, _encoding: string, callback: TransformCallback) =>
          callback(new Error('boom')),
      },
      /^Stage 'broken' failed in its stream: boom$/,
    ],
    [
      'calls back twice, later',
      {
        _transform: (line: string, _encoding: string, callback: TransformCallback) =>
          setImmediate(() => {
            callback(null, line)
            callback(null, line)
          }),
      },
      /^Stage 'broken' called the callback of _transform twice\.$/,
    ],
    [
      'throws in flush',
      {
        _flush: () => {
          throw new Error('boom')
        },
      },
      /^Stage 'broken' failed in its stream: boom$/,
    ],
    [
      'emits a wrong kind',
      {
        _transform: (_line: string, _encoding: string, callback: TransformCallback) =>
          callback(null, { a: 1 }),
      },
      /^Stage 'broken' emitted an object \(Object\), but its 'emits: line' stands for a string\.$/,
    ],
  ]
  for (const [what, methods, message] of faults) {
    t.test(`${plan}: a stream that ${what} ends its own connection`, async t => {
      const { answer, outcome, errors } = await serve(
        [map('before', line => line), transformStage('broken', methods), map('after', line => line)],
        'x\ny\n',
      )
      t.match(answer, /^hi\n/)
      t.equal(outcome.reason, 'stage-error')
      t.match(outcome.error?.message, message)
      t.strictSame(errors, [outcome.error])
    })
  }

  t.test(`${plan}: two streams side by side check what goes from one to the other`, async t => {
    const wrong = transformStage('wrong', {
      _transform: (_line: string, _encoding: string, callback: TransformCallback) =>
        callback(null, Buffer.from('x')),
    })
    const { outcome } = await serve([wrong, asyncMap('wait', async line => line)], 'x\n')
    t.match(outcome.error?.message, /Stage 'wrong' emitted an object \(Buffer\)/)
  })

  t.test(`${plan}: a stream that closes before its end is an error of its stage`, async t => {
    const closing = transformStage('closing', {
      _transform(this: Transform) {
        this.destroy()
      },
    })
    const { outcome } = await serve([closing], 'x\n')
    t.equal(outcome.error?.message, "Stage 'closing' closed its stream before the end.")
  })

  t.test(`${plan}: fail() ends the connection behind what waits in the stream`, async t => {
    const open: OpenStream = (_connection, fail) =>
      new Transform({
        objectMode: true,
        transform(line, _encoding, callback) {
          if (line === 'bad') fail(new Error('bad line'))
          else this.push(line)
          callback()
        },
      })
    const { answer, outcome } = await serve(
      [fromStream<string, string>('own', open, LINES)],
      'a\nb\nbad\nc\n',
    )
    t.equal(answer, 'hi\na\nb\n')
    t.match(outcome.error, { stage: 'own', message: "Stage 'own' failed in its stream: bad line" })
  })

  t.test(`${plan}: a Duplex that is no Transform is guarded too`, async t => {
    const open = () =>
      new Duplex({
        objectMode: true,
        read() {
          throw new Error('boom')
        },
        write(_line, _encoding, callback) {
          callback()
        },
      })
    const { outcome } = await serve([fromStream<string, string>('own', open, LINES)], 'x\n')
    t.equal(outcome.error?.message, "Stage 'own' failed in its stream: boom")
  })

  t.test(`${plan}: an open that gives no Duplex, or throws, is named`, async t => {
    const none = fromStream<string, string>('none', () => ({}) as never, LINES)
    const { answer, outcome } = await serve([none], 'x\n')
    t.equal(answer, '')
    t.equal(outcome.error?.message, "Stage 'none' must open a Duplex, such as a Transform.")
    const throwing = () => {
      throw new Error('boom')
    }
    const failed = await serve([fromStream<string, string>('throws', throwing, LINES)], 'x\n')
    t.equal(failed.outcome.error?.message, "Stage 'throws' failed in open: boom")
  })

  t.test(`${plan}: a stage that terminates behind a stream ends in good order`, async t => {
    const first = stage<string, string>({
      name: 'first',
      ...LINES,
      open: () => ({
        transform: (line, controller) => {
          controller.enqueue(line)
          controller.terminate()
        },
      }),
    })
    const { answer, outcome } = await serve([asyncMap('wait', async line => line), first], 'a\nb\nc\n')
    t.equal(answer, 'hi\na\n')
    t.equal(outcome.reason, 'terminated')
  })

  t.test(`${plan}: what waits in front of a stage that terminates is dropped`, async t => {
    const fifty = stage<string, string>({
      name: 'fifty',
      ...LINES,
      open: () => {
        let left = 50
        return {
          // It drops the last ten lines, so it takes them out of its own buffer without a pause, with more lines behind them.
          transform: (line, controller) => {
            if (left > 10) controller.enqueue(line)
            if (--left === 0) controller.terminate()
          },
        }
      },
    })
    const later = asyncMap('later', line => new Promise<string>(resolve => setImmediate(resolve, line)))
    const { answer, outcome } = await serve([fifty, later], 'x\n'.repeat(200))
    t.equal(answer, `hi\n${'x\n'.repeat(40)}`)
    t.equal(outcome.reason, 'terminated')
  })

  t.test(`${plan}: a failure behind a terminated stage is the outcome`, async t => {
    const ending = stage<string, string>({
      name: 'ending',
      ...LINES,
      open: () => ({ transform: (_line, controller) => controller.terminate() }),
    })
    const broken = stage<string, string>({
      name: 'broken',
      ...LINES,
      open: () => ({
        flush: () => {
          throw new Error('boom')
        },
      }),
    })
    const { outcome } = await serve([ending, asyncMap('wait', async line => line), broken], 'a\n')
    t.match(outcome, { reason: 'stage-error', error: { stage: 'broken' } })
  })

  t.test(`${plan}: a client that goes away destroys the streams, and no error is left over`, async t => {
    const streams: PassThrough[] = []
    const kept = fromStream('kept', () => {
      const stream = new PassThrough()
      streams.push(stream)
      return stream
    })
    const client = connect(pipeline().through(kept).through(kept), { plan })
    client.send('x')
    await client.receive(1)
    client.reset()
    t.match(await client.outcome, { reason: 'client-reset', error: { code: 'ECONNRESET' } })
    t.strictSame(
      streams.map(stream => stream.destroyed),
      [true, true],
    )
  })

  t.test(
    `${plan}: faults that are reported stay behind what a Duplex gathers, and behind lines that wait`,
    async t => {
      // Takes several lines as one, and each in its time.
      const gathering = fromStream<string, string>(
        'gathering',
        () =>
          new Duplex({
            objectMode: true,
            read() {},
            writev(chunks, callback) {
              setImmediate(() => {
                for (const { chunk } of chunks) this.push(chunk)
                callback()
              })
            },
            final(callback) {
              this.push(null)
              callback()
            },
          }),
        LINES,
      )
      const whole = pipeline()
        .through(lines({ maxLength: 3, overflow: 'report' }))
        .through(toLines())
        .through(fromStream('passing', () => new PassThrough()))
        .through(lines())
        .through(gathering)
        .through(toLines())
      const errors: string[] = []
      const client = connect(whole, { plan, onError: ({ code }) => errors.push(code) })
      const good = 'ok\n'.repeat(1_000)
      client.send(`${good}long\n${good}long\n`)
      client.end(good)
      t.equal((await client.receive()).toString(), good.repeat(3))
      t.strictSame(errors, ['ERR_BYWASH_FRAME_TOO_LONG', 'ERR_BYWASH_FRAME_TOO_LONG'])
    },
  )

  t.test(`${plan}: asyncMap keeps the order, and works on no more than its concurrency`, async t => {
    const waiting: (() => void)[] = []
    let most = 0
    const slow = asyncMap(
      'slow',
      async (line, { signal }) => {
        t.notOk(signal.aborted)
        await new Promise<void>(resolve => {
          most = Math.max(most, waiting.push(resolve))
        })
        return line
      },
      { concurrency: 3 },
    )
    const running = runStage(slow, ['a', 'b', 'c', 'd', 'e'], { plan })
    for (let finished = 0; finished < 5; ) {
      await new Promise(resolve => setImmediate(resolve))
      // The call that began last ends first.
      const resolve = waiting.pop()
      if (resolve === undefined) continue
      resolve()
      finished++
    }
    t.strictSame(await running, ['a', 'b', 'c', 'd', 'e'])
    t.equal(most, 3)
  })

  t.test(`${plan}: asyncMap delivers what comes before a rejection, and nothing after`, async t => {
    const picky = asyncMap(
      'picky',
      async line => {
        if (line === 'bad') throw new Error('boom')
        return line
      },
      { concurrency: 4 },
    )
    const { answer, outcome } = await serve([picky], 'a\nb\nbad\nc\nd\n')
    t.equal(answer, 'hi\na\nb\n')
    t.equal(outcome.error?.message, "Stage 'picky' failed in transform: boom")
  })

  t.test(`${plan}: asyncMap names a result of the wrong kind, and one that throws at once`, async t => {
    const nothing = asyncMap('nothing', (async () => undefined) as never)
    t.match((await serve([nothing], 'a\n')).outcome.error?.message, /Stage 'nothing' emitted undefined/)
    const throws = asyncMap('throws', () => {
      throw new Error('boom')
    })
    t.match((await serve([throws], 'a\n')).outcome.error?.message, /Stage 'throws' failed in transform: boom/)
  })

  t.test(`${plan}: asyncMap drops what is ready after the client has gone`, async t => {
    let finish = () => {}
    const began = new Promise<void>(began => {
      finish = began
    })
    let resolve: (line: string) => void = () => {}
    const slow = asyncMap('slow', () => {
      finish()
      return new Promise<string>(settle => {
        resolve = settle
      })
    })
    const client = connect(pipeline().through(lines()).through(slow).through(toLines()), { plan })
    client.send('a\n')
    await began
    client.reset()
    t.equal((await client.outcome).reason, 'client-reset')
    resolve('late')
    await new Promise(resolve => setImmediate(resolve))
  })
}

t.test('asyncMap checks its options at once, and takes other kinds', async t => {
  const invalid = { code: 'ERR_BYWASH_INVALID_OPTION' }
  t.throws(() => asyncMap('x', 7 as never), { ...invalid, message: /asyncMap\('x'\): 'work' is a function/ })
  t.throws(() => asyncMap('x', async line => line, { concurrency: 0 }), {
    ...invalid,
    message: /from 1 to 65536/,
  })
  t.throws(() => asyncMap('x', async line => line, { parallel: 2 } as object), invalid)
  t.throws(() => fromStream('x', 7 as never), { ...invalid, message: /a function that opens a Duplex/ })
  const size = asyncMap('size', async (line: string) => line.length, { accepts: 'line', emits: 'value' })
  t.strictSame(await runStage(size, ['a', 'bc']), [1, 2])
})

t.test('a stage with a stream of its own for plan streams needs no flush', async t => {
  const own = stage<Buffer, Buffer>({
    name: 'own',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({}),
    stream: () => new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) }),
  })
  for (const plan of PLANS)
    t.strictSame(await runStage(own, [Buffer.from('a')], { plan }), [Buffer.from('a')])
})

t.test('a stream that was opened for nothing may fail without harm', async t => {
  const failing = fromStream('failing', () => {
    const stream = new PassThrough()
    process.nextTick(() => stream.emit('error', new Error('too late to matter')))
    return stream
  })
  const broken = fromStream('broken', () => {
    throw new Error('boom')
  })
  const errors: string[] = []
  const onError = ({ message }: BywashError) => errors.push(message)
  const client = connect(pipeline().through(broken).through(failing), { onError })
  client.end('x')
  t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'broken' } })
  t.strictSame(errors, ["Stage 'broken' failed in open: boom"])
})

t.test('a stream reports a fault of the peer to onError, and goes on', async t => {
  const open: OpenStream = (_connection, _fail, report) =>
    new Transform({
      objectMode: true,
      transform(line, _encoding, callback) {
        if (line === 'bad') report(new InvalidFrameError('lenient', 'it is bad'))
        else this.push(line)
        callback()
      },
    })
  const errors: string[] = []
  const lenient = fromStream<string, string>('lenient', open, LINES)
  const onError = ({ message }: BywashError) => errors.push(message)
  t.strictSame(await runStage(lenient, ['a', 'bad', 'b'], { onError }), ['a', 'b'])
  t.strictSame(errors, ["Stage 'lenient' received an invalid frame: it is bad."])
})

t.test('a stream may report while it is being opened', async t => {
  const early = fromStream('early', (_connection, _fail, report) => {
    report(new InvalidFrameError('early', 'there is none yet'))
    return new PassThrough()
  })
  for (const server of [pipeline().through(early), pipeline().through(early).through(early)]) {
    const errors: string[] = []
    const client = connect(server, { onError: error => errors.push(error.message) })
    client.end('x')
    t.equal(String(await client.receive()), 'x')
    await client.outcome
    t.equal(errors.length, server.stages.length)
  }
})

t.test('a stream that takes several chunks at once loses no report', async t => {
  /** Gives what it takes, all that waits at once, each chunk some turns later. */
  class Gathering extends Duplex {
    constructor() {
      super({ highWaterMark: 1_000 })
    }
    override _read(): void {}
    override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
      setImmediate(() => {
        this.push(chunk)
        callback()
      })
    }
    override _writev(chunks: { chunk: Buffer }[], callback: () => void): void {
      setImmediate(() => {
        for (const { chunk } of chunks) this.push(chunk)
        callback()
      })
    }
    override _final(callback: () => void): void {
      this.push(null)
      callback()
    }
  }
  for (const [count, expected] of [
    [1, 0],
    [9, 5],
  ] as const) {
    const server = pipeline()
      .through(delimited({ delimiters: [';'], maxLength: 3, overflow: 'report' }))
      .through(toDelimited(';'))
      .through(fromStream('gathering', () => new Gathering()))
      .through(delimited({ delimiters: [';'] }))
      .through(take<Frame>(count))
      .through(toDelimited(';'))
    const errors: string[] = []
    const client = connect(server, { onError: error => errors.push(error.code) })
    client.send('a;long;b;long;long;c;')
    client.end('long;long;')
    await client.receive()
    await client.outcome
    t.equal(errors.length, expected)
  }
})

t.test('streams: what many short chunks become in a turn of the event loop is one write', async t => {
  const frames = 4_096
  let writes = 0
  const duplex = new Duplex({
    readableHighWaterMark: frames,
    writableHighWaterMark: 16_384,
    read() {},
    // A client that reads nothing.
    write() {},
  })
  const write = duplex.write.bind(duplex)
  duplex.write = ((bytes: Buffer) => {
    writes++
    return write(bytes)
  }) as typeof duplex.write
  const served = pipeline()
    .through(delimited({ delimiters: ';' }))
    .through(toDelimited(';'))
  const outcome = served.handle(duplex, { plan: 'streams' })
  duplex.push(Buffer.alloc(frames, ';'))
  while (duplex.writableLength < frames) await new Promise(resolve => setImmediate(resolve))
  t.ok(writes <= frames / 8, `${writes} writes`)
  duplex.destroy()
  await outcome
})
