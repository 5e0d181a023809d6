import fc from 'fast-check'
import t from 'tap'
import { Connection, lines, pipeline, toLines } from '../../../lib/index.js'
import { scan } from '../../../lib/stages/codecs/json-scan.js'
import { jsonLines, toJsonLines } from '../../../lib/stages/index.js'
import { chunkings, connect, runStage } from '../../../lib/testing/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

/** Lines that are refused, and why. */
const BAD: readonly [string, RegExp][] = [
  ['', /the line is not JSON/],
  [' ', /the line is not JSON/],
  ['{', /the line is not JSON/],
  ['{} {}', /the line is not JSON/],
  ['undefined', /the line is not JSON/],
  ["{'a': 1}", /the line is not JSON/],
  ['\ufeff{}', /the line is not JSON/],
  ['null', /the line is null/],
  [' null ', /the line is null/],
  ['{"__proto__": {"polluted": true}}', /it has a '__proto__' key/],
  ['{"__proto__": 1}', /it has a '__proto__' key/],
  ['[{"a": [{"__proto__": null}]}]', /it has a '__proto__' key/],
  ['{"\\u005f_proto\\u005F_": {}}', /it has a '__proto__' key/],
  ['{"a": {"constructor": {"prototype": {"polluted": true}}}}', /it has a 'constructor' with a 'prototype'/],
  ['{"c\\u006fnstructor": {"pr\\u006ftotype": 1}}', /it has a 'constructor' with a 'prototype'/],
  ['1e400', /it has a number beyond those of a double/],
  ['{"a": [-1E+309, 1]}', /it has a number beyond those of a double/],
  [`[1${'0'.repeat(309)}]`, /it has a number beyond those of a double/],
  [`1${'0'.repeat(250)}.5e99`, /it has a number beyond those of a double/],
  ['['.repeat(4_500) + ']'.repeat(4_500), /it nests deeper than 512 levels \('maxDepth'\)/],
  [`${'{"a":'.repeat(513)}1${'}'.repeat(513)}`, /it nests deeper than 512 levels/],
  ['['.repeat(100_000), /it nests deeper than 512 levels/],
]

/** Lines that look like those, and are allowed. */
const GOOD: readonly [string, unknown][] = [
  ['{"a": "__proto__"}', { a: '__proto__' }],
  ['"__proto__"', '__proto__'],
  ['{"proto": "\\u005f"}', { proto: '_' }],
  ['{"constructor": "x", "b": {"constructor": null}}', { constructor: 'x', b: { constructor: null } }],
  ['{"constructor": {"name": 1}}', { constructor: { name: 1 } }],
  ['{"prototype": {"a": null}}', { prototype: { a: null } }],
  [' [1, null] \r', [1, null]],
  ['0', 0],
  ['false', false],
  ['""', ''],
  ['1e308', 1e308],
  ['1e-999', 0],
  ['"1e400"', '1e400'],
  ['["0xe1234", 5]', ['0xe1234', 5]],
  [`"${'1'.repeat(400)}"`, '1'.repeat(400)],
  [`${'['.repeat(512)}${']'.repeat(512)}`, JSON.parse(`${'['.repeat(512)}${']'.repeat(512)}`)],
  [`[${'[],'.repeat(600)}"${'['.repeat(600)}"]`, [...Array.from({ length: 600 }, () => []), '['.repeat(600)]],
  ['{"a": 1, "a": 2}', { a: 2 }],
]

