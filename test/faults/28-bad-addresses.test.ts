import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { serveCommand, startCommand } from '../cli/start-command.js'
import { RUNS_ALL } from '../runs.js'
import { exchange } from '../tcp-client.js'

/** Starts a command that cannot serve. */
async function run(t: Test, argv: readonly string[], options = {}) {
  const { exited, log, printed } = startCommand(t, argv, options)
  const [exitCode] = await exited
  t.equal(printed(), '', 'stdout stays free')
  t.notMatch(log(), /\n +at |node:/, 'no stack trace')
  return { exitCode, log: log() }
}

const LOCAL = ['--host', '127.0.0.1']

t.test('28: port in use', async t => {
  const { port, log, logged } = await serveCommand(t, 'echo', '--log', 'text')
  const address = `127.0.0.1:${port}`
  const message = `bind failed: ${address} is already in use; choose another port, or stop the program that has it\n`
  const file = join(t.testdir(), 'echo.yaml')
  writeFileSync(
    file,
    `listeners: [{ name: a, listen: { host: 127.0.0.1, port: ${port} }, pipeline: echo }]\n`,
  )
  for (const argv of [
    ['echo', ...LOCAL, '--port', String(port)],
    ['uppercase', ...LOCAL, '--port', String(port), '--log', 'json'],
    ['run', 'lines | to-lines', ...LOCAL, '--port', String(port), '--log', 'silent'],
    ['echo', ...LOCAL, '--port', String(port), '--workers', '2'],
    ['serve', file],
  ]) {
    t.strictSame(await run(t, argv), { exitCode: 1, log: message }, argv.join(' '))
    t.equal((await exchange(t, port, ['hello'])).toString(), 'hello', 'the other service goes on')
  }
  await logged(/closed: end/, 5)
  t.equal(log().match(/\] closed: /g)?.length, log().match(/\] opened: /g)?.length)
})

const FIRST = '/proc/sys/net/ipv4/ip_unprivileged_port_start'
const skip =
  existsSync(FIRST) && Number(readFileSync(FIRST, 'utf8')) <= 1 && 'here everybody may bind any port'

t.test('28: privileged port', { skip }, async t => {
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  t.strictSame(await run(t, ['echo', ...LOCAL, '--port', '1'], nobody), {
    exitCode: 1,
    log: 'bind failed: no permission to bind 127.0.0.1:1; choose a port from 1024 up\n',
  })
})

t.test('28: -1, 65536, abc', async t => {
  const commands = [['echo'], ['run', 'lines | to-lines']]
  for (const [index, port] of ['-1', '65536', 'abc'].entries()) {
    for (const argv of RUNS_ALL ? commands : [commands[index % 2] as string[]]) {
      t.strictSame(await run(t, [...argv, ...LOCAL, '--port', port]), {
        exitCode: 2,
        log:
          `error: option '-p, --port <port>' argument '${port}' is invalid. It must be a whole number, from 0 to 65535.\n` +
          `Run bywash ${argv[0]} --help for its arguments and flags.\n`,
      })
    }
  }
})

t.test('28: bad host', async t => {
  for (const [host, message] of [
    ['256.0.0.1', 'there is no host named 256.0.0.1'],
    ['192.0.2.1', '192.0.2.1 is not an address of this machine'],
  ] as const) {
    t.strictSame(await run(t, ['echo', '--host', host, '--port', '0']), {
      exitCode: 1,
      log: `bind failed: ${message}\n`,
    })
  }
  t.match(await run(t, ['echo', '--host', '', '--port', '0']), { exitCode: 2, log: /^error: option '--host/ })
})
