import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { SCRIPT_FLAGS, scriptPath } from '../../script-path.js'

/** What a program says that misuses workers in one way. */
async function said(t: Test, way: string): Promise<string> {
  const child = spawn(process.execPath, [...SCRIPT_FLAGS, scriptPath('test/listener/workers/misused'), way], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 0)
  return output
}

t.test('listeners of one program have the same number of workers', async t => {
  t.equal(
    await said(t, 'differ'),
    'differ: listening\n' +
      "listen(): 'workers' is 2 here and 1 for another listener, but all listeners of a program share its workers; " +
      'give them the same.\n',
  )
})

t.test("a worker of somebody else's has no workers", async t => {
  t.match(await said(t, 'fork'), "listen(): 'workers' is for a program's own process")
})

t.test('a listener whose workers cannot start is none', async t => {
  t.match(
    await said(t, 'crash'),
    /^worker 1 could not be started in 5 tries: the last, worker 1 \(process \d+\) ended with exit code 7\n$/,
  )
})
