import fc from 'fast-check'
import t from 'tap'
import {
  type ByteOrder,
  Connection,
  decode,
  type FrameParser,
  type FrameReader,
  InvalidFrameError,
  type Outcome,
  pipeline,
  toDelimited,
} from '../../../lib/index.js'
import { checkStage, chunkings, connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

/** RESP, the protocol of Redis: a value of its five types, arrays of them included. */
const resp = decode('resp', 'value', function* (read) {
  return yield* respValue(read, 0)
})

type Resp = string | number | Error | null | Resp[]

function* respValue(read: FrameReader, depth: number): Generator<undefined, Resp | undefined, undefined> {
  const header = yield* read.line()
  const rest = header.slice(1)
  switch (header[0]) {
    case '+':
      return rest
    case ':':
      return Number(rest)
    case '$': {
      const body = yield* read.bytes(Number(rest))
      yield* read.until('\r\n')
      return body.toString('latin1')
    }
    case '*': {
      if (depth > 4) throw new InvalidFrameError('resp', 'its arrays are nested too deeply')
      const items: Resp[] = []
      for (let left = Number(rest); left > 0; left--) items.push((yield* respValue(read, depth + 1)) as Resp)
      return items
    }
    default:
      throw new InvalidFrameError('resp', 'its type is unknown')
  }
}

/** HTTP/1.1 requests with a Content-Length. */
const http = decode('http', 'value', function* (read) {
  const [method, path] = (yield* read.line()).split(' ')
  const headers: Record<string, string> = {}
  for (let line = yield* read.line(); line !== ''; line = yield* read.line()) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const body = yield* read.bytes(Number(headers['content-length'] ?? 0))
  return { method, path, headers, body: body.toString() }
})

/** MLLP, the frames of HL7: VT, the message, FS CR. */
const mllp = decode('mllp', 'frame', function* (read) {
  if ((yield* read.uint8()) !== 0x0b) throw new InvalidFrameError('mllp', 'it does not begin with VT')
  return yield* read.until('\x1c\r')
})

/** Syslog over TCP, RFC 6587: with a count of octets in front, or a line. */
const syslog = decode('syslog', 'line', function* (read) {
  const [first] = yield* read.peek()
  if (first === undefined || first < 0x30 || first > 0x39) return yield* read.line()
  const length = (yield* read.until(' ')).toString('latin1')
  return (yield* read.bytes(Number(length))).toString()
})

interface Format {
  readonly stage: Parameters<typeof runStage>[0]
  readonly input: string
  readonly items: readonly unknown[]
}

const FORMATS: Record<string, Format> = {
  resp: {
    stage: resp as never,
    input: '+OK\r\n*2\r\n$3\r\nGET\r\n$5\r\nk\r\ney\r\n:42\r\n*0\r\n$0\r\n\r\n',
    items: ['OK', ['GET', 'k\r\ney'], 42, [], ''],
  },
  http: {
    stage: http as never,
    input: 'POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe\r\n\nGET /b HTTP/1.1\nAccept: */*\n\n',
    items: [
      { method: 'POST', path: '/a', headers: { host: 'x', 'content-length': '5' }, body: 'he\r\n\n' },
      { method: 'GET', path: '/b', headers: { accept: '*/*' }, body: '' },
    ],
  },
  mllp: {
    stage: mllp as never,
    input: '\x0bMSH|1\r\x1c\r\x0b\x1c\x1c\r\x0b\x1c\r',
    items: ['MSH|1\r', '\x1c', ''],
  },
  syslog: {
    stage: syslog as never,
    input: '<34>one\n6 <5>two<6>three\r\n3 abc',
    items: ['<34>one', '<5>two', '<6>three', 'abc'],
  },
}

function plain(items: readonly unknown[]): unknown[] {
  return items.map(item => (Buffer.isBuffer(item) ? item.toString('latin1') : item))
}

for (const plan of PLANS) {
  for (const [name, { stage, input, items }] of Object.entries(FORMATS)) {
    t.test(`${plan}: ${name} is decoded however it is cut`, async t => {
      for (const chunks of chunkings(input, { random: 20 })) {
        t.strictSame(plain(await runStage(stage, chunks, { plan })), items)
      }
    })
  }
}

t.test('checkStage finds nothing in a decoder of this sort', async () => {
  await checkStage(mllp, [
    { input: '\x0babc\x1c\r\x0b\x1c\r', output: [Buffer.from('abc'), Buffer.from('')] },
  ])
  await checkStage(resp, [{ input: '+OK\r\n:7\r\n', output: ['OK', 7] }])
})

/** One thing to read, with the bytes that it reads. */
type Step =
  | { readonly does: 'bytes'; readonly bytes: Buffer }
  | { readonly does: 'peek'; readonly bytes: Buffer }
  | { readonly does: 'until'; readonly bytes: Buffer; readonly delimiter: Buffer }

/** The first delimiter in `bytes`, whose content in front of it a step reads. */
function untilStep(bytes: Buffer, delimiter: Buffer): Step {
  const whole = Buffer.concat([bytes, delimiter])
  return { does: 'until', bytes: whole.subarray(0, whole.indexOf(delimiter)), delimiter }
}

const smallBytes = (options: { minLength?: number; maxLength: number }) =>
  fc.uint8Array({ max: 2, ...options }).map(bytes => Buffer.from(bytes))

const step: fc.Arbitrary<Step> = fc.oneof(
  smallBytes({ maxLength: 6 }).map(bytes => ({ does: 'bytes', bytes }) as const),
  smallBytes({ minLength: 1, maxLength: 3 }).map(bytes => ({ does: 'peek', bytes }) as const),
  fc
    .tuple(smallBytes({ maxLength: 9 }), smallBytes({ minLength: 1, maxLength: 4 }))
    .map(([bytes, delimiter]) => untilStep(bytes, delimiter)),
)

/** The bytes of a frame: what is peeked at is read behind that. */
const bytesOf = (steps: readonly Step[]) =>
  Buffer.concat(steps.flatMap(each => (each.does === 'until' ? [each.bytes, each.delimiter] : [each.bytes])))

t.test('any sequence of reads gives the same values for every cut', async t => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.nat(8), { maxLength: 40 }),
      async (frames, cuts) => {
        const wanted = frames.filter(steps => bytesOf(steps).length > 0)
        const input = Buffer.concat(wanted.map(bytesOf))
        let frame = 0
        const reading = decode('reading', 'value', function* (read) {
          const values: string[] = []
          for (const each of wanted[frame++] ?? []) {
            if (each.does === 'until') values.push((yield* read.until(each.delimiter)).toString('hex'))
            else if (each.does === 'bytes')
              values.push((yield* read.bytes(each.bytes.length)).toString('hex'))
            else {
              values.push((yield* read.peek(each.bytes.length)).toString('hex'))
              yield* read.bytes(each.bytes.length)
            }
          }
          return values
        })
        const chunks: Buffer[] = []
        let at = 0
        for (const size of cuts) {
          chunks.push(input.subarray(at, at + size))
          at += size
        }
        chunks.push(input.subarray(at))
        const output = await runStage(reading as never, chunks)
        t.strictSame(
          output,
          wanted.map(steps => steps.map(({ bytes }) => bytes.toString('hex'))),
        )
      },
    ),
    { numRuns: runs(500) },
  )
})

