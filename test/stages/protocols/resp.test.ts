import fc from 'fast-check'
import t from 'tap'
import { type BywashError, map, pipeline, RespError, type RespValue, respNull } from '../../../lib/index.js'
import { type RespOptions, resp, toResp } from '../../../lib/stages/index.js'
import { splitInlineCommand } from '../../../lib/stages/protocols/inline-command.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'
import { copied, dribble } from '../encoded.js'

/** The examples of the specification of RESP at redis.io, and the values that they are. */
const EXAMPLES: readonly [string, RespValue][] = [
  ['+OK\r\n', 'OK'],
  ['-Error message\r\n', new RespError('Error message')],
  ["-ERR unknown command 'asdf'\r\n", new RespError("ERR unknown command 'asdf'")],
  [
    '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n',
    new RespError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  ],
  [':0\r\n', 0],
  [':1000\r\n', 1000],
  [':-1\r\n', -1],
  ['$5\r\nhello\r\n', 'hello'],
  ['$0\r\n\r\n', ''],
  ['$-1\r\n', respNull],
  ['*-1\r\n', respNull],
  ['*0\r\n', []],
  ['*2\r\n$5\r\nhello\r\n$5\r\nworld\r\n', ['hello', 'world']],
  ['*3\r\n:1\r\n:2\r\n:3\r\n', [1, 2, 3]],
  ['*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n$5\r\nhello\r\n', [1, 2, 3, 4, 'hello']],
  [
    '*2\r\n*3\r\n:1\r\n:2\r\n:3\r\n*2\r\n+Hello\r\n-World\r\n',
    [
      [1, 2, 3],
      ['Hello', new RespError('World')],
    ],
  ],
  ['*3\r\n$5\r\nhello\r\n$-1\r\n$5\r\nworld\r\n', ['hello', null, 'world']],
  ['*2\r\n$4\r\nLLEN\r\n$6\r\nmylist\r\n', ['LLEN', 'mylist']],
  ['PING\r\n', ['PING']],
  ['EXISTS somekey\r\n', ['EXISTS', 'somekey']],
  [':9223372036854775807\r\n', 9223372036854775807n],
  [':-9223372036854775808\r\n', -9223372036854775808n],
  ['$3\r\n\r\n\n\r\n', '\r\n\n'],
  ['$3\r\n€\r\n', '€'],
]

/** A value as text: a Buffer as latin1, so that nothing is lost. */
function shown(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return { buffer: value.toString('latin1') }
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value === 'bigint') return `${value}n`
  return value === respNull || value === null ? null : value
}

const json = (values: readonly unknown[]) => JSON.stringify(values.map(shown))

/** Decodes, and says what came out and with which code it failed. */
async function decoded(options: RespOptions, chunks: readonly Buffer[], plan: 'fused' | 'streams') {
  try {
    return { values: json(await runStage(resp(options), chunks, { plan })), failure: undefined }
  } catch (error) {
    const { output, code } = error as BywashError & { output: readonly unknown[] }
    return { values: json(output), failure: code.replace('ERR_BYWASH_', '') }
  }
}

const INCOMPLETE = Symbol('incomplete')

/** A second, slow reading of one value, by recursion over the whole input: gives the value and the rest. */
function readValue(input: string, depth: number): readonly [unknown, string] {
  const end = input.indexOf('\r\n')
  if (end === -1) throw INCOMPLETE
  const text = input.slice(1, end)
  let rest = input.slice(end + 2)
  const number = (pattern: RegExp) => {
    if (!pattern.test(text)) throw new Error('no number')
    return Number(text)
  }
  switch (input[0]) {
    case '+':
    case '-':
      if (/[\r\n]/.test(text)) throw new Error('line')
      return [input[0] === '+' ? text : { error: text }, rest]
    case ':':
      return [number(/^[+-]?\d{1,19}$/), rest]
    case '$': {
      const length = number(/^(-1|\d{1,10})$/)
      if (length === -1) return [null, rest]
      if (rest.length < length + 2) throw INCOMPLETE
      if (rest.slice(length, length + 2) !== '\r\n') throw new Error('end')
      return [rest.slice(0, length), rest.slice(length + 2)]
    }
    case '*': {
      const length = number(/^(-1|\d{1,10})$/)
      if (length === -1) return [null, rest]
      if (depth === 3) throw new Error('depth')
      const items: unknown[] = []
      while (items.length < length) {
        const [item, after] = readValue(rest, depth + 1)
        items.push(item)
        rest = after
      }
      return [items, rest]
    }
    default:
      throw new Error('type')
  }
}