for (const plan of PLANS) {
  t.test(`${plan}: a value for each line`, async t => {
    // As text: a comparison of objects would ask these for their constructor.
    const values = await runStage(
      jsonLines(),
      GOOD.map(([line]) => line),
      { plan },
    )
    t.equal(JSON.stringify(values), JSON.stringify(GOOD.map(([, value]) => value)))
  })

  t.test(`${plan}: a bad line ends the connection behind the values before it`, async t => {
    for (const [line, message] of BAD) {
      const run = runStage(jsonLines(), ['[1]', line, '[2]'], { plan })
      await t.rejects(
        run,
        { code: 'ERR_BYWASH_INVALID_FRAME', stage: 'jsonLines', message, output: [[1]] },
        line,
      )
    }
  })

  t.test(`${plan}: a bad line is reported, skipped, or handed to a function`, async t => {
    const input = ['[1]', ...BAD.map(([line]) => line), '[2]']
    const seen: unknown[] = []
    const options = { plan, onError: ({ message }: Error) => void seen.push(message) }
    t.strictSame(await runStage(jsonLines({ invalid: 'report' }), input, options), [[1], [2]])
    t.equal(seen.length, BAD.length)
    for (const [index, [, message]] of BAD.entries()) t.match(seen[index], message)
    seen.length = 0
    t.strictSame(await runStage(jsonLines({ invalid: 'skip' }), input, options), [[1], [2]])
    t.strictSame(seen, [])
    const connection = new Connection(7)
    const invalid = (line: string, error: Error, { id }: Connection) =>
      void seen.push([line, error.message, id])
    t.strictSame(await runStage(jsonLines({ invalid }), input, { ...options, connection }), [[1], [2]])
    const message = "Stage 'jsonLines' received an invalid frame: the line is not JSON."
    t.strictSame(seen[0], ['', message, 7])
    t.equal(seen.length, BAD.length)
  })

  t.test(`${plan}: a function that throws, or returns a promise, fails its connection`, async t => {
    const throws = () => {
      throw new Error('boom')
    }
    const error = { code: 'ERR_BYWASH_STAGE', stage: 'jsonLines', output: [[1]] }
    await t.rejects(runStage(jsonLines({ invalid: throws }), ['[1]', '{', '[2]'], { plan }), error)
    const rejects = async () => throws()
    await t.rejects(runStage(jsonLines({ invalid: rejects }), ['[1]', '{', '[2]'], { plan }), error)
  })

  t.test(`${plan}: what toJsonLines() wrote comes back, and is one line, for every cut`, async () => {
    const whole = pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
    const value = fc
      .jsonValue({ stringUnit: ANY_CHARACTER })
      .filter(value => value !== null && !/"(__proto__|constructor)"/.test(JSON.stringify(value)))
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 3 }), async values => {
        const encoded = await runStage(toJsonLines(), values, { plan })
        const expected = values.map(value => JSON.stringify(value))
        if (JSON.stringify(encoded) !== JSON.stringify(expected)) throw new Error('not as JSON.stringify')
        if (encoded.some(line => /[\n\r]/.test(line))) throw new Error('not one line')
        const text = encoded.map(line => `${line}\n`).join('')
        const [whole_, bytewise] = chunkings(text, { random: 0 })
        for (const chunks of [whole_, bytewise] as (readonly Buffer[])[]) {
          const output = Buffer.concat(await runStage(whole, chunks, { plan })).toString()
          if (output !== text) throw new Error(`got ${output}, expected ${text}`)
        }
      }),
      { numRuns: runs(100) },
    )
  })

  t.test(`${plan}: toJsonLines refuses what JSON cannot say, behind the lines before it`, async t => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    const wrong: [unknown, RegExp][] = [
      [cycle, /cannot say: Converting circular structure to JSON\.$/],
      [() => {}, /was given what JSON Lines cannot say: function/],
      [Symbol('x'), /cannot say: symbol/],
      [{ toJSON: () => undefined }, /cannot say: object/],
      [{ toJSON: () => null }, /cannot say: null/],
      [Number.NaN, /cannot say: NaN/],
      [{ a: [Number.POSITIVE_INFINITY] }, /cannot say: Infinity/],
      [[undefined], /cannot say: undefined/],
      [{ a: [1, () => {}] }, /cannot say: function/],
      [[Symbol('x')], /cannot say: symbol/],
      [[10n, Number.NaN], /cannot say: NaN/],
      [
        {
          toJSON: () => {
            throw 'text'
          },
        },
        /cannot say: text/,
      ],
    ]
    for (const [value, message] of wrong) {
      const run = runStage(toJsonLines(), [[1], value], { plan })
      await t.rejects(run, { code: 'ERR_BYWASH_STAGE', stage: 'toJsonLines', message, output: ['[1]'] })
    }
  })

  t.test(`${plan}: toJsonLines writes what JSON can say`, async t => {
    const values = [
      { a: undefined, b: [null] },
      'null',
      new Date(0),
      { a: 'x\ny\r\u2028' },
      -0,
      false,
      10n,
      { a: [-(2n ** 80n), '10n'], b: null },
    ]
    t.strictSame(await runStage(toJsonLines(), values, { plan }), [
      '{"b":[null]}',
      '"null"',
      '"1970-01-01T00:00:00.000Z"',
      '{"a":"x\\ny\\r\u2028"}',
      '0',
      'false',
      '10',
      '{"a":[-1208925819614629174706176,"10n"],"b":null}',
    ])
  })
}

