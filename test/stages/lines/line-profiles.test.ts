import t from 'tap'
import { type LineProfile, type LinesOptions, lines, type Stage } from '../../../lib/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { RUNS_ALL } from '../../runs.js'

const REPORTED = 'ERR_BYWASH_FRAME_TOO_LONG, and on'
const FAILED = 'ERR_BYWASH_FRAME_TOO_LONG, the end'

/**
 * What each peer makes of an input with a limit of 4 (split2, whose own limit depends on how the input was cut,
 * without one): the lines, and then its faults. Those of Twisted 26.4 and split2 4.2 are their output; those of the
 * others follow their sources step by step.
 */
const VECTORS: readonly [string, Record<LineProfile, readonly string[]>][] = [
  ['', { go: [], netty: [], tokio: [], twisted: [], erlang: [], split2: [] }],
  ['\n', { go: [''], netty: [''], tokio: [''], twisted: [], erlang: ['\n'], split2: [''] }],
  ['\r\n', { go: [''], netty: [''], tokio: [''], twisted: [''], erlang: ['\r\n'], split2: [''] }],
  [
    '\n\na\n',
    {
      go: ['', '', 'a'],
      netty: ['', '', 'a'],
      tokio: ['', '', 'a'],
      twisted: [],
      erlang: ['\n', '\n', 'a\n'],
      split2: ['', '', 'a'],
    },
  ],
  [
    'ab\r\ncd\n',
    {
      go: ['ab', 'cd'],
      netty: ['ab', 'cd'],
      tokio: ['ab', 'cd'],
      twisted: ['ab'],
      erlang: ['ab\r\n', 'cd\n'],
      split2: ['ab', 'cd'],
    },
  ],
  [
    'a\r\r\ncd\r\n',
    {
      go: ['a\r', 'cd'],
      netty: ['a\r', 'cd'],
      tokio: ['a\r', 'cd'],
      twisted: ['a\r', 'cd'],
      erlang: ['a\r\r\n', 'cd\r\n'],
      split2: ['a\r', 'cd'],
    },
  ],
  [
    'ab\r\r\ncd\r\n',
    {
      go: [FAILED],
      netty: ['ab\r', 'cd'],
      tokio: ['ab\r', 'cd'],
      twisted: ['ab\r', 'cd'],
      erlang: ['ab\r\r', '\n', 'cd\r\n'],
      split2: ['ab\r', 'cd'],
    },
  ],
  [
    'a\rb\r\n',
    {
      go: [FAILED],
      netty: ['a\rb'],
      tokio: ['a\rb'],
      twisted: ['a\rb'],
      erlang: ['a\rb\r', '\n'],
      split2: ['a\rb'],
    },
  ],
  [
    'ab\ncd',
    {
      go: ['ab', 'cd'],
      netty: ['ab'],
      tokio: ['ab', 'cd'],
      twisted: [],
      erlang: ['ab\n'],
      split2: ['ab', 'cd'],
    },
  ],
  [
    'ab\r\ncd',
    {
      go: ['ab', 'cd'],
      netty: ['ab'],
      tokio: ['ab', 'cd'],
      twisted: ['ab'],
      erlang: ['ab\r\n'],
      split2: ['ab', 'cd'],
    },
  ],
  ['ab\r', { go: ['ab'], netty: [], tokio: ['ab'], twisted: [], erlang: [], split2: ['ab\r'] }],
  ['\r', { go: [''], netty: [], tokio: [], twisted: [], erlang: [], split2: ['\r'] }],
  ['a\n\r', { go: ['a', ''], netty: ['a'], tokio: ['a'], twisted: [], erlang: ['a\n'], split2: ['a', '\r'] }],
  [
    'a\r\n\r',
    { go: ['a', ''], netty: ['a'], tokio: ['a'], twisted: ['a'], erlang: ['a\r\n'], split2: ['a', '\r'] },
  ],
  ['abc\n', { go: ['abc'], netty: ['abc'], tokio: ['abc'], twisted: [], erlang: ['abc\n'], split2: ['abc'] }],
  [
    'abc\r\n',
    {
      go: [FAILED],
      netty: ['abc'],
      tokio: ['abc'],
      twisted: ['abc'],
      erlang: ['abc\r', '\n'],
      split2: ['abc'],
    },
  ],
  [
    'abcd\n',
    { go: [FAILED], netty: ['abcd'], tokio: ['abcd'], twisted: [], erlang: ['abcd', '\n'], split2: ['abcd'] },
  ],
  [
    'abcd\r\n',
    {
      go: [FAILED],
      netty: ['abcd'],
      tokio: [REPORTED],
      twisted: ['abcd'],
      erlang: ['abcd', '\r\n'],
      split2: ['abcd'],
    },
  ],
  [
    'abcde\n',
    {
      go: [FAILED],
      netty: [REPORTED],
      tokio: [REPORTED],
      twisted: [FAILED],
      erlang: ['abcd', 'e\n'],
      split2: ['abcde'],
    },
  ],
  [
    'abcde\r\nok\r\n',
    {
      go: [FAILED],
      netty: ['ok', REPORTED],
      tokio: ['ok', REPORTED],
      twisted: [FAILED],
      erlang: ['abcd', 'e\r\n', 'ok\r\n'],
      split2: ['abcde', 'ok'],
    },
  ],
  [
    'abcdefghi\nok\n',
    {
      go: [FAILED],
      netty: ['ok', REPORTED],
      tokio: ['ok', REPORTED],
      twisted: [FAILED],
      erlang: ['abcd', 'efgh', 'i\n', 'ok\n'],
      split2: ['abcdefghi', 'ok'],
    },
  ],
  [
    'ok\nabcd',
    {
      go: ['ok', FAILED],
      netty: ['ok'],
      tokio: ['ok', 'abcd'],
      twisted: [FAILED],
      erlang: ['ok\n', 'abcd'],
      split2: ['ok', 'abcd'],
    },
  ],
  [
    'ok\r\nabcde',
    {
      go: ['ok', FAILED],
      netty: ['ok'],
      tokio: ['ok', REPORTED],
      twisted: ['ok'],
      erlang: ['ok\r\n', 'abcd'],
      split2: ['ok', 'abcde'],
    },
  ],
  [
    'ok\r\nabcdef',
    {
      go: ['ok', FAILED],
      netty: ['ok'],
      tokio: ['ok', REPORTED],
      twisted: ['ok', FAILED],
      erlang: ['ok\r\n', 'abcd'],
      split2: ['ok', 'abcdef'],
    },
  ],
  [
    'abcd\r',
    { go: [FAILED], netty: [], tokio: [REPORTED], twisted: [], erlang: ['abcd'], split2: ['abcd\r'] },
  ],
  ['abc\r', { go: [FAILED], netty: [], tokio: ['abc'], twisted: [], erlang: ['abc\r'], split2: ['abc\r'] }],
  [
    '\n\r\n\r',
    {
      go: ['', '', ''],
      netty: ['', ''],
      tokio: ['', ''],
      twisted: ['\n'],
      erlang: ['\n', '\r\n'],
      split2: ['', '', '\r'],
    },
  ],
]

