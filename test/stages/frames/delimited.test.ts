import fc from 'fast-check'
import t from 'tap'
import { Connection, type Controller, pipeline } from '../../../lib/index.js'
import { DelimiterSearch } from '../../../lib/stages/frames/delimiter-search.js'
import { type DelimitedOptions, delimited, toDelimited } from '../../../lib/stages/index.js'
import { chunkings, connect, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, type Decoded, decode, dribble, frames as toFrames } from '../encoded.js'

type Options = Required<Omit<DelimitedOptions, 'delimiters'>> & { delimiters: string[]; maxLength: number }

const defaults = { keep: false, maxLength: 65_536, overflow: 'error', partial: 'emit' } as const

/** A second, slow reading of what `delimited()` promises: the whole input at once, place by place. */
function reference(input: string, options: Options): Decoded {
  const { delimiters, keep, maxLength, overflow, partial } = options
  const frames: string[] = []
  const reports: string[] = []
  const longestFirst = [...delimiters].sort((one, other) => other.length - one.length)
  let from = 0
  const tooLong = () => ({ frames, reports, failure: 'FRAME_TOO_LONG' })
  const emit = (content: string, delimiter: string): boolean => {
    if (content.length <= maxLength) frames.push(content + delimiter)
    else if (overflow === 'error') return false
    else if (overflow === 'truncate') frames.push(content.slice(0, maxLength) + delimiter)
    else if (overflow === 'report') reports.push('FRAME_TOO_LONG')
    return true
  }
  for (let at = 0; at < input.length; ) {
    const delimiter = longestFirst.find(each => input.startsWith(each, at))
    if (delimiter === undefined) {
      at++
      continue
    }
    const kept = delimiters
      .filter(each => delimiter.startsWith(each))
      .sort((one, other) => one.length - other.length)[0]
    if (!emit(input.slice(from, at), keep ? (kept as string) : '')) return tooLong()
    at += delimiter.length
    from = at
  }
  const rest = input.slice(from)
  if (rest === '') return { frames, reports, failure: undefined }
  if (partial === 'emit') return emit(rest, '') ? { frames, reports, failure: undefined } : tooLong()
  // An unfinished frame is over the limit as soon as no delimiter can save it.
  let certain = 0
  while (certain < rest.length && !delimiters.some(each => each.startsWith(rest.slice(certain)))) certain++
  if (certain > maxLength && overflow === 'error') return tooLong()
  if (certain > maxLength && overflow === 'report') reports.push('FRAME_TOO_LONG')
  return { frames, reports, failure: partial === 'error' ? 'INVALID_FRAME' : undefined }
}

