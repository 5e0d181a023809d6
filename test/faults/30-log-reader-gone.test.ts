import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { BARE, BIN } from '../cli/start-command.js'
import { freePort } from '../free-port.js'
import { connectTcp, exchange, isBound } from '../tcp-client.js'

const FORMATS = ['text', 'json'] as const

/** Says its number, becomes the command with its log in a pipe that nobody reads any more, and says how it has ended. */
const HEAD = `{ sh -c 'echo $$ >&3; exec "$@" 2>&1 3>&-' sh "$@"; echo $? >&3; } | { head -1; exec <&-; echo gone; }`

for (const format of FORMATS) {
  t.test(`30: log pipe's reader gone (| head -1), ${format}`, async t => {
    const argv = [
      ...BARE,
      process.execPath,
      BIN,
      'counter',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--log',
      format,
    ]
    const shell = spawn('sh', ['-c', HEAD, 'sh', 'env', ...argv], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    })
    const said = createInterface({ input: shell.stdio[3] as Readable })[Symbol.asyncIterator]()
    const pid = Number((await said.next()).value)
    t.teardown(() => kill(pid, 'SIGKILL'))
    const read = createInterface({ input: shell.stdout as Readable })[Symbol.asyncIterator]()
    const line = String((await read.next()).value)
    t.equal((await read.next()).value, 'gone')
    await serves(t, Number(/127\.0\.0\.1:(\d+)/.exec(line)?.[1]))
    kill(pid, 'SIGTERM')
    t.equal((await said.next()).value, '0')
  })

  t.test(
    `30: the log's disk is full, ${format}`,
    { skip: !existsSync('/dev/full') && 'needs /dev/full' },
    async t => {
      const port = await freePort()
      const argv = [
        ...BARE,
        process.execPath,
        BIN,
        'counter',
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--log',
        format,
      ]
      const child = spawn('env', argv, { stdio: ['ignore', 'ignore', openSync('/dev/full', 'w')] })
      t.teardown(() => child.kill('SIGKILL'))
      const exited = once(child, 'exit')
      while (!(await isBound(port))) t.equal(child.exitCode, null)
      await serves(t, port)
      child.kill('SIGTERM')
      t.strictSame(await exited, [0, null])
    },
  )
}

/** The service goes on: for a bystander, and for those who come and go, with lines in the log for each. */
async function serves(t: Test, port: number): Promise<void> {
  const bystander = await connectTcp(t, port)
  for (let round = 1; round <= 20; round++) {
    t.equal((await exchange(t, port, [`hello ${round}`])).toString(), `hello ${round}`)
    await bystander.send('still here\n')
    t.equal((await bystander.receive('\n')).toString(), 'still here\n')
  }
  bystander.end()
  t.equal((await bystander.receive()).toString(), '')
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}