t.test('integers of each size, in each order', async t => {
  const bytes = Buffer.from(
    '80 ff 8001 ff02 800102 80010203 ff010203 8001020304050607 ff01020304050607'.replaceAll(' ', ''),
    'hex',
  )
  const integers = (order?: ByteOrder) =>
    decode('integers', 'value', function* (read) {
      return [
        yield* read.uint8(),
        yield* read.int8(),
        yield* read.uint16(order),
        yield* read.int16(order),
        yield* read.uint24(order),
        yield* read.uint32(order),
        yield* read.int32(order),
        yield* read.uint64(order),
        yield* read.int64(order),
      ]
    })
  const big = [
    0x80,
    -1,
    0x8001,
    -254,
    0x80_01_02,
    0x8001_0203,
    -0xfefdfd,
    0x8001_0203_0405_0607n,
    -0xfe_fdfc_fbfa_f9f9n,
  ]
  const little = [
    0x80,
    -1,
    0x0180,
    0x02ff,
    0x02_01_80,
    0x0302_0180,
    0x0302_01ff,
    0x0706_0504_0302_0180n,
    0x0706_0504_0302_01ffn,
  ]
  for (const chunks of chunkings(bytes)) {
    t.strictSame(await runStage(integers() as never, chunks), [big])
    t.strictSame(await runStage(integers('big') as never, chunks), [big])
    t.strictSame(await runStage(integers('little') as never, chunks), [little])
  }
})

t.test('frames that are left out, and text that is not UTF-8', async t => {
  const commands = decode('commands', 'line', function* (read) {
    const line = yield* read.line()
    return line.startsWith('#') ? undefined : line
  })
  const output = await runStage(commands, [Buffer.from('a\n#b\n\xe9\n', 'latin1')])
  t.strictSame(output, ['a', '\ufffd'])
})

