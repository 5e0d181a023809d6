import t from 'tap'
import { checkStage } from '../../lib/testing/index.js'
import { BROKEN, left } from './broken-stages.js'

t.teardown(() => {
  for (const clear of left.splice(0)) clear()
})

for (const [what, { law, stage, examples, options }] of Object.entries(BROKEN)) {
  t.test(`a stage that ${what} breaks the law '${law}'`, async t => {
    const error = await checkStage(stage as never, examples as never, { random: 3, ...options }).then(
      () => undefined,
      error => error,
    )
    t.equal(error?.law, law, error?.message)
  })
}
