import t from 'tap'
import { planReport, planTree } from '../../lib/cli/plan-report.js'
import { asyncMap, generate, lines, pipeline, semaphore, toLines } from '../../lib/index.js'

const wait = async (line: string) => line
const list = pipeline()
  .through(lines())
  .through(asyncMap('one', wait))
  .through(asyncMap('eight', wait, { concurrency: 8, limit: semaphore(16) }))
  .through(asyncMap('any', wait, { concurrency: 2, ordered: false }))
  .through(generate('made', async function* () {}))
  .through(toLines())

const WAITS = [
  'for one call at a time',
  'for up to 8 calls at a time, in order; the limit of 16 calls is shared',
  'for up to 2 calls at a time, in any order',
  'for its generator, which takes one item at a time',
]

t.test('explain() says what a list waits for, and what is held meanwhile', async t => {
  for (const plan of ['fused', 'streams'] as const) {
    const explained = list.explain({ plan })
    const stages = explained.segments.flatMap(({ stages }) => stages)
    t.strictSame(stages.map(({ waits }) => waits).filter(Boolean), WAITS)
    const text = String(explained)
    for (const waits of WAITS) t.match(text, `(waits ${waits})`)
    t.match(
      text,
      /while a stage waits, the items of 512 bytes stand in front of it, and nothing more is read$/,
    )
  }
  t.match(planTree(planReport(list, 'fused')), 'one: lines to lines, waits for one call at a time')
  t.notMatch(String(pipeline().through(lines()).explain()), 'waits')
})
