import fc from 'fast-check'
import t from 'tap'
import { type LengthPrefixedOptions, lengthPrefixed, toLengthPrefixed } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames } from '../encoded.js'

type Options = LengthPrefixedOptions & {
  adjustment?: number
  maxLength?: number
  offset?: number
  strip?: number
  keepHeader?: boolean
}

const latin1 = (text: string) => Buffer.from(text, 'latin1')

/** The wire, the options and the frame of each example in the documentation of Netty's LengthFieldBasedFrameDecoder. */
const NETTY: readonly [string, Options, string][] = [
  ['\x00\x0cHELLO, WORLD', { width: 2, strip: 0 }, '\x00\x0cHELLO, WORLD'],
  ['\x00\x0cHELLO, WORLD', { width: 2, strip: 2 }, 'HELLO, WORLD'],
  ['\x00\x0eHELLO, WORLD', { width: 2, adjustment: -2, strip: 0 }, '\x00\x0eHELLO, WORLD'],
  ['\xca\xfe\x00\x00\x0cHELLO, WORLD', { width: 3, offset: 2, strip: 0 }, '\xca\xfe\x00\x00\x0cHELLO, WORLD'],
  [
    '\x00\x00\x0c\xca\xfeHELLO, WORLD',
    { width: 3, adjustment: 2, strip: 0 },
    '\x00\x00\x0c\xca\xfeHELLO, WORLD',
  ],
  ['\xca\x00\x0c\xfeHELLO, WORLD', { width: 2, offset: 1, adjustment: 1, strip: 3 }, '\xfeHELLO, WORLD'],
  ['\xca\x00\x10\xfeHELLO, WORLD', { width: 2, offset: 1, adjustment: -3, strip: 3 }, '\xfeHELLO, WORLD'],
]

/** Those of tokio-util's LengthDelimitedCodec, with its `length_adjustment`, which counts from the end of `num_skip`. */
const TOKIO: readonly [
  string,
  { width: 2 | 3 | 4; offset?: number; adjustment?: number; skip?: number },
  string,
][] = [
  ['\x00\x00\x00\x0bhello world', { width: 4 }, 'hello world'],
  ['\x00\x0bHello world', { width: 2 }, 'Hello world'],
  ['\x00\x0bHello world', { width: 2, adjustment: 2, skip: 0 }, '\x00\x0bHello world'],
  ['\x00\x0dHello world', { width: 2, adjustment: -2 }, 'Hello world'],
  [
    '\x00\x00\x0b\xca\xfeHello world',
    { width: 3, adjustment: 5, skip: 0 },
    '\x00\x00\x0b\xca\xfeHello world',
  ],
  ['\xca\x00\x0b\xfeHello world', { width: 2, offset: 1, adjustment: 1, skip: 3 }, '\xfeHello world'],
  ['\xca\x00\x0f\xfeHello world', { width: 2, offset: 1, adjustment: -3, skip: 3 }, '\xfeHello world'],
  ['\x00\x00\x0b\xffHello world', { width: 3, skip: 4 }, 'Hello world'],
]

/** Messages of protocols: the options, the frame without its length, and the message. */
const PROTOCOLS: readonly [string, LengthPrefixedOptions, string, string][] = [
  ['a PUBLISH of MQTT 3.1.1', { offset: 1, width: 'varint' }, '0\x00\x03a/bhello', '0\x0a\x00\x03a/bhello'],
  ['a query of PostgreSQL', { offset: 1, includesItself: true }, 'Qselect 1\0', 'Q\0\0\0\x0dselect 1\0'],
  [
    'a TPKT of RFC 1006, which counts all of it',
    { offset: 2, width: 2, includesItself: true, adjustment: -2 },
    '\x03\0hello',
    '\x03\0\0\x09hello',
  ],
  ['an alert of TLS', { offset: 3, width: 2 }, '\x15\x03\x03\x01\x00', '\x15\x03\x03\x00\x02\x01\x00'],
  [
    'a request of Modbus/TCP',
    { offset: 4, width: 2 },
    '\0\x01\0\0\x11\x03\0\x6b\0\x03',
    '\0\x01\0\0\0\x06\x11\x03\0\x6b\0\x03',
  ],
  [
    'a COM_QUIT of MySQL, with a number behind the length',
    { width: 3, order: 'little', adjustment: 1 },
    '\x00\x01',
    '\x01\0\0\x00\x01',
  ],
]

