import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { RUNS_ALL } from '../runs.js'
import { clearShared, SOUND } from './sound-stages.js'

t.afterEach(clearShared)

/** `npm test` tries one stage in three. */
const STEP = RUNS_ALL ? 1 : 3

for (const [what, { stage, examples, options }] of Object.entries(SOUND).filter(
  (_, index) => index % STEP === 0,
)) {
  t.test(`a stage that ${what} is not refused`, async t => {
    await checkStage(stage as never, examples as never, {
      random: RUNS_ALL ? 5 : 1,
      timeout: 60_000,
      ...options,
    })
    t.pass('it obeys every law')
  })
}
