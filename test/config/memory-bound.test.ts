import { PassThrough } from 'node:stream'
import t from 'tap'
import { pipelineFor } from '../../lib/cli/pipeline-flags.js'
import { memoryBound } from '../../lib/config/memory-bound.js'
import { builtIn } from '../../lib/config/registry.js'
import { fromStream, lines, map, pipeline, replace, toLines } from '../../lib/index.js'
import { catalogue } from '../../lib/stages/catalogue.js'
import { localStages } from '../fuzz/local-stages.js'
import { PLANS } from '../plans.js'
import { CASES } from './memory-cases.js'

t.test('every stage says what memory it takes, and is measured', async t => {
  for (const [name, { definition }] of catalogue) {
    t.ok(definition.memory !== undefined && (CASES[name] !== undefined || !localStages.has(name)), name)
  }
})

t.test('what a list holds and makes of one read is stated, on both plans', async t => {
  for (const text of Object.values(CASES).flat()) {
    for (const plan of PLANS) {
      const { bytes, socket, output, unknown } = memoryBound(pipelineFor(text, builtIn()), plan)
      t.ok(
        output >= 0 && bytes >= socket + output && bytes < 2 ** 30,
        `${text} (${plan}): ${bytes}, ${output} of output`,
      )
      t.strictSame(unknown, [], text)
    }
  }
})

t.test('a bound names what it is the sum of, and who does not say what it takes', async t => {
  const served = pipeline()
    .through(lines({ maxLength: 1000 }))
    .through(map('own', line => line))
    .through(toLines())
  t.strictSame(memoryBound(served, 'fused'), {
    bytes: 462_761,
    socket: 196_608,
    output: 265_151,
    holders: [{ stage: 'lines', bytes: 1002 }],
    streams: [],
    unknown: ['own'],
  })
  const chars = fromStream<Buffer, string>('chars', () => new PassThrough(), {
    accepts: 'bytes',
    emits: 'line',
  })
  const { streams, unknown } = memoryBound(pipeline().through(chars).through(toLines()), 'fused')
  t.strictSame(
    streams.map(({ stage }) => stage),
    ['chars', 'toLines'],
  )
  t.strictSame(unknown, ['chars'])
})

t.test('half a character counts for more, because it may leave its other half', async t => {
  const outputOf = (text: string) =>
    memoryBound(pipeline().through(lines()).through(replace(text, 'abcd')).through(toLines()), 'fused').output
  t.equal(outputOf('😀'), memoryBound(pipelineFor('lines | trim | to-lines', builtIn()), 'fused').output)
  t.ok(outputOf('\ud83d') > outputOf('😀'))
})
