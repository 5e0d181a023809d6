import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { clearShared, SOUND } from './sound-stages.js'

t.teardown(clearShared)

for (const [what, { stage, examples, options }] of Object.entries(SOUND)) {
  t.test(`a stage that ${what} is not refused`, async t => {
    await checkStage(stage as never, examples as never, { random: 5, timeout: 60_000, ...options })
    t.pass('it obeys every law')
  })
}
