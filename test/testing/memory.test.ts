import t from 'tap'
import { lines, map } from '../../lib/index.js'
import { checkStage } from '../../lib/testing/index.js'
import { bytesHeldBy, canCollect, findCollector, useCollector } from '../../lib/testing/memory.js'
import { BROKEN } from './broken-stages.js'

t.afterEach(() => useCollector())

t.test('what a run holds is told from what it has left', async t => {
  const left: Buffer[] = []
  const held = await bytesHeldBy(async hold => {
    const own = Buffer.alloc(8_388_608, 1)
    left.push(Buffer.alloc(33_554_432, 1))
    await hold()
    t.equal(own.length, 8_388_608)
  })
  t.ok(held > 6_291_456 && held < 12_582_912, `${held} bytes`)
  t.equal(await bytesHeldBy(async () => {}), 0)
})

t.test('where there is no collector, what a stage keeps is seen when it comes out', async t => {
  t.equal(
    findCollector(() => {
      throw new ReferenceError('gc is not defined')
    }),
    null,
  )
  useCollector(null)
  t.equal(canCollect(), false)
  for (const what of ['has no limit for a line', 'is a stream that takes all']) {
    const { stage, examples, law } = BROKEN[what] as (typeof BROKEN)[string]
    await t.rejects(checkStage(stage as never, examples as never, { random: 0 }), {
      message: new RegExp(`law '${law}'`),
    })
  }
  await checkStage(lines(), [{ input: 'a\nb', output: ['a', 'b'] }], { random: 0 })
  await checkStage(
    map('same', line => line),
    [{ input: ['a'], output: ['a'] }],
  )
})
