import { PassThrough } from 'node:stream'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { type Frame, pipeline, RespError, respNull, type Stage } from '../../lib/index.js'
import type { AnyStage } from '../../lib/stage.js'
import * as stages from '../../lib/stages/index.js'
import { checkStage, type Example } from '../../lib/testing/index.js'
import { localStages } from '../fuzz/local-stages.js'
import { RUNS_ALL } from '../runs.js'

const invalid = 'ERR_BYWASH_INVALID_FRAME'
const tooLong = 'ERR_BYWASH_FRAME_TOO_LONG'

/** A stage, or what makes it, with the parameters it is made with and what it makes of its input. */
interface Row {
  readonly of: Stage<unknown, unknown> | ((...parameters: never[]) => Stage<unknown, unknown>)
  readonly with: readonly unknown[]
  readonly examples: readonly Example<unknown, unknown>[]
}

/** One row. The types are checked here, where it is known what the stage takes and gives. */
function row<In, Out>(
  of: (...parameters: never[]) => Stage<In, Out>,
  parameters: readonly unknown[],
  ...examples: readonly Example<NoInfer<In>, NoInfer<Out>>[]
): Row {
  return { of, with: parameters, examples } as unknown as Row
}

/** How it compresses depends on when its input comes; what can be read from it does not. */
function gzip() {
  return pipeline().through(stages.gzip()).through(stages.gunzip())
}

function frames(...texts: string[]): Buffer[] {
  return texts.map(text => Buffer.from(text))
}

/** The fields that a message of syslog may have, where it has none of them. */
const NOTHING = {
  timestamp: undefined,
  hostname: undefined,
  appName: undefined,
  procId: undefined,
  msgId: undefined,
  structuredData: {},
}

