import t from 'tap'
import { OPEN_FILES } from '../../lib/open-files.js'
import { processStatus } from '../../lib/status/process-status.js'

t.test('a limit of open files that the system does not tell is null', async t => {
  t.teardown(() => OPEN_FILES.refresh())
  OPEN_FILES.refresh(Number.POSITIVE_INFINITY)
  t.match(processStatus().descriptors, { capacity: null, limit: null })
  OPEN_FILES.refresh(1_000)
  t.match(processStatus().descriptors, { capacity: 936, limit: 1_000 })
})