/** The outcome of a client that sends bytes, in one write or in any other cut, and ends. */
async function outcomeOf(parser: FrameParser<Buffer>, input: string, options = {}): Promise<Outcome> {
  const list = pipeline()
    .through(decode('mine', 'frame', parser, options))
    .through(toDelimited(';'))
  const outcomes: Outcome[] = []
  for (const chunks of chunkings(input, { places: 4 })) {
    const client = await connect(list, { plan: outcomes.length % 2 === 0 ? 'fused' : 'streams' })
    for (const chunk of chunks) client.send(chunk)
    client.end()
    outcomes.push(await client.outcome)
  }
  const texts = new Set(outcomes.map(({ reason, error }) => `${reason}: ${error?.message}`))
  t.equal(texts.size, 1, [...texts].join('\n'))
  return outcomes[0] as Outcome
}

t.test('the limit counts the whole frame, and holds for each way to read', async t => {
  const ways: Record<string, FrameParser<Buffer>> = {
    bytes: function* (read) {
      return yield* read.bytes((yield* read.uint8()) - 0x30)
    },
    until: function* (read) {
      return yield* read.until('\r\n')
    },
    peek: function* (read) {
      yield* read.peek((yield* read.uint8()) - 0x30)
      return Buffer.alloc(0)
    },
  }
  for (const [way, fits, exceeds] of [
    ['bytes', '7abcdefg', '8abcdefgh'],
    ['until', 'abcdef\r\n', 'abcdefg\r\n'],
    ['peek', '7', '8abcdefg'],
  ] as const) {
    const parser = ways[way] as FrameParser<Buffer>
    const reason = way === 'peek' ? 'invalid-frame' : 'end'
    t.equal((await outcomeOf(parser, fits, { maxLength: 8 })).reason, reason, way)
    const { error } = await outcomeOf(parser, exceeds, { maxLength: 8 })
    t.match(
      error,
      { code: 'ERR_BYWASH_FRAME_TOO_LONG', message: /'mine' received a frame longer than 8 bytes/ },
      way,
    )
  }
  const { reason } = await outcomeOf(ways.until as FrameParser<Buffer>, 'abcdefgh', { maxLength: 8 })
  t.equal(reason, 'frame-too-long', 'at once, in front of the delimiter')
})

t.test('a length from the peer that is none is the fault of the peer', async t => {
  const parser: FrameParser<Buffer> = function* (read) {
    return yield* read.bytes(Number(yield* read.line()))
  }
  for (const [text, shown] of [
    ['x', 'NaN'],
    ['-1', '-1'],
    ['1.5', '1.5'],
  ]) {
    const { reason, error } = await outcomeOf(parser, `${text}\nabc`)
    t.equal(reason, 'invalid-frame')
    t.match(error?.message, `it has a length of ${shown}`)
  }
})

t.test('the input may end inside a frame, or not', async t => {
  const parser: FrameParser<Buffer> = function* (read) {
    return yield* read.until(';')
  }
  const { reason, error } = await outcomeOf(parser, 'a;b')
  t.equal(reason, 'invalid-frame')
  t.match(error?.message, 'the input ended inside it')
  t.equal((await outcomeOf(parser, 'a;b', { partial: 'drop' })).reason, 'end')
})

t.test('a frame that does not end is told to frameTimeout, with a number of its own', async t => {
  const parser: FrameParser<Buffer> = function* (read) {
    return yield* read.until(';')
  }
  const list = pipeline()
    .through(decode('mine', 'frame', parser))
    .through(toDelimited(';'))
  const clock = fakeClock()
  const client = await connect(list, {
    frameTimeout: 1_000,
    connection: new Connection(1, {}, clock),
  })
  client.send('a;')
  await client.receive('a;')
  for (let second = 0; second < 3; second++) clock.advance(1_000)
  client.send('b')
  await new Promise(resolve => setImmediate(resolve))
  for (let second = 0; second < 3; second++) clock.advance(1_000)
  client.end()
  t.equal((await client.outcome).reason, 'frame-timeout')
})

