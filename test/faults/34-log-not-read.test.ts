import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { NO_TERMINAL } from '../cli/pseudo-terminal.js'
import { BARE, BIN } from '../cli/start-command.js'
import { RUNS_ALL } from '../runs.js'
import { connectTcp, exchange } from '../tcp-client.js'

/** Fails with a message of so many characters. */
const MESSAGE_LENGTH = 65_536
/** Together 32 MiB of log: what must not wait in memory. */
const FAILURES = 500
/** Enough to fill what may wait, where memory is not measured. */
const FEW_FAILURES = RUNS_ALL ? FAILURES : 100
const MOST_MORE_MEMORY_KIB = 20 * 1024

/** The arguments of a server whose log grows by 64 KiB with each line that a client sends. */
function talkative(t: Test, format: string): readonly string[] {
  const folder = t.testdir({
    'failing.mjs': `
      import { map } from ${JSON.stringify(pathToFileURL('dist/index.js'))}
      export const failing = map('failing', line => {
        if (line === 'fail') throw new Error('x'.repeat(${MESSAGE_LENGTH}))
        return line
      })`,
  })
  return [
    ...['run', 'lines | failing | to-lines', '--import', join(folder, 'failing.mjs'), '--log', format],
    ...['--host', '127.0.0.1', '--port', '0', '--max-connections', '2'],
  ]
}

/** Fails connections, and has others refused; a bystander is answered throughout. */
async function flood(t: Test, port: number, failures = FAILURES): Promise<void> {
  const bystander = await connectTcp(t, port)
  for (let failure = 0; failure < failures; failure++) {
    const failing = await connectTcp(t, port)
    if (failure % 100 === 0) await exchange(t, port, ['refused']).catch(() => '')
    await failing.send('fail\n')
    await failing.receive().catch(() => '')
    failing.socket.destroy()
    await bystander.send('still here\n')
    if (String(await bystander.receive('\n')) !== 'still here\n') t.fail('the bystander got something else')
  }
  bystander.end()
  await bystander.receive()
}

const memoryOf = (pid: number | undefined) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

for (const format of ['text', 'json'] as const) {
  t.test(`34: the log's reader stalls for ever, ${format}`, async t => {
    const child = spawn('env', [...BARE, process.execPath, BIN, ...talkative(t, format)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const exited = once(child, 'exit')
    const [first] = (await once(child.stderr, 'data')) as [Buffer]
    child.stderr.pause()
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(String(first))?.[1])
    // A first round, in which the process takes what it needs in any case.
    const isMeasured = process.platform === 'linux'
    await flood(t, port)
    const before = isMeasured ? memoryOf(child.pid) : 0
    await flood(t, port)
    const more = isMeasured ? memoryOf(child.pid) - before : 0
    t.ok(more < MOST_MORE_MEMORY_KIB, `${more} KiB more`)
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null], 'it ends without a reader')
  })
}

t.test('34: the reader comes back, and is told how many lines it has missed', async t => {
  const child = spawn('env', [...BARE, process.execPath, BIN, ...talkative(t, 'text')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exited = once(child, 'exit')
  const [first] = (await once(child.stderr, 'data')) as [Buffer]
  child.stderr.pause()
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(String(first))?.[1])
  await flood(t, port, FEW_FAILURES)
  let closed = 0
  let lost = 0
  for await (const line of createInterface({ input: child.stderr })) {
    if (/^\[conn #\d+\] (opened|closed)|^\[conn\] refused/.test(line)) closed++
    const [, count] = /^(\d+) lines? lost: /.exec(line) ?? []
    if (count === undefined) continue
    lost += Number(count)
    child.kill('SIGTERM')
  }
  t.strictSame(await exited, [0, null])
  t.ok(lost > 0)
  // The bystander's two lines, two of each that failed, and the refused.
  t.equal(closed + lost, 2 + 2 * FEW_FAILURES + FEW_FAILURES / 100, 'each line is read or counted')
})

t.test('34: a terminal is stopped', { skip: NO_TERMINAL }, async t => {
  const command = ['exec', process.execPath, BIN, ...talkative(t, 'text')].map(word => `'${word}'`).join(' ')
  const child = spawn(
    'script',
    ['-qefc', `stty cols 80; ${command.replace(/^'exec'/, 'exec')}`, '/dev/null'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, TERM: 'xterm', SHELL: '/bin/sh' },
    },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  child.stdout.pause()
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(String(first))?.[1])
  await flood(t, port, FEW_FAILURES)
})
