import t from 'tap'
import { pipeline } from '../../../lib/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { exchange } from '../../tcp-client.js'
import { runCommand } from '../run-command.js'
import { serveInProcess } from '../serve-in-process.js'

t.test('passes connections on, with stages for requests and for answers', async t => {
  const { port: behind } = await serveLocally(t, pipeline())
  const where = ['--host', '127.0.0.1', '--port', '0']
  const plain = await serveInProcess(t, ['proxy', '--to', `127.0.0.1:${behind}`, ...where])
  t.match(plain.io.logged, new RegExp(`^Proxy to 127.0.0.1:${behind} on 127.0.0.1:\\d+\n`))
  t.equal((await exchange(t, plain.port, ['a', 'b'])).toString(), 'ab')
  const both = await serveInProcess(t, [
    'proxy',
    'lines | uppercase | to-lines',
    '--to',
    `127.0.0.1:1,127.0.0.1:${behind} --connect-timeout 3s`,
    '--answers',
    "lines | prefix '> ' | to-lines",
    ...where,
  ])
  t.equal((await exchange(t, both.port, ['a\nb'])).toString(), '> A\n> B\n')
})

t.test('without an address, or with one that is none, it exits 2', async t => {
  t.equal((await runCommand(['proxy'])).exitCode, 2)
  const { exitCode, logged } = await runCommand(['proxy', '--to', 'nowhere'])
  t.equal(exitCode, 2)
  t.match(logged, /'address' is a host and a port/)
})