async function run(options: LinesOptions, chunks: readonly Buffer[], plan: (typeof PLANS)[number]) {
  const faults: string[] = []
  const stage = lines(options as never) as unknown as Stage<Buffer, string | Buffer>
  try {
    const onError = ({ code }: { code: string }) => faults.push(`${code}, and on`)
    return [...(await runStage(stage, chunks, { plan, onError })).map(String), ...faults]
  } catch (error) {
    const { output, code } = error as { output: (string | Buffer)[]; code: string }
    return [...output.map(String), ...faults, `${code}, the end`]
  }
}

for (const plan of PLANS) {
  for (const profile of ['go', 'netty', 'tokio', 'twisted', 'erlang', 'split2'] as const) {
    t.test(`${plan}: profile ${profile} gives what the peer gives, however the bytes are cut`, async t => {
      const limit = profile === 'split2' ? {} : { maxLength: 4 }
      const differing: string[] = []
      for (const encoding of ['utf8', 'latin1', 'buffer'] as const) {
        for (const [input, vectors] of VECTORS) {
          for (const chunks of chunkings(input, { random: RUNS_ALL ? 5 : 1 })) {
            const got = JSON.stringify(await run({ profile, encoding, ...limit }, chunks, plan))
            const expected = JSON.stringify(vectors[profile])
            if (got !== expected)
              differing.push(`${chunks.map(String).join('|')}: ${got}, expected ${expected}`)
          }
        }
      }
      t.strictSame(differing, [])
    })
  }

  t.test(`${plan}: each profile has the limit of its peer, or ours`, async t => {
    const longest = { go: 65_535, netty: 65_536, tokio: 65_536, twisted: 16_384, split2: 65_536 } as const
    for (const [profile, length] of Object.entries(longest)) {
      const options = { profile: profile as LineProfile }
      const line = 'x'.repeat(length)
      t.strictSame(await run(options, [Buffer.from(`${line}${end(profile)}`)], plan), [line], profile)
      const over = await run(options, [Buffer.from(`${line}x${end(profile)}`)], plan)
      t.match(over, [/^ERR_BYWASH_FRAME_TOO_LONG/], profile)
    }
    const pieces = await run({ profile: 'erlang' }, [Buffer.from(`${'x'.repeat(3000)}\n`)], plan)
    t.strictSame(
      pieces.map(piece => piece.length),
      [1460, 1460, 81],
    )
  })

  t.test(`${plan}: tokio leaves out a line that is not UTF-8, and the others replace its bytes`, async t => {
    const input = [Buffer.from('a\nb\xff\nc\xff', 'latin1')]
    const faults = ['ERR_BYWASH_INVALID_UTF8, and on', 'ERR_BYWASH_INVALID_UTF8, and on']
    t.strictSame(await run({ profile: 'tokio' }, input, plan), ['a', ...faults])
    t.strictSame(await run({ profile: 'tokio', encoding: 'buffer' }, input, plan), [
      'a',
      'b\ufffd',
      'c\ufffd',
    ])
    t.strictSame(await run({ profile: 'go' }, input, plan), ['a', 'b\ufffd', 'c\ufffd'])
  })

  t.test(`${plan}: the smallest limits hold`, async t => {
    t.strictSame(await run({ profile: 'go', maxLength: 1 }, [Buffer.from('\n\na')], plan), ['', '', FAILED])
    t.strictSame(await run({ profile: 'erlang', maxLength: 1 }, [Buffer.from('ab\n')], plan), [
      'a',
      'b',
      '\n',
    ])
    t.strictSame(await run({ profile: 'tokio', maxLength: 1 }, [Buffer.from('a\nab\nb')], plan), [
      'a',
      'b',
      REPORTED,
    ])
  })
}

const end = (profile: string) => (profile === 'twisted' ? '\r\n' : '\n')

t.test('with a profile only maxLength and encoding may be given', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => lines(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ profile: 'perl' }, /'profile' is one of "split2", "go", "netty", .*; got "perl"/)
  refused({ profile: 'go', keep: true }, /'keep' is fixed by profile 'go', with which only maxLength and enc/)
  refused({ profile: 'go', partial: 'emit' }, /'partial' is fixed by profile 'go'/)
  refused({ profile: 'go', bare: 'data' }, /'bare' is fixed/)
  refused({ profile: 'go', maxLength: 0 }, /'maxLength' is a whole number/)
  refused({ profile: 'go', encoding: 'ascii' }, /'encoding' is one of/)
})