/** A value as JSON.stringify writes it with a replacer for each item; undefined where it cannot be said. */
function written(value: unknown): string | undefined {
  const text = JSON.stringify(value, function (this: unknown, _key, item: unknown) {
    if (typeof item === 'bigint') return `<${item}>`
    const isLost = Array.isArray(this) && ['undefined', 'function', 'symbol'].includes(typeof item)
    if (isLost || (typeof item === 'number' && !Number.isFinite(item))) throw new RangeError('lost')
    return item
  })
  return text === 'null' ? undefined : text?.replace(/"<(-?\d+)>"/g, '$1')
}

t.test('values with BigInts between others are written as each is by itself', async t => {
  class Point {
    readonly x = Number.NaN
  }
  const odd = fc.constantFrom<unknown>(
    ...[10n, Number.NaN, undefined, new Date(0), new Point(), Object.create(null)],
    ...[new Array(1), { toJSON: () => [null] }, Object(Number.NaN)],
  )
  const item = fc.oneof(fc.jsonValue(), odd)
  const all = fc.oneof(
    item,
    fc.array(item, { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 2 }), item),
  )
  // These are no values between stages.
  const value = all.filter(each => each !== undefined && each !== null)
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 8 }), async values => {
      const texts: string[] = []
      let isLost = false
      for (const each of values) {
        try {
          const text = written(each)
          if (text === undefined) isLost = true
          else texts.push(text)
        } catch {
          isLost = true
        }
        if (isLost) break
      }
      const run = runStage(toJsonLines(), values)
      if (isLost) t.match(await run.catch(error => error), { code: 'ERR_BYWASH_STAGE', output: texts })
      else t.strictSame(await run, texts)
    }),
    { numRuns: runs(300) },
  )
})

t.test('behind a BigInt no value costs an error of JSON.stringify', async t => {
  const { stringify } = JSON
  let thrown = 0
  JSON.stringify = function (this: JSON, ...rest: Parameters<typeof stringify>) {
    try {
      return stringify.apply(this, rest)
    } catch (error) {
      thrown++
      throw error
    }
  } as typeof stringify
  t.teardown(() => {
    JSON.stringify = stringify
  })
  const values = Array.from({ length: 1_000 }, (_, at) => (at % 50 === 0 ? BigInt(at) : [at]))
  t.equal((await runStage(toJsonLines(), values)).length, 1_000)
  t.equal(thrown, 1)
})

t.test('nothing of a refused line reaches a prototype', async t => {
  for (const [line] of BAD) await runStage(jsonLines({ invalid: 'skip' }), [line])
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
})

t.test('a line that nests deep is checked without recursion', async t => {
  const deep = `${'[{"a":'.repeat(499)}{"__proto__":1}${'}]'.repeat(499)}`
  await t.rejects(runStage(jsonLines({ maxDepth: 1_000 }), [deep]), { message: /__proto__/ })
})