/** A second, slow reading: the whole input at once, lengths as BigInt. */
function reference(input: string, options: Options): Decoded {
  const { width = 4, order, offset = 0, adjustment = 0, includesItself, maxLength = 65_536 } = options
  const { strip, keepHeader, overflow = 'error', partial = 'error' } = options
  const out: string[] = []
  const reports: string[] = []
  const done = (failure?: string) => ({ frames: out, reports, failure })
  const truncated = () => done(partial === 'error' ? 'INVALID_FRAME' : undefined)
  for (let rest = input; rest !== ''; ) {
    const field = rest.slice(offset)
    let value = 0n
    let size: number
    if (width === 'varint') {
      const digits: number[] = []
      for (const letter of field) {
        digits.push(letter.charCodeAt(0))
        if ((digits.at(-1) as number) < 0x80 || digits.length === 10) break
      }
      size = digits.length
      for (const digit of [...digits].reverse()) value = (value << 7n) | BigInt(digit & 0x7f)
      if (value >= 1n << 64n) return done('INVALID_FRAME')
      if (digits.length === 10 && (digits[9] as number) >= 0x80) return done('INVALID_FRAME')
      if (size === 0 || (digits.at(-1) as number) >= 0x80) return truncated()
      if (size > 1 && digits.at(-1) === 0) return done('INVALID_FRAME')
    } else {
      size = width
      if (field.length < width) return truncated()
      const digits = [...field.slice(0, width)]
      if (order === 'little') digits.reverse()
      for (const digit of digits) value = (value << 8n) | BigInt(digit.charCodeAt(0))
    }
    if (value > 2n ** 53n - 1n) return done('INVALID_FRAME')
    const behind = Number(value) + adjustment - (includesItself ? size : 0)
    const total = offset + size + behind
    const taken = keepHeader ? size : (strip ?? offset + size)
    if (behind < 0 || total < taken) return done('INVALID_FRAME')
    if (total - taken > maxLength) {
      if (overflow === 'error') return done('FRAME_TOO_LONG')
      if (overflow === 'report') reports.push('FRAME_TOO_LONG')
      if (rest.length < total) return truncated()
    } else if (rest.length < total) return truncated()
    else if (keepHeader) out.push(rest.slice(0, offset) + rest.slice(offset + size, total))
    else out.push(rest.slice(taken, total))
    rest = rest.slice(total)
  }
  return done()
}

const widths = fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const, 8 as const, 'varint' as const)
const orders = fc.constantFrom('big' as const, 'little' as const)

