import { type ChildProcess, spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startCommand } from '../cli/start-command.js'
import { makeFifo, NO_FIFO } from '../fifo.js'
import { connectTcp } from '../tcp-client.js'
import { pathOf, pem } from '../transports/certificates.js'

/** Makes the first process of a command number 1, as it is in a container. */
const AS_FIRST = ['unshare', '--map-root-user', '--pid', '--fork', '--kill-child']
const cannotUnshare = spawnSync('unshare', [...AS_FIRST.slice(1), 'true']).status !== 0

/** Runs in each process before the command: slow workers do not begin before there is a file `go-on`. */
const preload = (slow: readonly string[]) => `
  import cluster from 'node:cluster'
  import { existsSync, writeSync } from 'node:fs'
  import { setTimeout } from 'node:timers/promises'
  if (cluster.isWorker) process.on('exit', code => writeSync(2, 'a worker ended with ' + code + '\\n'))
  if (cluster.isWorker && ${JSON.stringify(slow)}.includes(process.env.BYWASH_WORKER)) {
    const { send } = process
    process.send = (message, ...rest) => {
      if (message?.bywash === 'ready') writeSync(2, 'ready at last\\n')
      return send.call(process, message, ...rest)
    }
    writeSync(2, 'still starting\\n')
    while (!existsSync(new URL('go-on', import.meta.url))) await setTimeout(10)
  }`

/** Starts a server with two workers, of which the slow ones start only when the test says so. */
function start(
  t: Test,
  { slow, asFirst = false, flags = [] }: { slow: readonly string[]; asFirst?: boolean; flags?: string[] },
) {
  const folder = t.testdir({ 'preload.mjs': preload(slow) })
  // A drain that waits for nothing would seem to hang.
  const argv = ['run', 'lines | to-lines', '--workers', '2', '--shutdown-timeout', '1h', ...flags]
  const { child, ...started } = startCommand(t, [...argv, '--host', '127.0.0.1', '--port', '0'], {
    preload: join(folder, 'preload.mjs'),
    through: asFirst ? AS_FIRST : [],
  })
  return {
    ...started,
    stop: (signal = 'SIGTERM') => process.kill(asFirst ? childOf(child) : Number(child.pid), signal),
    goOn: () => writeFileSync(join(folder, 'go-on'), ''),
  }
}

/** The only child of a process. */
function childOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
}

for (const asFirst of [false, true]) {
  const what = asFirst ? 'as process 1' : 'as any process'
  const skip = asFirst && cannotUnshare && 'needs unshare and its permission'

  t.test(`50: SIGTERM while all workers start, ${what}`, { skip }, async t => {
    const { stop, logged, exited } = start(t, { slow: ['1', '2'], asFirst })
    await logged(/still starting\n/, 2)
    stop()
    t.strictSame(await exited, [0, null])
  })

  t.test(`50: SIGTERM with workers that serve, ${what}`, { skip }, async t => {
    const { stop, log, logged, exited } = start(t, { slow: [], asFirst })
    const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
    const client = await connectTcp(t, Number(port))
    await client.send('hello\n')
    t.equal(String(await client.receive('\n')), 'hello\n')
    stop()
    client.end()
    await client.receive()
    t.strictSame(await exited, [0, null])
    // A worker that ends after its primary says so to nobody, and with process 1 the system ends it.
    for (const end of log().match(/a worker ended with \d+/g) ?? []) t.equal(end, 'a worker ended with 0')
  })
}

t.test('50: SIGHUP, as the end of a terminal sends it, with or without nohup', async t => {
  const { stop, logged, exited } = start(t, { slow: [] })
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  const client = await connectTcp(t, Number(port))
  await client.send('one\nhalf a ')
  t.equal(String(await client.receive('\n')), 'one\n')
  stop('SIGHUP')
  client.end('line\n')
  t.equal(String(await client.receive()), 'half a line\n')
  t.strictSame(await exited, [0, null])
})

t.test('50: a worker gets ready while its server drains', async t => {
  const { stop, goOn, logged, exited } = start(t, { slow: ['2'] })
  const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
  await logged(/still starting\n/)
  const client = await connectTcp(t, Number(port))
  await client.send('one\nhalf a ')
  t.equal(String(await client.receive('\n')), 'one\n')
  stop()
  goOn()
  await logged(/ready at last\n/)
  client.end('line\n')
  t.equal(String(await client.receive()), 'half a line\n')
  t.strictSame(await exited, [0, null])
})

t.test('50: SIGHUP while the workers of a server with TLS start', async t => {
  const flags = ['--tls-cert', pathOf('server'), '--tls-key', pathOf('server-key')]
  const { stop, goOn, logged, exited } = start(t, { slow: ['1', '2'], flags })
  await logged(/still starting\n/, 2)
  stop('SIGHUP')
  goOn()
  await logged(/The TLS certificate was read again/)
  stop()
  t.strictSame(await exited, [0, null])
})

for (const signal of ['SIGHUP', 'SIGTERM'] as const) {
  t.test(`50: ${signal} while a certificate is read`, { skip: NO_FIFO }, async t => {
    const key = makeFifo(t)
    const argv = [
      'echo',
      '--host',
      '127.0.0.1',
      '--port',
      '0',
      '--tls-cert',
      pathOf('server'),
      '--tls-key',
      key,
    ]
    const { child, exited, logged } = startCommand(t, argv)
    // The open of a FIFO waits for its reader.
    const file = await open(key, 'w')
    child.kill(signal)
    // What is read again is a file.
    copyFileSync(pathOf('server-key'), `${key}.pem`)
    renameSync(`${key}.pem`, key)
    await file.writeFile(pem('server-key'))
    await file.close()
    if (signal === 'SIGHUP') {
      await logged(/ on 127\.0\.0\.1:[\s\S]*The TLS certificate was read again/)
      child.kill()
    }
    t.strictSame(await exited, [0, null])
  })
}