t.test('what a parser does wrong is said by name', async t => {
  const wrong: [FrameParser<Buffer>, string][] = [
    [
      function* (read) {
        read.bytes(1)
        return yield* read.bytes(1)
      },
      "calls a method of its reader without 'yield*'",
    ],
    [
      // biome-ignore lint/correctness/useYield: that is what is wrong
      function* (read) {
        read.line()
        return undefined
      },
      "calls a method of its reader without 'yield*'",
    ],
    [
      // biome-ignore lint/correctness/useYield: that is what is wrong
      function* () {
        return undefined
      },
      'returned without having read a byte',
    ],
    [
      function* (read) {
        yield* read.peek()
        return undefined
      },
      'returned without having read a byte',
    ],
    [
      function* (read) {
        yield undefined
        return yield* read.bytes(1)
      },
      'yields. Return the frame',
    ],
    [(() => 'abc') as never, 'needs a generator function, as in'],
    [(async () => Promise.reject(new Error('x'))) as never, 'needs a generator function, as in'],
    [
      function* (read) {
        return yield* read.until('')
      },
      'calls until() with "". It takes text or bytes that are not empty.',
    ],
    [
      function* (read) {
        return yield* read.until(7 as never)
      },
      'calls until() with 7.',
    ],
    [
      function* (read) {
        return yield* read.bytes('1' as never)
      },
      'reads "1" bytes. Give a number.',
    ],
    [
      function* (read) {
        yield* read.uint16('le' as never)
        return undefined
      },
      "reads an integer in an order that is neither 'big' nor 'little'",
    ],
    [
      function* (read) {
        const reading = read.uint8()
        yield* reading
        yield* reading
        return undefined
      },
      'reads the same value twice',
    ],
    [
      // biome-ignore lint/correctness/useYield: that is what is wrong
      function* () {
        return 7 as never
      },
      'returned without having read a byte',
    ],
  ]
  for (const [parser, message] of wrong) {
    const { reason, error } = await outcomeOf(parser, 'abc')
    t.equal(reason, 'stage-error')
    t.match(error?.message, `Stage 'mine' `)
    t.match(error?.message, message)
  }
})

t.test('a finally of a parser runs when the connection ends inside a frame', async t => {
  let finished = 0
  const parser: FrameParser<Buffer> = function* (read) {
    try {
      return yield* read.until(';')
    } finally {
      finished++
    }
  }
  const client = await connect(
    pipeline()
      .through(decode('mine', 'frame', parser))
      .through(toDelimited(';')),
  )
  client.send('a;b')
  await client.receive('a;')
  client.reset()
  await client.outcome
  t.equal(finished, 2)
})

t.test('delimiters may be made anew for each frame', async t => {
  const mime = decode('mime', 'frame', function* (read) {
    const boundary = yield* read.line()
    return yield* read.until(`--${boundary}`)
  })
  const input = Array.from({ length: 200 }, (_, index) => `b${index}\nx--b${index}`).join('')
  const output = await runStage(mime, [Buffer.from(input)])
  t.equal(output.length, 200)
  t.strictSame(plain(output.slice(-1)), ['x'])
})

t.test('a wrong use is refused at once', async t => {
  const parser: FrameParser<Buffer> = function* (read) {
    return yield* read.bytes(1)
  }
  t.throws(() => decode('x', 'text' as never, parser as never), { message: /'emits' is one of/ })
  t.throws(() => decode('x', 'frame', 'parser' as never), { message: /'parser' is a function/ })
  t.throws(() => decode('x', 'frame', parser, { max: 1 } as never), { message: /no option 'max'/ })
  t.throws(() => decode('x', 'frame', parser, { maxLength: 0 }), { message: /'maxLength'/ })
})

for (const plan of PLANS) {
  t.test(
    `${plan}: a parser answers in the middle of a frame, behind the answers to those before`,
    async t => {
      const faults: string[] = []
      const expecting = decode('expecting', 'frame', function* (read, { id }, controller) {
        const length = yield* read.uint8()
        const body = read.bytes(length % 128)
        if (length >= 128) controller.reply(Buffer.from('go on,'))
        if (length === 0) controller.report(new InvalidFrameError('expecting', `it is empty (${typeof id})`))
        const bytes = yield* body
        return length === 0 ? undefined : bytes
      })
      const list = pipeline().through(expecting).through(toDelimited(','))
      const client = connect(list, { plan, onError: ({ message }) => faults.push(message) })
      client.send(Buffer.of(1, 0x61, 0x82))
      t.equal((await client.receive(8)).toString(), 'a,go on,', 'while the body has not come')
      client.send('bc')
      t.equal((await client.receive(3)).toString(), 'bc,')
      client.send(Buffer.of(0, 1, 0x64))
      client.end()
      t.equal((await client.receive()).toString(), 'd,')
      t.strictSame(faults, ["Stage 'expecting' received an invalid frame: it is empty (number)."])
    },
  )
}
