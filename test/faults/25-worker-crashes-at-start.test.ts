import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

t.test('25: worker crashes at start for ever', async t => {
  const folder = t.testdir({
    'broken.mjs': `
      import cluster from 'node:cluster'
      if (cluster.isWorker) {
        process.stderr.write('a start\\n')
        process.exit(7)
      }`,
  })
  const argv = ['dist/cli/bin.js', 'echo', '--workers', '1', '--host', '127.0.0.1', '--port', '0']
  const child = spawn(process.execPath, ['--import', join(folder, 'broken.mjs'), ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [logged, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(code, 1)
  t.match(
    logged,
    /^(a start\n){5}worker 1 could not be started in 5 tries: the last, worker 1 \(process \d+\) ended with exit code 7\n$/,
  )
})
