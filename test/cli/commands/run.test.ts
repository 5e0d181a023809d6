import { once } from 'node:events'
import t from 'tap'
import { main } from '../../../lib/cli/main.js'
import { exchange } from '../../tcp-client.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

t.test('serves a text, with the options of every listener', async t => {
  const io = new FakeIo()
  io.folder = t.testdir({
    'reverse.mjs':
      "import { map } from 'bywash'\nexport const reverse = map('reverse', line => [...line].reverse().join(''))\n",
  })
  const text = 'lines --max-length 4 | reverse | to-lines | counter'
  const exited = main(['run', text, '--import', 'reverse.mjs', '--host', '127.0.0.1', '--port', '0'], io)
  while (!/Test: .+\n/.test(io.logged)) await once(io, 'logged')
  const [, port] =
    /^Pipeline on 127\.0\.0\.1:(\d+)\nTest: bywash connect localhost:\1\n/.exec(io.logged) ?? []
  t.equal((await exchange(t, Number(port), ['abc\n'])).toString(), 'cba\n')
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  t.equal(io.printed, '', 'stdout stays free')
})

t.test(
  'a text that is wrong, or does not go from bytes to bytes, exits 2 before anything is bound',
  async t => {
    for (const [text, message] of [
      ['lins', "error: There is no stage 'lins'."],
      ['lines | uppercase', "error: The last stage, 'uppercase', gives lines, but a connection takes bytes."],
    ]) {
      const { exitCode, printed, logged } = await runCommand(['run', `${text}`])
      t.strictSame([exitCode, printed], [2, ''])
      t.ok(logged.startsWith(`${message}`), logged)
    }
  },
)
