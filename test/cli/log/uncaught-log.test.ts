import t from 'tap'
import type { Log } from '../../../lib/cli/log/log.js'
import { uncaughtLog } from '../../../lib/cli/log/uncaught-log.js'

t.test('an uncaught error is logged, and is a failure unless the policy is isolate', async t => {
  for (const [policy, failed] of [
    ['exit', true],
    ['isolate', false],
  ] as const) {
    const lines: string[] = []
    const log: Log = { info: t.fail, warn: t.fail, error: line => lines.push(line), connections: () => ({}) }
    const failure = new AbortController()
    const handle = uncaughtLog(log, failure)(policy)
    handle(new TypeError('boom'))
    handle('a text')
    t.match(lines, [/^uncaught: TypeError: boom\n +at /, "uncaught: 'a text'"])
    t.equal(failure.signal.aborted, failed, policy)
  }
})
