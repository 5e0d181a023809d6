import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { RUNS_ALL } from '../runs.js'
import { clearShared, SOUND } from './sound-stages.js'

t.afterEach(clearShared)

/** `npm test` tries one stage in four, of those that take less than a second. */
const STEP = 4
const TRIED = Object.entries(SOUND).filter(
  ([, { isLong = false }], index) => RUNS_ALL || (!isLong && index % STEP === 0),
)

for (const [what, { stage, examples, options }] of TRIED) {
  t.test(`a stage that ${what} is not refused`, async t => {
    await checkStage(stage as never, examples as never, {
      random: RUNS_ALL ? 5 : 1,
      timeout: 60_000,
      ...options,
    })
    t.pass('it obeys every law')
  })
}
