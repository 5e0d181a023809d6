import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { openDescriptors } from '../../lib/testing/watch/resources.js'
import { RUNS_ALL } from '../runs.js'
import { BROKEN, type Broken, left } from './broken-stages.js'

/** The number of stages that are tried for each law in `npm test`. `npm run test:all` tries all. */
const STAGES_PER_LAW = 1

/** The stages that are tried. */
function tried(): [what: string, broken: Broken][] {
  const counts = new Map<string, number>()
  return Object.entries(BROKEN).filter(([, { law, isLong = false }]) => {
    if (RUNS_ALL) return true
    const count = (counts.get(law) ?? 0) + Number(!isLong)
    counts.set(law, count)
    return !isLong && count <= STAGES_PER_LAW
  })
}

t.teardown(() => {
  for (const clear of left.splice(0)) clear()
})

for (const [what, { law, stage, examples, options }] of tried()) {
  t.test(`a stage that ${what} breaks the law '${law}'`, async t => {
    const error = await checkStage(stage as never, examples as never, { random: 3, ...options }).then(
      () => undefined,
      error => error,
    )
    t.equal(error?.law, law, error?.message)
  })
}

t.test('the message says which file is open, and where a timer was made', async t => {
  const errorOf = async (what: string) => {
    const { stage, examples, options } = BROKEN[what] as (typeof BROKEN)[string]
    return checkStage(stage as never, examples as never, options).catch(error => error)
  }
  t.match(await errorOf('leaves a descriptor'), {
    message: /one more was left: an open descriptor, \/dev\/null\.$/,
  })
  t.match(await errorOf('leaves an interval, unref'), {
    message: /one more was left: Timeout\.$/,
    cause: { stack: /The Timeout was made here\.\n(.*\n)*.*broken-stages/ },
  })
  t.match(await errorOf('throws in close'), { cause: { message: 'boom', stack: /broken-stages/ } })
  t.match(await errorOf('throws for its example'), { cause: { name: 'TypeError', stack: /broken-stages/ } })
  t.match(await errorOf('is rejected in close'), { cause: { message: 'boom', stack: /broken-stages/ } })
  t.equal(openDescriptors('/no/such/folder').size, 0, 'where the system has no list, none is seen')
})