/** Every stage, in the order of lib/stages/index.ts: add a row for each of its options that changes what comes out. */
const ROWS: readonly Row[] = [
  row(stages.broadcast<string>, [], { input: ['a', 'b'], output: [] }),
  row(stages.counter<Buffer>, [], { input: 'a\nb', output: 'a\nb' }),
  row(stages.counter<string>, [{ onOpen: () => {} }], { input: ['a', ''], output: ['a', ''] }),
  row(stages.toDelimited, ['\r\n'], { input: frames('ab', '', '\r'), output: 'ab\r\n\r\n\r\r\n' }),
  row(
    stages.delimited,
    [{ delimiters: ['|', '||', '\r\n'] }],
    { input: 'é|b||c\r\n\r|', output: frames('é', 'b', 'c', '\r') },
    { input: 'tail', output: frames('tail') },
  ),
  row(
    stages.delimited,
    [{ delimiters: '--', maxLength: 3 }],
    { input: 'abc--abcd--', output: frames('abc'), error: tooLong },
    { input: 'a---b', output: frames('a', '-b') },
  ),
  row(
    stages.delimited,
    [{ delimiters: '--', maxLength: 3, overflow: 'report', partial: 'drop', keep: true }],
    {
      input: 'abc--abcde--a--b',
      output: frames('abc--', 'a--'),
      reports: [tooLong],
    },
  ),
  row(stages.discard<string>, [], { input: ['a', 'b'], output: '' }),
  row(
    stages.fixedLength,
    [2],
    { input: 'abcd', output: frames('ab', 'cd') },
    { input: 'abc', output: frames('ab'), error: invalid },
  ),
  row(
    stages.fromBase64,
    [],
    { input: 'aGVsbG8=', output: 'hello' },
    { input: 'aGVs!aaa', output: 'hel', error: invalid },
  ),
  row(
    stages.fromHex,
    [],
    { input: '68656C6c6f', output: 'hello' },
    { input: '6865x', output: 'he', error: invalid },
  ),
  row(stages.grep, ['a.'], { input: ['a.b', 'ab', 'ca.'], output: ['a.b', 'ca.'] }),
  row(stages.gunzip, [], { input: gzipSync('hello'), output: 'hello' }),
  row(gzip, [], { input: 'hello', output: 'hello' }),
  row(
    stages.jsonLines,
    [],
    { input: ['{"a":[1]}', '2'], output: [{ a: [1] }, 2] },
    { input: ['1', 'x'], output: [1], error: invalid },
  ),
  row(stages.jsonLines, [{ invalid: 'report' }], {
    input: ['1', 'x', '2'],
    output: [1, 2],
    reports: [invalid],
  }),
  row(
    stages.lengthPrefixed,
    [{ width: 2, maxLength: 5 }],
    {
      input: Buffer.from('000568656c6c6f00000001ff', 'hex'),
      output: [Buffer.from('hello'), Buffer.alloc(0), Buffer.of(255)],
    },
    { input: Buffer.from('0001610006', 'hex'), output: frames('a'), error: tooLong },
    { input: Buffer.from('00016100', 'hex'), output: frames('a'), error: invalid },
  ),
  row(stages.lengthPrefixed, [{ width: 'varint', maxLength: 300 }], {
    input: Buffer.concat([Buffer.from('c801', 'hex'), Buffer.alloc(200, 'a'), Buffer.of(1, 0x62)]),
    output: frames('a'.repeat(200), 'b'),
  }),
  row(
    stages.lengthPrefixed,
    [
      {
        width: 4,
        order: 'little',
        offset: 1,
        adjustment: 1,
        includesItself: true,
        overflow: 'skip',
        maxLength: 2,
        strip: 5,
      },
    ],
    {
      input: Buffer.from('ff050000006161' + 'ff09000000626364656667', 'hex'),
      output: frames('aa'),
    },
  ),
  row(stages.lengthPrefixed, [{ offset: 1, width: 1, keepHeader: true, maxLength: 3 }], {
    input: Buffer.from('T\x02hiT\x00T\x03abc'),
    output: frames('Thi', 'T'),
    error: tooLong,
  }),
  row(
    stages.lines,
    [],
    { input: 'héllo\r\n€\r\r\n\n\nbye', output: ['héllo', '€\r', '', '', 'bye'] },
    { input: '', output: [] },
  ),
  row(stages.lines, [{ delimiter: '\n' }], { input: 'a\r\nb\n', output: ['a\r', 'b'] }),
  row(stages.lines, [{ delimiter: '\r\n' }], { input: 'a\nb\rc\r\r\nd', output: ['a\nb\rc\r', 'd'] }),
  row(stages.lines, [{ delimiter: '\r\n', bare: 'error' }], {
    input: 'a\r\nb\nc\r\n',
    output: ['a'],
    error: invalid,
  }),
  row(stages.lines, [{ keep: true }], { input: 'a\r\nb\nc', output: ['a\r\n', 'b\n', 'c'] }),
  row(stages.lines, [{ encoding: 'latin1' }], { input: Buffer.from('ff0ac3a9', 'hex'), output: ['ÿ', 'Ã©'] }),
  row<Buffer, Frame>(stages.lines as never, [{ encoding: 'buffer' }], {
    input: 'a\né',
    output: frames('a', 'é'),
  }),
  row(stages.lines, [{ invalid: 'report' }], {
    input: Buffer.from('610aff0a62', 'hex'),
    output: ['a', 'b'],
    reports: ['ERR_BYWASH_INVALID_UTF8'],
  }),
  row(stages.lines, [{ partial: 'drop' }], { input: 'a\nb', output: ['a'] }),
  row(stages.lines, [{ partial: 'error' }], { input: 'a\nb', output: ['a'], error: invalid }),
  row(
    stages.lines,
    [{ maxLength: 3 }],
    { input: 'abc\r\nabcd\r\nab\r\n', output: ['abc'], error: tooLong },
    { input: 'abc\nabcd', output: ['abc'], error: tooLong },
  ),
  row(stages.lines, [{ maxLength: 3, overflow: 'truncate' }], {
    input: 'abcd\nab€\nabc\n',
    output: ['abc', 'ab', 'abc'],
  }),
  row(stages.lines, [{ maxLength: 3, overflow: 'skip' }], { input: 'abcd\nab\nabcde', output: ['ab'] }),
  row(stages.lines, [{ maxLength: 3, overflow: 'report' }], {
    input: 'abcd\nab\n',
    output: ['ab'],
    reports: [tooLong],
  }),
  row(stages.lines, [{ profile: 'go' }], { input: 'a\r\nb\n\r', output: ['a', 'b', ''] }),
  row(stages.lines, [{ profile: 'netty', maxLength: 2 }], {
    input: 'a\r\nabc\nb\n\r',
    output: ['a', 'b'],
    reports: [tooLong],
  }),
  row(stages.lines, [{ profile: 'tokio', maxLength: 2 }], {
    input: 'a\r\nabc\nb\n\r',
    output: ['a', 'b'],
    reports: [tooLong],
  }),
  row(stages.lines, [{ profile: 'twisted' }], { input: 'a\nb\r\nc', output: ['a\nb'] }),
  row(stages.lines, [{ profile: 'erlang', maxLength: 4 }], {
    input: 'abcdef\r\nend',
    output: ['abcd', 'ef\r\n'],
  }),
  row(stages.lines, [{ profile: 'split2' }], { input: 'a\r\n\nb\r', output: ['a', '', 'b\r'] }),
  row(stages.lowercase, [], { input: ['ABC', 'NÉ', ''], output: ['abc', 'nÉ', ''] }),
  row(stages.lowercase, [{ mode: 'unicode' }], { input: ['NÉ'], output: ['né'] }),
  row(
    stages.mllp,
    [{ maxLength: 6 }],
    { input: '\va\rb\x1c\r\v\x1c\r', output: frames('a\rb', '') },
    { input: '\va\x1c\r\vabcd\x1c\r', output: frames('a'), error: tooLong },
    { input: '\va\x1c\rb', output: frames('a'), error: invalid },
  ),
  row(
    stages.netstring,
    [{ maxLength: 5 }],
    { input: '5:hello,0:,', output: frames('hello', '') },
    { input: '1:a,6:', output: frames('a'), error: tooLong },
    { input: '1:a,01:', output: frames('a'), error: invalid },
  ),
  row(stages.number, [], { input: ['a', 'b'], output: ['1: a', '2: b'] }),
  row(
    stages.octetCounted,
    [{ maxLength: 6 }],
    { input: '2 <1a\r\n\n3 b\nc', output: frames('<1', 'a', 'b\nc') },
    { input: '1 a5 ', output: frames('a'), error: tooLong },
    { input: 'a\n01 ', output: frames('a'), error: invalid },
  ),
  row(stages.prefix, ['> '], { input: ['a', ''], output: ['> a', '> '] }),
  row(stages.toLengthPrefixed, [{ width: 1 }], {
    input: frames('hi', ''),
    output: Buffer.from('\x02hi\x00'),
  }),
  row(stages.toLengthPrefixed, [{ offset: 1, width: 2, includesItself: true, adjustment: -1 }], {
    input: frames('Thi', 'T'),
    output: Buffer.from('T\x00\x05hiT\x00\x03'),
  }),
  row(stages.replace, ['a.', '$&'], { input: ['a.b.a.', 'aa..'], output: ['$&b.$&', 'a$&.'] }),
  row(
    stages.resp,
    [{ maxLength: 20 }],
    {
      input: '*2\r\n$1\r\na\r\n:1\r\n-ERR é\r\n$-1\r\nGET k\n',
      output: [['a', 1], new RespError('ERR é'), respNull, ['GET', 'k']],
    },
    { input: '+a\r\n$20\r\n', output: ['a'], error: tooLong },
    { input: '+a\r\n*x\r\n', output: ['a'], error: invalid },
    { input: '+a\r\n*1\r\n', output: ['a'], error: invalid },
  ),
  row(stages.resp, [{ bulk: 'buffer', inline: false }], {
    input: '*1\r\n$1\r\na\r\nGET',
    output: [frames('a')],
    error: invalid,
  }),
  row(stages.skip<string>, [2], { input: ['a', 'b', 'c'], output: ['c'] }),
  row(
    stages.slip,
    [],
    {
      input: Buffer.from('c061dbdcc0c0dbddc0', 'hex'),
      output: [Buffer.from('61c0', 'hex'), Buffer.of(0xdb)],
    },
    { input: Buffer.from('61c0db61c0', 'hex'), output: frames('a'), error: invalid },
  ),
  row(
    stages.syslog,
    [],
    {
      input: frames('<34>1 - host su - ID47 [a@1 b="c"] text', 'text'),
      output: [
        {
          ...NOTHING,
          format: 'rfc5424',
          facility: 4,
          severity: 2,
          hostname: 'host',
          appName: 'su',
          msgId: 'ID47',
          structuredData: { 'a@1': { b: 'c' } },
          message: 'text',
        },
        { ...NOTHING, format: 'rfc3164', facility: 1, severity: 5, message: 'text' },
      ],
    },
    {
      input: frames('a', '<34>1 b'),
      output: [{ ...NOTHING, format: 'rfc3164', facility: 1, severity: 5, message: 'a' }],
      error: invalid,
    },
  ),
  row(stages.syslog, [{ invalid: 'report' }], { input: frames('<34>1 b'), output: [], reports: [invalid] }),
  row(stages.take<string>, [2], { input: ['a', 'b', 'c'], output: ['a', 'b'] }),
  row<Buffer, Buffer>(stages.tee, [{ to: new PassThrough().resume() }], { input: 'abc', output: 'abc' }),
  row<Buffer, Buffer>(stages.throttle as never, [{ bytesPerSecond: 100, burst: 2 }], {
    input: 'hello',
    output: 'hello',
  }),
  row(stages.toBase64, [], { input: 'hello', output: 'aGVsbG8=' }),
  row(stages.toFixedLength, [2], { input: frames('ab', 'cd'), output: 'abcd' }),
  row(stages.toHex, [], { input: 'hello', output: '68656c6c6f' }),
  row(stages.toJsonLines, [], { input: [{ a: '\n' }, 1], output: ['{"a":"\\n"}', '1'] }),
  row(stages.toMllp, [], { input: frames('a', ''), output: '\va\x1c\r\v\x1c\r' }),
  row(stages.toNetstring, [], { input: frames('hello', ''), output: '5:hello,0:,' }),
  row(stages.toOctetCounted, [], { input: frames('<1>ab', '\n'), output: '5 <1>ab1 \n' }),
  row(stages.toResp, [], {
    input: [['a', 1, null, Buffer.from('é')], respNull, new RespError('ERR no')],
    output: '*4\r\n$1\r\na\r\n:1\r\n$-1\r\n$2\r\né\r\n$-1\r\n-ERR no\r\n',
  }),
  row(stages.toResp, [{ strings: 'simple' }], { input: ['OK', 'a\nb'], output: '+OK\r\n$3\r\na\nb\r\n' }),
  row(stages.toSlip, [{ leadingEnd: false }], {
    input: [Buffer.from('61c0db', 'hex')],
    output: Buffer.from('61dbdcdbddc0', 'hex'),
  }),
  row(stages.trim, [], { input: ['\t a  b \r', ''], output: ['a  b', ''] }),
  row(stages.toLines, [], { input: ['a', 'é', ''], output: 'a\né\n\n' }),
  row(stages.toLines, [{ delimiter: '\r\n', encoding: 'latin1' }], {
    input: ['a', 'é'],
    output: Buffer.from('a\r\né\r\n', 'latin1'),
  }),
  row(stages.uppercase, [], { input: ['abc', 'né', '', 'ß'], output: ['ABC', 'Né', '', 'ß'] }),
  row(stages.uppercase, [{ mode: 'unicode' }], { input: ['né'], output: ['NÉ'] }),
  row(stages.welcome, ['Hi!\n'], { input: 'abc', output: 'Hi!\nabc' }, { input: '', output: 'Hi!\n' }),
]

