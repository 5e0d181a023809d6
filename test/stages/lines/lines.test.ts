import fc from 'fast-check'
import t from 'tap'
import {
  type BywashError,
  type LinesOptions,
  lines,
  type PeerError,
  pipeline,
  type Stage,
  toLines,
} from '../../../lib/index.js'
import { chunkings, connect, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { type Reading, referenceLines } from './reference-lines.js'

/** What a run gives: lines as latin1 text of their bytes, and faults. */
async function reading(
  options: LinesOptions,
  chunks: readonly Buffer[],
  plan: (typeof PLANS)[number],
): Promise<Reading> {
  const reported: string[] = []
  const asText = (lines: readonly (string | Buffer)[]) =>
    lines.map(line => {
      const bytes = Buffer.isBuffer(line) ? line : Buffer.from(line, options.encoding as BufferEncoding)
      return bytes.toString('latin1')
    })
  const stage = lines(options as never) as unknown as Stage<Buffer, string | Buffer>
  const onError = (error: PeerError) => reported.push(error.code)
  try {
    return { lines: asText(await runStage(stage, chunks, { plan, onError })), reported, failed: undefined }
  } catch (error) {
    const { code, output } = error as BywashError & { output: string[] }
    return { lines: asText(output), reported, failed: code }
  }
}

/** Fails with what differs, the cut with it. */
async function agree(
  expected: Reading,
  input: Buffer,
  options: LinesOptions,
  plan: (typeof PLANS)[number],
  seed = 1,
) {
  for (const chunks of chunkings(input, { seed, random: 3 })) {
    const got = await reading(options, chunks, plan)
    if (JSON.stringify(got) !== JSON.stringify(expected)) {
      throw new Error(
        `${JSON.stringify(chunks.map(chunk => chunk.toString('latin1')))}: ` +
          `got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`,
      )
    }
  }
}

for (const plan of PLANS) {
  t.test(`${plan}: emits the same lines however the bytes are cut`, async t => {
    for (const chunks of chunkings('héllo\r\nworld\n\nbye')) {
      t.strictSame(
        await runStage(lines(), chunks, { plan }),
        ['héllo', 'world', '', 'bye'],
        `${chunks.length} chunks`,
      )
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const text = fc.array(fc.constantFrom('a', 'z', '\r', '\n', '\n', '\r\n', 'é', '€', '😀', '\u0000'), {
      maxLength: 30,
    })
    const bytes = fc.oneof(
      text.map(parts => Buffer.from(parts.join(''))),
      fc
        .array(fc.constantFrom(0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xe2, 0x82, 0xf0, 0x9f, 0xff), { maxLength: 30 })
        .map(Buffer.from),
    )
    const options = fc
      .record({
        delimiter: fc.constantFrom('\n' as const, '\r?\n' as const, '\r\n' as const),
        bare: fc.constantFrom('data' as const, 'error' as const),
        keep: fc.boolean(),
        encoding: fc.constantFrom('utf8' as const, 'latin1' as const, 'buffer' as const),
        invalid: fc.constantFrom('replace' as const, 'error' as const, 'report' as const),
        maxLength: fc.integer({ min: 1, max: 8 }),
        overflow: fc.constantFrom('error' as const, 'report' as const, 'truncate' as const, 'skip' as const),
        partial: fc.constantFrom('emit' as const, 'drop' as const, 'error' as const),
      })
      .map(({ bare, invalid, ...rest }) => ({
        ...rest,
        ...(rest.delimiter === '\r\n' ? { bare } : {}),
        ...(rest.encoding === 'utf8' ? { invalid } : {}),
      }))
    await fc.assert(
      fc.asyncProperty(bytes, options, fc.integer({ min: 0, max: 0xffff }), (input, options, seed) =>
        agree(referenceLines(input, options), input, options, plan, seed),
      ),
      { numRuns: runs(600) },
    )
  })
}

for (const plan of PLANS) {
  const of = (options: LinesOptions, ...chunks: string[]) =>
    reading(
      options,
      chunks.map(chunk => Buffer.from(chunk, 'latin1')),
      plan,
    )
  const good = (...lines: string[]): Reading => ({ lines, reported: [], failed: undefined })

  t.test(
    `${plan}: strict CR LF takes a lone CR or LF as data, or as an error behind what came before`,
    async t => {
      t.strictSame(
        await of({ delimiter: '\r\n' }, 'a\nb\r', '\n\rc\r\r\n\r\nd\r'),
        good('a\nb', '\rc\r', '', 'd\r'),
      )
      const strict = { delimiter: '\r\n', bare: 'error' } as const
      t.strictSame(await of(strict, 'a\r\n\r', '\nb'), good('a', '', 'b'))
      const failed = 'ERR_BYWASH_INVALID_FRAME'
      for (const bad of ['b\n', 'b\rc', 'b\r\r\n', '\n', 'b\r']) {
        for (const chunks of chunkings(`a\r\n${bad}`)) {
          const got = await of(strict, ...chunks.map(String))
          t.strictSame(got, { lines: ['a'], reported: [], failed }, JSON.stringify(bad))
        }
      }
      t.strictSame(await of({ ...strict, partial: 'drop' }, 'a\r\nb\r'), good('a'), 'a CR that nobody gets')
      await t.rejects(runStage(lines(strict), [Buffer.from('a\nb')], { plan }), {
        message:
          "Stage 'lines' received an invalid frame: a line has a CR or an LF that is not part of CR LF.",
      })
    },
  )

  t.test(`${plan}: keeps each delimiter as it came, and does not count it`, async t => {
    t.strictSame(
      await of({ keep: true, maxLength: 1 }, 'a\r\nb\n\r\n\nc'),
      good('a\r\n', 'b\n', '\r\n', '\n', 'c'),
    )
    t.strictSame(await of({ keep: true, maxLength: 1, delimiter: '\r\n' }, 'a\r\nb'), good('a\r\n', 'b'))
    const truncate = { keep: true, maxLength: 1, overflow: 'truncate' } as const
    for (const chunks of chunkings('abc\r\nabc\nabc\r')) {
      t.strictSame(await of(truncate, ...chunks.map(String)), good('a\r\n', 'a\n', 'a'))
    }
  })

  t.test(`${plan}: a frame is what the bytes were`, async t => {
    t.strictSame(await of({ encoding: 'buffer' }, 'a\xff\r\n\nb'), good('a\xff', '', 'b'))
    const frames = await runStage(lines({ encoding: 'buffer' }), [Buffer.from('a\n')], { plan })
    t.strictSame(frames, [Buffer.from('a')])
  })

  t.test(`${plan}: a line that is not UTF-8 ends the connection, or is reported and left out`, async t => {
    const failed = 'ERR_BYWASH_INVALID_UTF8'
    t.strictSame(await of({ invalid: 'error' }, 'a\n\xc3\xa9\r\n\xc3\nb\n'), {
      lines: ['a', '\xc3\xa9'],
      reported: [],
      failed,
    })
    t.strictSame(await of({ invalid: 'report' }, 'a\n\xff\n\xc3\xa9\nb\xc3'), {
      lines: ['a', '\xc3\xa9'],
      reported: [failed, failed],
      failed: undefined,
    })
  })

  t.test(`${plan}: a line over the limit is told once and at once, and the next ones are served`, async t => {
    const told: string[] = []
    const client = connect(
      pipeline()
        .through(lines({ maxLength: 2, overflow: 'report' }))
        .through(toLines()),
      {
        plan,
        onError: ({ message }) => told.push(message),
      },
    )
    client.send('a\nabc')
    t.equal((await client.receive(2)).toString(), 'a\n')
    t.equal(told.length, 1, 'before its end')
    client.send('def')
    client.end('\nb\nabc\nc')
    t.equal((await client.receive()).toString(), 'b\nc\n')
    t.equal((await client.outcome).reason, 'end')
    t.equal(told.length, 2)
    t.match(told[0], /^Stage 'lines' received a line longer than 2 bytes/)
  })

  t.test(`${plan}: a client hears what ended its connection`, async t => {
    const farewells: [LinesOptions & { encoding?: 'utf8' }, string, string, string][] = [
      [{ invalid: 'error' }, 'a\n\xff\n', 'invalid-utf8', 'error: line is not UTF-8\n'],
      [
        { partial: 'error' },
        'a\nb',
        'invalid-frame',
        'error: invalid frame: the last line has no delimiter\n',
      ],
    ]
    for (const [options, input, reason, farewell] of farewells) {
      const client = connect(pipeline().through(lines(options)).through(toLines()), { plan })
      client.end(Buffer.from(input, 'latin1'))
      t.equal((await client.receive()).toString(), `a\n${farewell}`)
      t.equal((await client.outcome).reason, reason)
    }
  })

  t.test(`${plan}: lines and toLines give back what had a delimiter at its end`, async () => {
    const delimiters = fc.constantFrom('\n' as const, '\r\n' as const)
    const bytes = fc.array(fc.constantFrom(0x0a, 0x0d, 0x61, 0xc3, 0xa9, 0xff), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(bytes, delimiters, fc.boolean(), async (content, delimiter, asText) => {
        const input = Buffer.concat([Buffer.from(content), Buffer.from(delimiter)])
        const both = asText
          ? pipeline()
              .through(lines({ delimiter, encoding: 'latin1' }))
              .through(toLines({ delimiter, encoding: 'latin1' }))
          : pipeline()
              .through(lines({ delimiter, encoding: 'buffer' }))
              .through(toLines({ delimiter, encoding: 'buffer' }))
        for (const chunks of chunkings(input, { random: 2 })) {
          const output = Buffer.concat(await runStage(both, chunks, { plan }))
          if (!output.equals(input)) throw new Error(`got ${JSON.stringify(output.toString('latin1'))}`)
        }
      }),
    )
  })
}

t.test('frames and lines are kept apart by their types', async t => {
  const frames = pipeline().through(lines({ encoding: 'buffer' }))
  const refused = { code: 'ERR_BYWASH_STAGE_ORDER' }
  // @ts-expect-error frames for a stage of lines
  t.throws(() => frames.through(toLines()), refused)
  const text = pipeline().through(lines())
  // @ts-expect-error lines for a stage of frames
  t.throws(() => text.through(toLines({ encoding: 'buffer' })), refused)
  t.equal(frames.through(toLines({ encoding: 'buffer' })).emits, 'bytes')
})

t.test('what split2 cannot do runs as our own transformer on plan streams, the rest as split2', t => {
  const isSplit2 = (options: LinesOptions) => lines(options as never).stream !== undefined
  for (const options of [
    {},
    { keep: true },
    { delimiter: '\r\n' },
    { invalid: 'error' },
    { overflow: 'report' },
  ]) {
    t.ok(isSplit2(options as LinesOptions), JSON.stringify(options))
  }
  t.notOk(isSplit2({ encoding: 'buffer' }))
  t.notOk(isSplit2({ profile: 'erlang' }))
  t.end()
})

t.test('a CR at the end of the input is content, and counts', async t => {
  for (const plan of PLANS) {
    t.strictSame(await runStage(lines({ maxLength: 2 }), [Buffer.from('a\r')], { plan }), ['a\r'])
    const over = runStage(lines({ maxLength: 1 }), [Buffer.from('b\na\r')], { plan })
    await t.rejects(over, { code: 'ERR_BYWASH_FRAME_TOO_LONG', output: ['b'] })
  }
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => lines(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ maxlength: 3 }, /lines\(\) has no option 'maxlength'. It takes delimiter, bare, keep, encoding/)
  refused({ maxLength: 0 }, /'maxLength' is a whole number, from 1 to 268435456; got 0/)
  refused({ maxLength: Number.NaN }, /got NaN/)
  refused({ delimiter: '\r' }, /'delimiter' is one of "\\n", "\\r\?\\n", "\\r\\n"; got "\\r"/)
  refused({ encoding: 'ascii' }, /'encoding' is one of "utf8", "latin1", "buffer"; got "ascii"/)
  refused({ overflow: 'drop' }, /'overflow' is one of/)
  refused({ invalid: 'skip' }, /'invalid' is one of/)
  refused({ bare: 'keep', delimiter: '\r\n' }, /'bare' is one of/)
  refused({ bare: 'error' }, /'bare' needs delimiter "\\r\\n"/)
  refused({ invalid: 'error', encoding: 'latin1' }, /'invalid' needs encoding "utf8"/)
  refused({ keep: 1 }, /'keep' is true or false; got 1/)
  refused({ partial: 'report' }, /'partial' is one of/)
})

t.test('does not change the options, nor the chunks', async t => {
  const options = Object.freeze({ maxLength: 4, overflow: 'truncate' } as const)
  const chunk = Buffer.from('abcdef\r\ng')
  for (const plan of PLANS) t.strictSame(await runStage(lines(options), [chunk], { plan }), ['abcd', 'g'])
  t.equal(chunk.toString(), 'abcdef\r\ng')
})

t.test('a block of many lines is searched about once for each maxLength bytes', async t => {
  const chunk = Buffer.from('x'.repeat(63).concat('\n').repeat(1024))
  let searches = 0
  for (const name of ['indexOf', 'lastIndexOf'] as const) {
    const search = Buffer.prototype[name]
    chunk[name] = (...parameters: [never]) => {
      searches++
      return search.apply(chunk, parameters)
    }
  }
  t.equal((await runStage(lines({ maxLength: 4096 }), [chunk])).length, 1024)
  t.ok(searches <= 1 + chunk.length / (4096 - 64), `${searches} searches`)
})

t.test('a dribbled line is copied a number of times that does not grow with its length', async t => {
  const copied = async (length: number, options: LinesOptions & { encoding?: 'utf8' } = {}) => {
    let bytes = 0
    const copy = Buffer.prototype.copy
    Buffer.prototype.copy = function (this: Buffer, ...parameters: Parameters<Buffer['copy']>) {
      const count = copy.apply(this, parameters)
      bytes += count
      return count
    } as Buffer['copy']
    try {
      const chunks = Array.from({ length }, () => Buffer.from('a'))
      const given = await runStage(lines({ maxLength: 1_000_000, ...options }), chunks)
      t.equal(given.join('').length, length)
    } finally {
      Buffer.prototype.copy = copy
    }
    return bytes / length
  }
  t.ok((await copied(100_000)) <= 3, 'each byte once in, and at most twice more as the buffer doubles')
  t.ok((await copied(100_000, { delimiter: '\r\n', bare: 'error' })) <= 3, 'strict CR LF too')
  t.ok(
    (await copied(100_000, { profile: 'erlang', maxLength: 1000 })) <= 4,
    'and pieces, put together once more',
  )
})

t.test('a line is cut between characters, however many bytes they have', async t => {
  for (const character of ['a', 'é', '€', '😀']) {
    const size = Buffer.byteLength(character)
    for (let maxLength = 1; maxLength <= 2 * size; maxLength++) {
      const line = Buffer.from(`${character.repeat(3)}\n`)
      const cut = await runStage(lines({ maxLength, overflow: 'truncate' }), [line])
      t.strictSame(cut, [character.repeat(Math.floor(maxLength / size))], `${character} ${maxLength}`)
    }
  }
})