for (const plan of PLANS) {
  t.test(`${plan}: the first delimiter ends a frame, the longest of those at one place`, async t => {
    const examples: [string[], string, string[]][] = [
      [['\r\n', '\n'], 'a\r\nb\n\nc\r', ['a', 'b', '', 'c\r']],
      [['\n', '\n\n'], 'a\nb\n\nc\n\n\nd\n', ['a', 'b', 'c', '', 'd']],
      [['\n', '\n\nEND'], 'a\n\nENb\n\nENDc', ['a', '', 'ENb', 'c']],
      [['abcd', 'c'], 'xabcd-xabc-', ['x', '-xab', '-']],
      [['abcd', 'b'], 'xabcd-abc', ['x', '-a', 'c']],
      [['abcd', 'b'], 'xab', ['xa']],
      [['xac', 'a', 'abc'], 'wxa', ['wx']],
      [['xac', 'a', 'abc'], 'wxabxabcxac', ['wx', 'bx', '']],
      [['aaaab'], 'aaaaaabaaaa', ['aa', 'aaaa']],
      [['a', 'aaab'], 'aaaabaac', ['', '', '', '', 'c']],
      [['é', '€'], 'aé€b', ['a', '', 'b']],
    ]
    for (const [delimiters, input, frames] of examples) {
      for (const chunks of chunkings(input, { random: 5 })) {
        const got = await runStage(delimited({ delimiters }), chunks, { plan })
        t.strictSame(got.map(String), frames, JSON.stringify([delimiters, chunks.map(String)]))
      }
    }
  })

  t.test(`${plan}: what is left behind a delimiter that the end decides is limited too`, async t => {
    for (const chunks of chunkings('baa')) {
      const stage = delimited({ delimiters: ['baaa', 'b'], maxLength: 1, partial: 'drop' })
      await t.rejects(runStage(stage, chunks, { plan }), {
        code: 'ERR_BYWASH_FRAME_TOO_LONG',
        output: [Buffer.alloc(0)],
      })
    }
  })

  t.test(`${plan}: agrees with a reading of the whole input, for every option and any cut`, async () => {
    const text = (maxLength: number, minLength = 0) =>
      fc
        .array(fc.constantFrom('a', 'a', 'b', 'b', '\xff'), { minLength, maxLength })
        .map(parts => parts.join(''))
    const options = fc.record({
      delimiters: fc.array(text(6, 1), { minLength: 1, maxLength: 4 }),
      keep: fc.boolean(),
      maxLength: fc.integer({ min: 1, max: 7 }),
      overflow: fc.constantFrom('error' as const, 'report' as const, 'truncate' as const, 'skip' as const),
      partial: fc.constantFrom('emit' as const, 'drop' as const, 'error' as const),
    })
    await fc.assert(
      fc.asyncProperty(
        text(40),
        options,
        fc.integer({ min: 0, max: 0xffff }),
        async (input, options, seed) => {
          const expected = JSON.stringify(reference(input, options))
          const delimiters = options.delimiters.map(each => Buffer.from(each, 'latin1'))
          const stage = delimited({ ...options, delimiters })
          for (const chunks of chunkings(Buffer.from(input, 'latin1'), { seed, random: 3 })) {
            const got = JSON.stringify(await decode(stage, chunks, plan))
            if (got !== expected)
              throw new Error(`${JSON.stringify(chunks)}: got ${got}, expected ${expected}`)
          }
        },
      ),
      { numRuns: runs(400) },
    )
  })

  t.test(`${plan}: what toDelimited() wrote comes back, for every cut`, async () => {
    const bytes = fc
      .array(fc.constantFrom('a', 'b', 'c', '\xff'), { maxLength: 6 })
      .map(parts => parts.join(''))
    const delimiter = fc.constantFrom('\n', 'ab', 'aab', '\xff\xff', 'abcab')
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 6 }), delimiter, async (frames, delimiter) => {
        const bytes = Buffer.from(delimiter, 'latin1')
        const sent = frames.filter(frame => (frame + delimiter).indexOf(delimiter) === frame.length)
        const encoded = await runStage(toDelimited(bytes), toFrames(...sent), { plan })
        for (const chunks of chunkings(Buffer.concat(encoded), { random: 2 })) {
          const { frames } = await decode(delimited({ delimiters: bytes, partial: 'error' }), chunks, plan)
          if (JSON.stringify(frames) !== JSON.stringify(sent)) throw new Error(JSON.stringify(frames))
        }
      }),
      { numRuns: runs(200) },
    )
  })

  t.test(`${plan}: toDelimited refuses a frame that would be cut elsewhere`, async t => {
    for (const frame of ['xaab', 'aab', 'xaabx', 'xaaba']) {
      const run = runStage(toDelimited('aab'), toFrames('ok', frame), { plan })
      await t.rejects(run, { code: 'ERR_BYWASH_STAGE', stage: 'toDelimited', output: [Buffer.from('okaab')] })
    }
  })

  t.test(`${plan}: the limit is that of the content, at n and n + 1`, async t => {
    for (const keep of [false, true]) {
      for (const chunks of chunkings('abc--abcd--e', { random: 3 })) {
        const delimiters = ['--']
        const end = keep ? '--' : ''
        const rules = { delimiters, keep, maxLength: 3 }
        const seen = (overflow: Options['overflow']) =>
          decode(delimited({ ...rules, overflow }), chunks, plan)
        t.strictSame(await seen('error'), { frames: [`abc${end}`], reports: [], failure: 'FRAME_TOO_LONG' })
        const frames = [`abc${end}`, 'e']
        t.strictSame(await seen('report'), { frames, reports: ['FRAME_TOO_LONG'], failure: undefined })
        t.strictSame(await seen('skip'), { frames, reports: [], failure: undefined })
        const cut = [`abc${end}`, `abc${end}`, 'e']
        t.strictSame(await seen('truncate'), { frames: cut, reports: [], failure: undefined })
      }
    }
  })
}

