import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'

t.test('a soak of some seconds loses nothing and leaves nothing behind; npm run soak is longer', async t => {
  const child = spawn(
    process.execPath,
    [...SCRIPT_FLAGS, scriptPath('test/soak/run'), '--minutes', '0.1', '--held', '100'],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_V8_COVERAGE: undefined } },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const [printed, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 0, printed)
  t.match(printed, /^ok {4} {2}failures: 0$/m)
})