for (const plan of PLANS) {
  t.test(`${plan}: an integer beyond 2^53 is rounded, refused, or kept with all its digits`, async t => {
    const line = '{"a":[9007199254740992,-144126219108390099],"b":"144126219108390099","c":9007199254740991}'
    const fits =
      '[9007199254740991,0.1234567890123456789,1234567890123456.5,1234567890123456e1,"\\"12345678901234567"]'
    const read = async (bigIntegers: 'round' | 'refuse' | 'text' | 'bigint', given: string) => {
      const both = pipeline('line').through(jsonLines({ bigIntegers })).through(toJsonLines())
      return (await runStage(both, [given], { plan }))[0]
    }
    for (const as of ['round', 'refuse', 'text', 'bigint'] as const) {
      t.equal(await read(as, fits), JSON.stringify(JSON.parse(fits)), as)
    }
    t.equal(await read('round', line), line.replace('-144126219108390099', '-144126219108390100'))
    await t.rejects(read('refuse', line), {
      reason: 'invalid-frame',
      message: /it has an integer beyond 2\^53/,
    })
    t.equal(await read('text', line), line.replace(/9007199254740992|-144126219108390099/g, '"$&"'))
    t.equal(await read('bigint', line), line)
    const [value] = await runStage(jsonLines({ bigIntegers: 'bigint' }), [line], { plan })
    t.match(value, { a: [2n ** 53n, -144126219108390099n], b: '144126219108390099' })
    await t.rejects(read('bigint', `1${'0'.repeat(400)}`), { message: /beyond those of a double/ })
  })
}

t.test('a text is scanned as JSON.parse reads it', async t => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '"a"',
      '"a":',
      '\\u00e9',
      '\\u00',
      '\\n',
      '\\x',
      '\n',
      '\t',
      ' ',
    ],
    ...[
      '0',
      '1',
      '-',
      '.',
      '.5',
      'e',
      'E+',
      'e-1',
      '12',
      '01',
      'true',
      'fals',
      'null',
      'x',
      '\u2028',
      '\x01',
    ],
  )
  const broken = fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join(''))
  const spaced = fc
    .tuple(fc.json({ stringUnit: ANY_CHARACTER }), fc.nat(20), piece)
    .map(([text, at, insert]) => text.slice(0, at) + insert + text.slice(at))
  let good = 0
  fc.assert(
    fc.property(fc.oneof(broken, spaced, fc.json({ stringUnit: ANY_CHARACTER })), text => {
      let expected: string | undefined
      try {
        JSON.parse(text, (_key, item) => {
          if (Math.abs(item) === Number.POSITIVE_INFINITY && typeof item === 'number')
            expected = 'it has a number beyond those of a double'
        })
        good++
      } catch {
        expected = 'the line is not JSON'
      }
      const { fault } = scan(text, 100)
      if (fault !== expected) throw new Error(`${fault}: ${JSON.stringify(text)}`)
    }),
    { numRuns: runs(20_000) },
  )
  t.ok(good > 0)
})

t.test('behind a bad line short lines are not left to the exceptions of JSON.parse', async t => {
  const { parse } = JSON
  let parsed = 0
  JSON.parse = (...parameters: Parameters<typeof parse>) => {
    parsed++
    return parse(...parameters)
  }
  t.teardown(() => {
    JSON.parse = parse
  })
  const values = await runStage(jsonLines({ invalid: 'skip' }), [
    '[1]',
    ...Array(100).fill('x'),
    '[2]',
    '{]',
    'x'.repeat(300),
  ])
  t.strictSame(values, [[1], [2]])
  t.equal(parsed, 4, 'two that are good, the first bad one, and the long one')
})

t.test('the peer is told that its line is no JSON, and not what was in it', async t => {
  const whole = pipeline().through(lines()).through(jsonLines()).through(toJsonLines()).through(toLines())
  const client = connect(whole)
  client.end('{"a": 1}\n{"a": secret}\n')
  t.equal(String(await client.receive()), '{"a":1}\nerror: invalid frame: the line is not JSON\n')
  t.match(await client.outcome, { reason: 'invalid-frame' })
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => jsonLines(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ onInvalid: 3 }, /jsonLines\(\) has no option 'onInvalid'/)
  refused({ maxDepth: 1_001 }, /'maxDepth' is a whole number, from 1 to 1000; got 1001/)
  refused({ bigIntegers: 'keep' }, /'bigIntegers' is one of/)
  refused({ invalid: 'drop' }, /'invalid \(if no function\)' is one of "error", "report", "skip"; got "drop"/)
})
