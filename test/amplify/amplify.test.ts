import { tmpdir } from 'node:os'
import t from 'tap'
import { defineStage, map, stage } from '../../lib/index.js'
import { catalogue } from '../../lib/stages/catalogue.js'
import { localStages } from '../fuzz/local-stages.js'
import type { Factories } from '../fuzz/stage-list.js'
import { INPUTS, randomInputs, repeated } from './inputs.js'
import { search } from './search.js'
import { subjects } from './subjects.js'
import { tableOf } from './table.js'
import { broken, type Measured, type Worst } from './verdict.js'

const LINES = { accepts: 'line', emits: 'line' } as const
const BYTES = { accepts: 'bytes', emits: 'bytes' } as const

/** Takes several times as long for each byte as a stage may. */
const slow = defineStage({
  name: 'slow',
  summary: 'wastes time',
  ...LINES,
  memory: {},
  make: () =>
    map('slow', line => {
      let sum = 0
      for (let step = 0; step < 1000 * line.length; step++) sum = (sum * 31 + step) | 0
      return sum === 1 ? '' : line
    }),
})

const greedy = defineStage({
  name: 'greedy',
  summary: 'keeps all that comes',
  ...BYTES,
  memory: {},
  make: () =>
    stage<Buffer, Buffer>({
      name: 'greedy',
      ...BYTES,
      open: () => {
        const kept: Buffer[] = []
        return { transform: chunk => void kept.push(Buffer.from(chunk.toString('hex').repeat(4))) }
      },
    }),
})

/** Lines about limits without the figures, which differ. */
const kindsOf = (all: readonly Worst[]) => broken(all).map(line => line.replace(/ \d+ of .*/, ''))

async function searchFor(name: string, factory: unknown) {
  const factories = new Map([[name, factory]]) as Factories
  return search(factories, {
    seed: 1,
    inputs: INPUTS.slice(0, 1),
    randoms: 0,
    measuredBytes: 32_768,
    folder: tmpdir(),
  })
}

t.test('a stage that takes too long is found', async t => {
  t.match(kindsOf(await searchFor('slow', slow)), ['FAILED  slow time:'])
})

t.test('a stage that holds more than is stated is found', async t => {
  t.match(kindsOf(await searchFor('greedy', greedy)), ['FAILED  greedy memory:'])
})

t.test('a sound stage keeps within the limits', async t => {
  const [worst] = await searchFor('counter', catalogue.get('counter'))
  t.strictSame(broken([worst as Worst]), [])
  t.ok((worst as Worst).time, 'it was measured')
  t.ok((worst as Worst).memory)
})

t.test('every stage is measured with its defaults, and with each choice', async t => {
  const all = subjects(localStages)
  for (const name of localStages.keys())
    t.ok(
      all.some(({ stage }) => stage === name),
      name,
    )
  t.ok(all.some(({ title }) => title === 'jsonLines (invalid: "report")'))
  t.ok(all.some(({ title }) => title === 'fixedLength (length: 1, partial: "drop")'))
  t.strictSame(
    all.filter(({ stage }) => stage === 'toHex').map(({ title, list }) => [title, list.length]),
    [
      ['toHex', 1],
      ['short chunks | toHex', 3],
    ],
  )
})

t.test('random inputs are the same for the same seed', async t => {
  const shown = (seed: number) => randomInputs(seed, 5).map(({ title }) => title)
  t.strictSame(shown(1), shown(1))
  t.notSame(shown(1), shown(2))
  t.equal(repeated(INPUTS[0] as (typeof INPUTS)[0], 3).toString(), 'aaa')
})

t.test('the table has a row for each stage, and what may break a limit says why', async t => {
  const measured = (value: number, limit: number): Measured => ({
    value,
    limit,
    subject: 'a | b',
    input: '"|"',
  })
  const all = [
    { stage: 'one', time: measured(123.4, 200), memory: measured(3072, 2048) },
    { stage: 'two', time: undefined, memory: undefined },
  ]
  t.equal(
    tableOf(all),
    [
      '| stage | ns a byte | with | held of stated | with |',
      '|---|---|---|---|---|',
      '| `one` | 120 | a \\| b: "\\|" | 3 KiB of 2 KiB | a \\| b: "\\|" |',
      '| `two` |  |  |  |  |',
    ].join('\n'),
  )
  t.strictSame(broken(all, 1, {}), ['FAILED  one memory: 3072 of 2048 bytes, a | b, with "|"'])
  t.strictSame(broken(all, 1, { 'one memory': { limit: 4096, reason: 'so it is' } }), [
    'allowed one memory: 3072 of 2048 bytes, a | b, with "|"; so it is',
  ])
  t.strictSame(
    broken(all, 1, { 'one memory': { limit: 3000, reason: 'so it is' } }),
    ['FAILED  one memory: 3072 of 2048 bytes, a | b, with "|"'],
    'an exception has a limit of its own',
  )
  t.strictSame(broken(all, 2, {}), [], 'within twice the limits')
})