function reference(input: string, partial: 'error' | 'drop', inline: boolean) {
  const values: unknown[] = []
  const done = (failure?: string) => ({ values: JSON.stringify(values), failure })
  for (let rest = input; rest !== ''; ) {
    try {
      if (!/^[-+:$*]/.test(rest)) {
        if (!inline) return done('INVALID_FRAME')
        const end = rest.indexOf('\n')
        if (end === -1) throw INCOMPLETE
        const words = rest.slice(0, end).split(/\s+/).filter(Boolean)
        if (words.length > 0) values.push(words)
        rest = rest.slice(end + 1)
        continue
      }
      const [value, after] = readValue(rest, 0)
      values.push(value)
      rest = after
    } catch (error) {
      return done(error === INCOMPLETE && partial === 'drop' ? undefined : 'INVALID_FRAME')
    }
  }
  return done()
}

for (const plan of PLANS) {
  t.test(`${plan}: the examples of the specification, for every cut`, async t => {
    for (const [wire, value] of EXAMPLES) {
      for (const chunks of chunkings(wire + wire, { random: 2 })) {
        t.strictSame(await decoded({}, chunks, plan), { values: json([value, value]), failure: undefined })
      }
    }
  })

  t.test(`${plan}: agrees with a recursive reading of the whole input, for any cut`, async () => {
    const piece = fc.constantFrom(
      '+OK\r\n',
      '-E\r\n',
      ':1\r\n',
      ':x\r\n',
      '$1\r\na\r\n',
      '$-1\r\n',
      '$2\r\na\r\n',
      '*-1\r\n',
      '*0\r\n',
      '*1\r\n',
      '*2\r\n',
      '*3\r\n',
      'a b\r\n',
      'c\n',
      '\r\n',
      '\n',
      '\r',
      '*',
      '$',
      '1',
      '-',
    )
    const input = fc.array(piece, { maxLength: 10 }).map(pieces => pieces.join(''))
    await fc.assert(
      fc.asyncProperty(
        input,
        fc.constantFrom('error' as const, 'drop' as const),
        fc.boolean(),
        fc.nat(0xffff),
        async (input, partial, inline, seed) => {
          const expected = JSON.stringify(reference(input, partial, inline))
          for (const chunks of chunkings(input, { seed, random: 2 })) {
            const got = JSON.stringify(await decoded({ partial, inline, maxDepth: 3 }, chunks, plan))
            if (got !== expected)
              throw new Error(`${JSON.stringify(input)}: got ${got}, expected ${expected}`)
          }
        },
      ),
      { numRuns: runs(500) },
    )
  })

  t.test(`${plan}: what toResp() wrote comes back, for every cut`, async () => {
    const { value } = fc.letrec<{ value: RespValue | null }>(tie => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string({ unit: 'grapheme', maxLength: 8 }),
        fc.uint8Array({ maxLength: 8 }).map(bytes => Buffer.from(bytes)),
        fc.integer(),
        fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
        fc.constantFrom(null, new RespError('ERR no')),
        fc.array(tie('value') as fc.Arbitrary<RespValue>, { maxLength: 4 }),
      ),
    }))
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 4 }), fc.boolean(), async (values, isSimple) => {
        const sent = values.map(value => value ?? respNull)
        const strings = isSimple ? 'simple' : 'bulk'
        const encoded = Buffer.concat(await runStage(toResp({ strings }), sent, { plan }))
        // A text that has a line end in it is a bulk string in any case.
        const comesAs = (value: RespValue | null): RespValue | null => {
          if (Array.isArray(value)) return value.map(comesAs) as readonly RespValue[]
          const isBulk = typeof value === 'string' && (!isSimple || /[\r\n]/.test(value))
          return isBulk ? Buffer.from(value) : value
        }
        const expected = json(sent.map(comesAs))
        for (const chunks of [...chunkings(encoded, { random: 2 })].slice(-4)) {
          const got = await decoded({ bulk: 'buffer', inline: false }, chunks, plan)
          if (got.values !== expected) throw new Error(`${got.values} in place of ${expected}`)
        }
      }),
      { numRuns: runs(200) },
    )
  })

  t.test(`${plan}: the words of an inline command are text or Buffers, as bulk strings are`, async t => {
    const command = [Buffer.from('GET é\n')]
    t.equal(
      (await decoded({ bulk: 'buffer' }, command, plan)).values,
      json([[Buffer.from('GET'), Buffer.from('é')]]),
    )
    t.equal((await decoded({}, command, plan)).values, json([['GET', 'é']]))
  })

  t.test(`${plan}: with Buffers for bulk strings every value is written again as it came`, async t => {
    const same = pipeline()
      .through(resp({ bulk: 'buffer' }))
      .through(toResp({ strings: 'simple' }))
    for (const [wire] of EXAMPLES.filter(([wire]) => /^[-+:$*]/.test(wire) && wire !== '*-1\r\n')) {
      const output = await runStage(same, [Buffer.from(wire)], { plan })
      t.equal(Buffer.concat(output).toString(), wire)
    }
  })

  t.test(`${plan}: what breaks the rules ends the connection behind the values before it`, async t => {
    const wrong: readonly [string, RegExp, RespOptions?][] = [
      ['$x\r\n', /a length of it is not a number/],
      ['$-2\r\n', /a length of it is not a number/],
      ['*1e3\r\n', /a length of it is not a number/],
      ['$1\r\nab\r\n', /its bulk string is longer than its length/],
      ['$1\r\na\n\n', /its bulk string is longer than its length/],
      [':1.5\r\n', /an integer of it is not a number/],
      [':\r\n', /an integer of it is not a number/],
      [':9223372036854775808\r\n', /an integer of it is over 64 bits/],
      ['+a\nb\r\n', /a line of it has a CR or an LF in it/],
      ['-a\rb\r\n', /a line of it has a CR or an LF in it/],
      ['*1\r\nPING\r\n', /an element begins with none of/],
      ['*1\r\n\r\n', /an element begins with none of/],
      ['PING\r\n', /it begins with none of/, { inline: false }],
      ['SET "a\r\n', /the quotes of its inline command are unbalanced/],
      ['*2\r\n', /its arrays have more than 1 elements \('maxElements'\)/, { maxElements: 1 }],
      ['*1\r\n*1\r\n', /its arrays have more than 1 elements/, { maxElements: 1 }],
      ['a b\n', /its arrays have more than 1 elements/, { maxElements: 1 }],
      ['*1\r\n*1\r\n', /more than 1 arrays stand in one another \('maxDepth'\)/, { maxDepth: 1 }],
      ['*4000000000\r\n', /more than 65536 elements/],
      ['*2\r\n:1\r\n', /the input ended inside it/],
    ]
    for (const [input, message, options] of wrong) {
      for (const chunks of chunkings(`+OK\r\n${input}`, { random: 1 })) {
        await t.rejects(
          runStage(resp(options), chunks, { plan }),
          { code: 'ERR_BYWASH_INVALID_FRAME', stage: 'resp', message, output: ['OK'] },
          input,
        )
      }
    }
    const announced = await decoded({ maxLength: 100 }, [Buffer.from('+OK\r\n$1000\r\n')], plan)
    t.strictSame(announced, { values: '["OK"]', failure: 'FRAME_TOO_LONG' }, 'when its length is known')
    const many = await decoded({ maxLength: 10 }, [Buffer.from('*2\r\n:1\r\n:1\r\n')], plan)
    t.strictSame(many, { values: '[]', failure: 'FRAME_TOO_LONG' }, 'the limit is that of the whole frame')
  })

  t.test(`${plan}: toResp refuses what RESP cannot say`, async t => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    for (const [value, message] of [
      [1.5, /1\.5, which is no integer/],
      [Number.NaN, /NaN, which is no integer/],
      [1e20, /100000000000000000000, which is over 64 bits/],
      [2n ** 63n, /which is over 64 bits/],
      [true, /was given what RESP cannot say: true/],
      [{}, /an object/],
      [[undefined], /undefined/],
      [new RespError('a\r\nb'), /an error with CR or LF in its message/],
      [cycle, /more than 1000 arrays in one another/],
    ] as [RespValue, RegExp][]) {
      await t.rejects(runStage(toResp(), ['a', value], { plan }), {
        code: 'ERR_BYWASH_STAGE',
        stage: 'toResp',
        message,
        output: [Buffer.from('$1\r\na\r\n')],
      })
    }
  })

  t.test(`${plan}: a server of a few commands, whose commands come in any cut`, async t => {
    const store = new Map<string, string>()
    const answer = (command: RespValue): RespValue => {
      const [name, key = '', value = ''] = command as readonly string[]
      if (name === 'SET') store.set(key, value)
      if (name === 'GET') return store.get(key) ?? respNull
      return name === 'SET' ? Buffer.from('OK') : new RespError('ERR unknown command')
    }
    const server = pipeline()
      .through(resp())
      .through(map<RespValue, RespValue>('answer', answer, { accepts: 'value', emits: 'value' }))
      .through(toResp())
    const input = '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\nGET a\r\nGET "b"\r\nFLY\r\n'
    for (const chunks of chunkings(input, { random: 2 })) {
      const output = Buffer.concat(await runStage(server, chunks, { plan })).toString()
      t.equal(output, '$2\r\nOK\r\n$2\r\n\r\n\r\n$-1\r\n-ERR unknown command\r\n')
    }
  })
}

