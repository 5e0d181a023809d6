import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { RUNS_ALL } from '../runs.js'
import { clearShared, SOUND } from './sound-stages.js'

t.afterEach(clearShared)

for (const [what, { stage, examples, options, isLong = false }] of Object.entries(SOUND)) {
  if (isLong && !RUNS_ALL) continue
  t.test(`a stage that ${what} is not refused`, async t => {
    await checkStage(stage as never, examples as never, {
      random: RUNS_ALL ? 5 : 1,
      timeout: 60_000,
      ...options,
    })
    t.pass('it obeys every law')
  })
}