for (const plan of PLANS) {
  t.test(`${plan}: a whole delimiter ends its frame at once, without the byte behind it`, async t => {
    const examples: [string[], keep: boolean, [sent: string, received: string][]][] = [
      [
        ['--', '-+', '\n'],
        false,
        [
          ['a--', 'a!'],
          ['b-', ''],
          ['+', 'b!'],
          ['c\n', 'c!'],
        ],
      ],
      [
        ['\0', '\0\n'],
        false,
        [
          ['a\0', 'a!'],
          ['\n', ''],
          ['b\0', 'b!'],
          ['\nc\0', 'c!'],
          ['d\0\n\n\0', 'd!\n!'],
        ],
      ],
      [
        ['\r\n', '\n', '\r'],
        false,
        [
          ['a\r', 'a!'],
          ['\n\n', '!'],
          ['b\r\r', 'b!!'],
          ['\nc\r\nd\n', 'c!d!'],
        ],
      ],
      [
        ['\x1c\r', '\x1c'],
        true,
        [
          ['a\x1c', 'a\x1c!'],
          ['\rb\x1c\r', 'b\x1c!'],
          ['c\x1c', 'c\x1c!'],
        ],
      ],
      [
        ['-', '-=-', '-=-=-'],
        false,
        [
          ['a-', 'a!'],
          ['=-', ''],
          ['=', ''],
          ['-', ''],
          ['b-', 'b!'],
          ['=c-', '=c!'],
        ],
      ],
    ]
    for (const [delimiters, keep, rounds] of examples) {
      const decoded = pipeline().through(delimited({ delimiters, keep, maxLength: 3 }))
      const client = connect(decoded.through(toDelimited('!')), { plan })
      for (const [sent, received] of rounds) {
        client.send(sent)
        t.equal(String(await client.receive(received.length)), received, JSON.stringify([delimiters, sent]))
      }
      client.end()
      t.equal(String(await client.receive()), '', 'nothing is left')
      t.equal((await client.outcome).reason, 'end')
    }
  })
}

t.test('what may make a delimiter longer is no unfinished frame before it has come', async t => {
  const transformer = delimited({ delimiters: ['\0', '\0\n\n'] }).open(new Connection(1))
  const frames: string[] = []
  const controller = { enqueue: (frame: Buffer) => void frames.push(String(frame)) } as Controller<Buffer>
  const seen: [boolean, number][] = []
  for (const chunk of ['a', '\0', '\n', '\n', 'b']) {
    transformer.transform?.(Buffer.from(chunk), controller)
    seen.push([transformer.unfinished?.() !== 0, frames.length])
  }
  t.strictSame(seen, [
    [true, 0],
    [false, 1],
    [true, 1],
    [false, 1],
    [true, 1],
  ])
})

