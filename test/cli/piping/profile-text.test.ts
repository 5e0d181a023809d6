import fc from 'fast-check'
import t from 'tap'
import { profileText } from '../../../lib/cli/piping/profile-text.js'
import type { Profile, ProfiledStage } from '../../../lib/status/profile.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { runs } from '../../runs.js'

const STAGE: ProfiledStage = {
  index: 0,
  name: 'lookup',
  stages: ['lookup'],
  runs: null,
  errors: 0,
  itemTime: { median: 0.004, p99: 1.5, samples: 12 },
  in: { items: 12_345, bytes: 67_108_864 },
  out: { items: 2, bytes: 10 },
  ownTime: 1_234,
  shares: { busy: 0.93, blocked: 0.02, starved: 0.05 },
  activeShares: null,
  heldAtMost: { items: 3, bytes: 2_048 },
}

const PROFILE: Profile = {
  duration: 2_345,
  bytesIn: 67_108_864,
  bytesOut: 10,
  stages: [STAGE],
  culprit: { kind: 'stage', stage: 0, text: "stage 'lookup' is busy 93 % of the time" },
}

t.test('draws tables where there is room, and else writes the figures one after the other', async t => {
  t.equal(
    profileText(PROFILE, 80),
    `Ran 2 s: 64 MiB in, 10 B out
Slowest: stage 'lookup' is busy 93 % of the time

STAGE                          time     busy  blocked  starved   median      p99
lookup                          1 s     93 %      2 %      5 %     4 µs   1.5 ms

STAGE                                     in               out      held at most
lookup                        12.3k (64 MiB)          2 (10 B)         3 (2 KiB)
`,
  )
  t.equal(
    profileText(PROFILE, 40),
    `Ran 2 s: 64 MiB in, 10 B out
Slowest: stage 'lookup' is busy 93 % of
the time

lookup
  time 1 s, busy 93 %, blocked 2 %,
  starved 5 %, median 4 µs, p99 1.5 ms,
  in 12.3k (64 MiB), out 2 (10 B), held
  at most 3 (2 KiB)
`,
  )
})

t.test('says what is missing, and who else is slow', async t => {
  const untimed = { ...STAGE, ownTime: null, shares: null, itemTime: null, errors: 2 }
  const once = { ...STAGE, shares: null, itemTime: null, errors: 1 }
  for (const width of [40, 80]) {
    const unknown = profileText({ ...PROFILE, stages: [untimed, STAGE] }, width)
    t.match(unknown, /Slowest: a stage runs as a stream, so\snothing is timed\n/)
    t.notMatch(unknown, /starved/)
    t.match(unknown, /2 errors/)
    t.match(profileText({ ...PROFILE, stages: [once] }, width), /1 error\n/)
    for (const [kind, text] of [
      ['client', 'the output is not taken fast enough'],
      ['input', 'the input does not come fast enough'],
      ['unknown', 'nothing was timed'],
    ] as const) {
      const profile = { ...PROFILE, stages: [], culprit: { kind, stage: null, text: '' } }
      t.equal(
        profileText(profile, width).replace(/\s+/g, ' '),
        `Ran 2 s: 64 MiB in, 10 B out Slowest: ${text} `,
      )
    }
  }
})

t.test('fits any terminal, whatever the names and figures are', async _t => {
  const amount = fc.record({ items: fc.nat(), bytes: fc.nat() })
  // Times of more than a hundred hours have no room.
  const time = fc.nat({ max: 350_000_000 })
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const stage = fc.record({
    ...(Object.fromEntries(
      Object.entries(STAGE).map(([name, value]) => [name, fc.constant(value)]),
    ) as unknown as { [Name in keyof ProfiledStage]: fc.Arbitrary<ProfiledStage[Name]> }),
    name: fc.string({ maxLength: 12, unit: ANY_CHARACTER }),
    errors: fc.nat(),
    itemTime: fc.option(fc.record({ median: time, p99: time, samples: fc.nat() })),
    in: amount,
    out: amount,
    ownTime: fc.option(time),
    shares: fc.option(fc.record({ busy: share, blocked: share, starved: share })),
    heldAtMost: amount,
  })
  const property = fc.property(
    fc.array(stage, { maxLength: 4 }),
    fc.integer({ min: 40, max: 200 }),
    (stages, width) => {
      const lines = profileText({ ...PROFILE, stages, culprit: PROFILE.culprit }, width).split('\n')
      return lines.every(line => line.length <= width && /^[ -~µ…]*$/.test(line))
    },
  )
  fc.assert(property, { numRuns: runs(60) })
})
