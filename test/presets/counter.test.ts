import t from 'tap'
import { counter } from '../../lib/presets/index.js'
import { runStage } from '../../lib/testing/index.js'

t.test('counter without a log sends back the same bytes, and tells nobody', async t => {
  t.equal(String(Buffer.concat(await runStage(counter.pipeline(), [Buffer.from('a\nb')]))), 'a\nb')
})
