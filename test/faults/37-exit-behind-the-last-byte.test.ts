import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { BARE, BIN, serveCommand, startCommand } from '../cli/start-command.js'
import { RUNS_ALL } from '../runs.js'
import { exchange } from '../tcp-client.js'

const ROUNDS = RUNS_ALL ? 3 : 1

t.test("37: 'pipe' exits behind the last byte of every copy", async t => {
  const folder = t.testdir()
  const [input, copy] = [join(folder, 'input'), join(folder, 'copy')]
  writeFileSync(input, Buffer.alloc(5_000_000, 'x'))
  const failing = `tee --to ${copy} --on-lag fail --on-error fail`
  for (const [text, length] of [
    [`fixed-length 1 | take 4 | tee --to ${copy} | to-fixed-length 1`, 4],
    [`tee --to ${copy} --max-pending 100MiB`, 5_000_000],
    [`fixed-length 1 | take 10 | ${failing} | tee --to ${copy} | to-fixed-length 1`, 20],
  ] as const) {
    for (let round = 0; round < ROUNDS; round++) {
      writeFileSync(copy, '')
      const { exited } = startCommand(t, ['pipe', text, '--in', input])
      t.strictSame(await exited, [0, null])
      t.equal(readFileSync(copy).length, length)
    }
  }
})

t.test("37: 'pipe' whose reader goes away exits behind the last byte of the copy", async t => {
  const copy = join(t.testdir(), 'copy')
  const script = `yes | "$@" | head -1`
  const command = ['env', ...BARE, process.execPath, BIN, 'pipe', `tee --to ${copy} --max-pending 100MiB`]
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(copy, '')
    t.equal(execFileSync('sh', ['-c', script, 'sh', ...command], { encoding: 'utf8' }), 'y\n')
    t.ok(readFileSync(copy).length >= 2)
  }
})

t.test("37: 'connect' exits behind the last byte of the copy", async t => {
  const copy = join(t.testdir(), 'copy')
  const server = createServer(socket => socket.end('x'.repeat(100_000)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  for (let round = 0; round < ROUNDS; round++) {
    writeFileSync(copy, '')
    const { exited } = startCommand(t, ['connect', `127.0.0.1:${port}`, '--receive', `tee --to ${copy}`])
    t.strictSame(await exited, [0, null])
    t.equal(readFileSync(copy).length, 100_000)
  }
})

for (const workers of [[], ['--workers', '2']]) {
  t.test(`37: a server exits behind the last byte of the copy ${workers.join(' ')}`, async t => {
    const copy = join(t.testdir(), 'copy')
    for (let round = 0; round < ROUNDS; round++) {
      writeFileSync(copy, '')
      const { child, exited, port } = await serveCommand(t, 'run', `tee --to ${copy}`, ...workers)
      t.equal(String(await exchange(t, port, ['the last order'])), 'the last order')
      child.kill('SIGTERM')
      t.strictSame(await exited, [0, null])
      t.equal(readFileSync(copy, 'utf8'), 'the last order')
    }
  })
}