t.test('costs linear time for every input, however it is cut', async t => {
  const length = 20_000
  const inputs: [string[], string][] = [
    [['aaaab'], 'a'.repeat(length)],
    [[`${'a'.repeat(500)}b`], 'a'.repeat(length)],
    [['a', `${'a'.repeat(500)}b`], 'a'.repeat(length)],
    [['ab', `${'ab'.repeat(300)}c`, 'b'], 'ab'.repeat(length / 2)],
    [['a', 'aa', 'aaaa', `${'a'.repeat(300)}b`], 'a'.repeat(length)],
    [['\r\n', '\n'], 'x'.repeat(length)],
  ]
  // Each byte is looked up once for the step it takes, and once more for each delimiter that it makes certain.
  const lookups = (chunks: readonly Buffer[], delimiters: readonly string[]) => {
    const search = new DelimiterSearch(delimiters.map(each => Buffer.from(each)))
    let count = 0
    let finds = 0
    let state = 0
    for (const chunk of chunks) {
      const counted = new Proxy(chunk, {
        get: (target, name) => {
          if (typeof name === 'string' && /^\d/.test(name)) count++
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      state = search.scan(state, counted, () => finds++)
    }
    return count - finds
  }
  for (const [delimiters, input] of inputs) {
    const count = lookups(dribble(input), delimiters)
    t.ok(count <= length, `${count} lookups in ${length} bytes, byte by byte`)
    t.ok(lookups([Buffer.from(input)], delimiters) <= length, 'and whole')
    const bytes = await copied(() => runStage(delimited({ delimiters }), dribble(input)))
    t.ok(bytes <= 5 * length, `${bytes} bytes copied`)
  }
})

t.test('holds at most the limit, while it leaves out a long frame', async t => {
  const held: number[] = []
  const alloc = Buffer.allocUnsafe
  Buffer.allocUnsafe = size => {
    held.push(size)
    return alloc(size)
  }
  t.teardown(() => {
    Buffer.allocUnsafe = alloc
  })
  const chunks = Array.from({ length: 100 }, () => Buffer.alloc(1_000, 'x'))
  for (const overflow of ['report', 'skip', 'truncate'] as const) {
    await runStage(delimited({ delimiters: '--', maxLength: 4_096, overflow }), chunks)
  }
  t.ok(Math.max(...held) <= 4_096 + 2, `${Math.max(...held)} bytes`)
})

t.test('does not change the options, nor the chunks, nor see later changes', async t => {
  const delimiter = Buffer.from('--')
  const options = Object.freeze({ ...defaults, delimiters: Object.freeze([delimiter]) })
  const [decoder, encoder] = [delimited(options), toDelimited(delimiter)]
  delimiter.fill(0)
  const chunk = Buffer.from('a--b')
  for (const plan of PLANS) {
    t.strictSame(await decode(decoder, [chunk], plan), {
      frames: ['a', 'b'],
      reports: [],
      failure: undefined,
    })
    t.strictSame(await runStage(encoder, toFrames('a'), { plan }), [Buffer.from('a--')])
  }
  t.equal(chunk.toString(), 'a--b')
})

t.test('unfinished input at the end', async t => {
  const seen = (partial: Options['partial'], input: string) =>
    decode(delimited({ delimiters: '--', partial }), [Buffer.from(input)], 'fused')
  t.strictSame(await seen('emit', 'a--b-'), { frames: ['a', 'b-'], reports: [], failure: undefined })
  t.strictSame(await seen('drop', 'a--b-'), { frames: ['a'], reports: [], failure: undefined })
  t.strictSame(await seen('error', 'a--b-'), { frames: ['a'], reports: [], failure: 'INVALID_FRAME' })
  t.strictSame(await seen('error', 'a--'), { frames: ['a'], reports: [], failure: undefined })
  await t.rejects(runStage(delimited({ delimiters: '--', partial: 'error' }), [Buffer.from('-')]), {
    message: "Stage 'delimited' received an invalid frame: the input ended in front of its delimiter.",
  })
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: unknown, message: RegExp) =>
    t.throws(() => delimited(options as DelimitedOptions), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused(undefined, /delimited\(\) takes options with 'delimiters'/)
  refused(null, /delimited\(\) takes an object of options; got null/)
  refused({}, /'delimiters' is text or bytes, at least one; got undefined/)
  refused({ delimiters: '' }, /at least one; got ""/)
  refused({ delimiters: [Buffer.alloc(0)] }, /at least one; got no bytes/)
  refused({ delimiters: [] }, /how many/)
  refused({ delimiters: 'a'.repeat(4_097) }, /bytes in all/)
  refused({ delimiters: 7 }, /got 7/)
  refused({ delimiters: 'a', maxlength: 3 }, /delimited\(\) has no option 'maxlength'/)
  refused({ delimiters: 'a', maxLength: 0 }, /'maxLength' is a whole number, from 1 to 268435456; got 0/)
  refused({ delimiters: 'a', keep: 1 }, /'keep' is true or false/)
  refused({ delimiters: 'a', overflow: 'drop' }, /'overflow' is one of/)
  refused({ delimiters: 'a', partial: 'skip' }, /'partial' is one of/)
  t.throws(() => toDelimited(''), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: /toDelimited\(\): 'delimiter'/,
  })
})