/**
 * The bytes that a stage may hold: without end for most rows in `npm test`, which leaves out the laws that take longest, but for
 * the first stage of each family, from one kind of item to another.
 */
function heldBy(stage: AnyStage, families: Set<string>): number {
  const family = `${stage.accepts} ${stage.emits}`
  const held = RUNS_ALL || !families.has(family) ? 131_072 : Number.POSITIVE_INFINITY
  families.add(family)
  return held
}

const families = new Set<string>()
for (const { of, with: parameters, examples } of ROWS) {
  const held = heldBy((of as (...given: readonly unknown[]) => AnyStage)(...parameters), families)
  t.test(`${of.name}(${inspect(parameters, { depth: 1 }).slice(1, -1).trim()}) obeys the laws`, async t => {
    // Whether a stage goes on at all, and not how soon on a busy machine.
    await checkStage(of, examples, { parameters, held, random: RUNS_ALL ? 20 : 3, timeout: 120_000 })
    t.pass('on both plans')
  })
}

t.test(
  'a stage asks for the address of its client only where it may hand the connection to a function',
  async t => {
    const made = ROWS.map(({ of, with: parameters }) =>
      (of as (...given: readonly unknown[]) => AnyStage)(...parameters),
    )
    const asking = new Set(
      made
        .flatMap(each => each.stages ?? [each])
        .filter(({ asks }) => asks !== false)
        .map(({ name }) => name),
    )
    t.strictSame([...asking].sort(), ['counter', 'jsonLines', 'tee'])
  },
)

t.test('every stage is in the table', async t => {
  const checked = new Set(ROWS.map(({ of }) => of.name))
  // That of another server or program has tests of its own, since its output is made elsewhere.
  t.strictSame([...checked].sort(), [...localStages.keys()].sort())
})