t.test('inline commands are split as Redis splits them', t => {
  const split = (line: string, words: readonly string[] | undefined) =>
    t.strictSame(splitInlineCommand(line), words, line)
  split('', [])
  split(' \t\r', [])
  split('SET  a b\r', ['SET', 'a', 'b'])
  split('SET "a b" \'c "d\'', ['SET', 'a b', 'c "d'])
  split(String.raw`"\n\r\t\b\a\x41\xZZ\"\\\q"`, ['\n\r\t\b\x07AxZZ"\\q'])
  split(String.raw`'it\'s' '\n'`, ["it's", String.raw`\n`])
  split('a"b"', ['ab'])
  split('""', [''])
  for (const line of ['"a', "'a", '"a"b', "'a'b", '"a\\', String.raw`"a\"`, '"a""b"']) split(line, undefined)
  t.end()
})

t.test('an error and a null are JSON', t => {
  t.equal(JSON.stringify([new RespError('ERR no'), respNull]), '[{"error":"ERR no"},null]')
  t.end()
})

t.test('a dribbled frame is copied a number of times that does not grow with its length', async t => {
  for (const wire of [`$30000\r\n${'x'.repeat(30_000)}\r\n`, `*3000\r\n${':1\r\n'.repeat(3_000)}`]) {
    const bytes = await copied(() => runStage(resp(), dribble(wire)))
    t.ok(bytes <= 4 * wire.length, `${bytes} of ${wire.length}`)
  }
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp, make: (options: object) => unknown = resp) =>
    t.throws(() => make(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ version: 3 }, /resp\(\) has no option 'version'. It takes bulk, inline, maxDepth/)
  refused({ bulk: 'string' }, /'bulk' is one of "text", "buffer"/)
  refused({ maxDepth: 0 }, /'maxDepth' is a whole number, from 1 to 1000/)
  refused({ maxElements: 0 }, /'maxElements' is a whole number, from 1/)
  refused({ inline: 1 }, /'inline' is true or false/)
  refused({ strings: 'auto' }, /toResp\(\): 'strings' is one of "bulk", "simple"/, toResp)
})
