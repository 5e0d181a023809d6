import { join } from 'node:path'
import t from 'tap'
import { startCommand } from '../cli/start-command.js'
import { connectTcp } from '../tcp-client.js'

for (const [how, death] of [
  ['it exits', 'process.exit(7)'],
  ['it is killed', "process.kill(process.pid, 'SIGKILL')"],
] as const) {
  t.test(`35: one worker cannot be started while others serve: ${how}`, async t => {
    const folder = t.testdir({
      'broken.mjs': `
        import cluster from 'node:cluster'
        import { writeSync } from 'node:fs'
        if (cluster.isWorker && process.env.BYWASH_WORKER === '2') {
          writeSync(2, 'a start\\n')
          ${death}
        }`,
    })
    const { child, exited, logged } = startCommand(
      t,
      ['echo', '--workers', '2', '--host', '127.0.0.1', '--port', '0'],
      { preload: join(folder, 'broken.mjs') },
    )
    const [, port] = await logged(/ on 127\.0\.0\.1:(\d+)\n/)
    const bystander = await connectTcp(t, Number(port))
    // More than would end the server if no worker served.
    for (let count = 1; count <= 7; count++) {
      await logged(/a start\n/, count)
      await bystander.send(`${count}\n`)
      t.equal(String(await bystander.receive('\n')), `${count}\n`)
    }
    if (how === 'it exits')
      await logged(/worker 2 could not be started in 5 tries: .*; the other workers go on/)
    bystander.end()
    child.kill('SIGTERM')
    t.strictSame(await exited, [0, null])
  })
}