for (const plan of PLANS) {
  t.test(`${plan}: the examples of Netty's documentation, for every cut`, async t => {
    for (const [wire, options, frame] of NETTY) {
      for (const chunks of chunkings(latin1(wire + wire), { random: 5 })) {
        const got = await decode(lengthPrefixed(options), chunks, plan)
        t.strictSame(got, { frames: [frame, frame], reports: [], failure: undefined })
      }
    }
  })

  t.test(`${plan}: the examples of tokio-util's documentation, for every cut`, async t => {
    for (const [wire, { width, offset = 0, adjustment = 0, skip }, frame] of TOKIO) {
      const strip = skip ?? offset + width
      const options = { width, offset, strip, adjustment: adjustment + strip - offset - width }
      for (const chunks of chunkings(latin1(wire + wire), { random: 5 })) {
        const got = await decode(lengthPrefixed(options), chunks, plan)
        t.strictSame(got, { frames: [frame, frame], reports: [], failure: undefined })
      }
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const options = fc.record({
      width: widths,
      order: orders,
      includesItself: fc.boolean(),
      offset: fc.integer({ min: 0, max: 3 }),
      adjustment: fc.integer({ min: -3, max: 3 }),
      head: fc.oneof(
        fc.record({ strip: fc.integer({ min: 0, max: 6 }) }),
        fc.record({ keepHeader: fc.boolean() }),
      ),
      maxLength: fc.integer({ min: 16, max: 20 }),
      overflow: fc.constantFrom('error' as const, 'report' as const, 'skip' as const),
      partial: fc.constantFrom('error' as const, 'drop' as const),
    })
    const byte = fc.constantFrom(
      '\0',
      '\0',
      '\0',
      '\0',
      '\x01',
      '\x02',
      '\x05',
      '\x14',
      '\x18',
      '\x80',
      '\xff',
    )
    const input = fc.array(byte, { maxLength: 60 }).map(bytes => bytes.join(''))
    await fc.assert(
      fc.asyncProperty(input, options, fc.integer({ min: 0, max: 0xffff }), async (input, given, seed) => {
        const { head, ...rest } = given
        const options: Options = { ...rest, ...head }
        const expected = JSON.stringify(reference(input, options))
        for (const chunks of chunkings(latin1(input), { seed, random: 2 })) {
          const got = JSON.stringify(await decode(lengthPrefixed(options), chunks, plan))
          if (got !== expected) throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
        }
      }),
      { numRuns: runs(300) },
    )
  })

  t.test(`${plan}: what toLengthPrefixed() wrote comes back, for every cut`, async () => {
    const options = fc.record({
      width: widths,
      order: orders,
      includesItself: fc.boolean(),
      adjustment: fc.integer({ min: -3, max: 0 }),
      offset: fc.integer({ min: 0, max: 3 }),
    })
    const lengths = fc.array(fc.constantFrom(0, 1, 5, 120, 124, 125, 126, 127, 128, 129, 200), {
      maxLength: 4,
    })
    await fc.assert(
      fc.asyncProperty(lengths, options, async (lengths, options) => {
        const header = 'hea'.slice(0, options.offset)
        const sent = lengths.map(length => header + 'x'.repeat(length))
        const encoded = Buffer.concat(await runStage(toLengthPrefixed(options), frames(...sent), { plan }))
        const chunks = [...chunkings(encoded, { random: 3 })]
        for (const each of [...chunks.slice(0, 3), ...chunks.slice(-3)]) {
          const got = await decode(lengthPrefixed({ ...options, keepHeader: true }), each, plan)
          if (JSON.stringify(got.frames) !== JSON.stringify(sent)) throw new Error(JSON.stringify(got))
        }
      }),
      { numRuns: runs(200) },
    )
  })

  t.test(`${plan}: the limit is that of the frame, at n and n + 1, before anything of it comes`, async t => {
    const rules = { width: 1, maxLength: 3 } as const
    for (const [width, input] of [
      [1, '\x03abc\x04abcd\x01e'],
      [2, '\0\x03abc\0\x04abcd\0\x01e'],
    ] as const) {
      for (const chunks of chunkings(input, { random: 3 })) {
        const seen = (overflow: 'error' | 'report' | 'skip') =>
          decode(lengthPrefixed({ width, maxLength: 3, overflow }), chunks, plan)
        t.strictSame(await seen('error'), { frames: ['abc'], reports: [], failure: 'FRAME_TOO_LONG' })
        const frames = ['abc', 'e']
        t.strictSame(await seen('report'), { frames, reports: ['FRAME_TOO_LONG'], failure: undefined })
        t.strictSame(await seen('skip'), { frames, reports: [], failure: undefined })
      }
    }
    const head = await decode(lengthPrefixed(rules), [latin1('\x04')], plan)
    t.strictSame(head, { frames: [], reports: [], failure: 'FRAME_TOO_LONG' })
    const kept = await decode(lengthPrefixed({ ...rules, strip: 0 }), [latin1('\x02ab\x03')], plan)
    t.strictSame(kept, { frames: ['\x02ab'], reports: [], failure: 'FRAME_TOO_LONG' }, 'with its head')
  })

  t.test(`${plan}: a length that cannot be is the peer's fault, behind the frames before it`, async t => {
    const ff = (count: number) => '\xff'.repeat(count)
    const wrong: [Options, string, RegExp][] = [
      [{ width: 1, adjustment: -2 }, '\x01', /the length is negative/],
      [{ width: 2, includesItself: true }, '\x00\x01', /the length is negative/],
      [{ width: 2, strip: 4 }, '\x00\x01', /it is shorter than its head/],
      [{ width: 8 }, '\x00\x20\x00\x00\x00\x00\x00\x00', /the length is over 2\^53 - 1/],
      [{ width: 8, order: 'little' }, '\x00\x00\x00\x00\x00\x00\x20\x00', /the length is over 2\^53 - 1/],
      [{ width: 8 }, ff(8), /the length is over 2\^53 - 1/],
      [{ width: 'varint' }, '\x80\x00', /the length has more bytes than it needs/],
      [{ width: 'varint' }, '\x81\x80\x00', /the length has more bytes than it needs/],
      [{ width: 'varint' }, `${'\x80'.repeat(7)}\x10`, /the length is over 2\^53 - 1/],
      [{ width: 'varint' }, `${ff(9)}\x01`, /the length is over 2\^53 - 1/],
      [{ width: 'varint' }, `${ff(9)}\x02`, /the length is over 64 bits/],
      [{ width: 'varint' }, `${ff(9)}\x80`, /the length is over 64 bits/],
    ]
    for (const [options, wire, message] of wrong) {
      for (const chunks of chunkings(latin1(wire), { random: 1 })) {
        const run = runStage(lengthPrefixed(options), chunks, { plan })
        await t.rejects(run, { code: 'ERR_BYWASH_INVALID_FRAME', message, output: [] })
      }
    }
    // 2^53 - 1 is a length, and one over the limit.
    for (const wire of ['\x00\x1f\xff\xff\xff\xff\xff\xff', '\x00\x00\x00\x01\x00\x00\x00\x00']) {
      const run = runStage(lengthPrefixed({ width: 8 }), [latin1(wire)], { plan })
      await t.rejects(run, { code: 'ERR_BYWASH_FRAME_TOO_LONG' })
    }
    const run = runStage(lengthPrefixed({ width: 'varint' }), [latin1(`${ff(7)}\x0f`)], { plan })
    await t.rejects(run, { code: 'ERR_BYWASH_FRAME_TOO_LONG' })
  })

  t.test(`${plan}: input that ends inside a message`, async t => {
    for (const wire of ['\x01a\x00', '\x01a\x00\x02', '\x01a\x00\x02b', '\x01a\x00\x09b']) {
      const chunks = [latin1(`\x00${wire}`)]
      const seen = (partial: 'error' | 'drop') =>
        decode(lengthPrefixed({ width: 2, maxLength: 5, overflow: 'skip', partial }), chunks, plan)
      t.strictSame(await seen('error'), { frames: ['a'], reports: [], failure: 'INVALID_FRAME' })
      t.strictSame(await seen('drop'), { frames: ['a'], reports: [], failure: undefined })
    }
    await t.rejects(runStage(lengthPrefixed(), [latin1('\0')], { plan }), {
      message: "Stage 'lengthPrefixed' received an invalid frame: the input ended inside it.",
    })
  })

  t.test(`${plan}: toLengthPrefixed writes each width and order`, async t => {
    const written = async (options: object, length: number) =>
      (await runStage(toLengthPrefixed(options), frames('x'.repeat(length)), { plan }))[0]
        ?.subarray(0, -length)
        .toString('hex')
    t.equal(await written({}, 5), '00000005')
    t.equal(await written({ width: 1 }, 255), 'ff')
    t.equal(await written({ width: 2, order: 'little' }, 258), '0201')
    t.equal(await written({ width: 3 }, 258), '000102')
    t.equal(await written({ width: 8 }, 258), '0000000000000102')
    t.equal(await written({ width: 8, order: 'little' }, 258), '0201000000000000')
    t.equal(await written({ width: 'varint' }, 300), 'ac02')
    t.equal(await written({ width: 2, includesItself: true }, 5), '0007')
    t.equal(await written({ width: 'varint', includesItself: true }, 127), '8101')
    t.equal(await written({ width: 2, adjustment: -3 }, 5), '0008')
  })

  t.test(
    `${plan}: messages of protocols whose length stands behind other bytes, both ways and for every cut`,
    async t => {
      for (const [protocol, options, frame, wire] of PROTOCOLS) {
        const [encoded] = await runStage(toLengthPrefixed(options), frames(frame), { plan })
        t.equal(encoded?.toString('latin1'), wire, protocol)
        for (const chunks of chunkings(latin1(wire + wire), { random: 3 })) {
          const got = await decode(lengthPrefixed({ ...options, keepHeader: true }), chunks, plan)
          t.strictSame(got, { frames: [frame, frame], reports: [], failure: undefined }, protocol)
        }
      }
    },
  )

  t.test(`${plan}: toLengthPrefixed refuses a frame whose length it cannot write`, async t => {
    const refuses = async (options: object, length: number, message: RegExp) => {
      const run = runStage(toLengthPrefixed(options), frames('abc', 'x'.repeat(length)), { plan })
      await t.rejects(run, { code: 'ERR_BYWASH_STAGE', stage: 'toLengthPrefixed', message })
      const { output } = await run.catch(error => error)
      t.equal(output.length, 1, 'behind the frame before it')
    }
    await refuses({ width: 1 }, 256, /a frame of 256 bytes, whose length does not fit its 'width' of 1/)
    await refuses({ width: 1, includesItself: true }, 255, /does not fit/)
    await refuses({ width: 2 }, 65_536, /does not fit/)
    await refuses({ adjustment: 3 }, 2, /a frame of 2 bytes: less than its 'adjustment'/)
    await refuses({ offset: 3 }, 2, /a frame of 2 bytes: less than its 'offset' of 3/)
  })
}

t.test('a dribbled frame is copied a number of times that does not grow with its length', async t => {
  for (const offset of [0, 10_000]) {
    const wire = `${'h'.repeat(offset)}\0\0\x75\x30${'x'.repeat(30_000)}`
    const bytes = await copied(() => runStage(lengthPrefixed({ offset }), dribble(wire)))
    t.ok(bytes <= 4 * wire.length, `${bytes} of ${wire.length}`)
  }
  const whole = latin1(`\0\0\x75\x30${'x'.repeat(30_000)}`)
  t.equal(await copied(() => runStage(lengthPrefixed(), [whole, whole])), 0, 'and a whole one not at all')
})

t.test('a long frame that is only announced takes no memory', async t => {
  const sizes: number[] = []
  const alloc = Buffer.allocUnsafe
  Buffer.allocUnsafe = size => {
    sizes.push(size)
    return alloc(size)
  }
  t.teardown(() => {
    Buffer.allocUnsafe = alloc
  })
  const options = { maxLength: 200_000_000, partial: 'drop' } as const
  const chunks = dribble(`\x09\x00\x00\x00${'x'.repeat(1_000)}`)
  await runStage(lengthPrefixed(options), chunks)
  await runStage(lengthPrefixed({ maxLength: 1_000, overflow: 'skip', partial: 'drop' }), chunks)
  t.ok(Math.max(...sizes) <= 2_100, `${Math.max(...sizes)} bytes`)
})

t.test('does not change the options, nor the chunks', async t => {
  const options = Object.freeze({ width: 1 } as const)
  const chunk = Buffer.from('\x01a\x02bc')
  for (const plan of PLANS) {
    t.strictSame((await decode(lengthPrefixed(options), [chunk], plan)).frames, ['a', 'bc'])
    const encoded = await runStage(toLengthPrefixed(options), frames('a', 'bc'), { plan })
    t.strictSame(Buffer.concat(encoded), chunk)
  }
  t.equal(chunk.toString(), '\x01a\x02bc')
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp, make: (options: object) => unknown = lengthPrefixed) =>
    t.throws(() => make(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ length: 3 }, /lengthPrefixed\(\) has no option 'length'. It takes width, order/)
  refused({ width: 5 }, /lengthPrefixed\(\): 'width' is one of 1, 2, 3, 4, 8, "varint"; got 5/)
  refused({ width: '4' }, /'width' is one of/)
  refused({ order: 'native' }, /'order' is one of/)
  refused({ offset: -1 }, /'offset' is a whole number, from 0 to 65535; got -1/)
  refused({ adjustment: 0.5 }, /'adjustment' is a whole number/)
  refused({ strip: -1 }, /'strip' is a whole number/)
  refused({ includesItself: 'yes' }, /'includesItself' is true or false/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number/)
  refused({ overflow: 'truncate' }, /'overflow' is one of "error", "report", "skip"/)
  refused({ partial: 'emit' }, /'partial' is one of "error", "drop"/)
  refused({ strip: 0, maxLength: 3 }, /with a 'maxLength' of 3 no frame can hold the 4 bytes of its head/)
  refused(
    { offset: 4, keepHeader: true, maxLength: 3 },
    /no frame can hold the 4 bytes of its head. Raise 'maxLength'\.$/,
  )
  refused({ strip: 1, keepHeader: true }, /'keepHeader' takes the length out, and 'strip' the beginning/)
  refused({ strip: 1 }, /toLengthPrefixed\(\) has no option 'strip'/, toLengthPrefixed)
  refused(
    { offset: 65_536 },
    /toLengthPrefixed\(\): 'offset' is a whole number, from 0 to 65535/,
    toLengthPrefixed,
  )
  refused({ width: 0 }, /toLengthPrefixed\(\): 'width'/, toLengthPrefixed)
})
