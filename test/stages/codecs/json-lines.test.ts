import fc from 'fast-check'
import t from 'tap'
import { Connection, lines, pipeline, toLines } from '../../../lib/index.js'
import { jsonLines, toJsonLines } from '../../../lib/stages/index.js'
import { chunkings, connect, runStage } from '../../../lib/testing/index.js'
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
      .jsonValue({ stringUnit: 'binary' })
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
      [10n, /cannot say: Do not know how to serialize a BigInt/],
      [{ a: [10n] }, /BigInt/],
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
    const values = [{ a: undefined, b: [null] }, 'null', new Date(0), { a: 'x\ny\r\u2028' }, -0, false]
    t.strictSame(await runStage(toJsonLines(), values, { plan }), [
      '{"b":[null]}',
      '"null"',
      '"1970-01-01T00:00:00.000Z"',
      '{"a":"x\\ny\\r\u2028"}',
      '0',
      'false',
    ])
  })
}

t.test('nothing of a refused line reaches a prototype', async t => {
  for (const [line] of BAD) await runStage(jsonLines({ invalid: 'skip' }), [line])
  t.equal(({} as { polluted?: boolean }).polluted, undefined)
})

t.test('a line that nests deep is checked without recursion', async t => {
  const deep = `${'[{"a":'.repeat(10_000)}{"__proto__":1}${'}]'.repeat(10_000)}`
  await t.rejects(runStage(jsonLines(), [deep]), { message: /__proto__/ })
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
  refused({ invalid: 'drop' }, /'invalid \(if no function\)' is one of "error", "report", "skip"; got "drop"/)
})
