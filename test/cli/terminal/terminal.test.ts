import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import t from 'tap'
import { coloured, widthOf } from '../../../lib/cli/terminal/terminal.js'
import { FakeIo } from '../fake-io.js'
import { inTerminal, NO_TERMINAL } from '../pseudo-terminal.js'

const BYWASH = `'${process.execPath}' '${resolve('dist/cli/bin.js')}'`

t.test('marks text on a terminal only, and not for those who mind colours', async t => {
  const terminal = Object.assign(new FakeIo().stderr, { isTTY: true })
  t.equal(coloured(terminal, {}, 'red', 'x'), '\u001b[31mx\u001b[39m')
  t.equal(coloured(terminal, { NO_COLOR: '' }, 'red', 'x'), '\u001b[31mx\u001b[39m', 'empty is not set')
  t.equal(coloured(terminal, { NO_COLOR: '1' }, 'red', 'x'), 'x')
  t.equal(coloured(terminal, { TERM: 'dumb' }, 'red', 'x'), 'x')
  t.equal(coloured(new FakeIo().stderr, {}, 'red', 'x'), 'x')
})

t.test('a stream that does not know its width has 80 columns', async t => {
  const stream = new FakeIo().stdout
  t.equal(widthOf(stream), 80)
  t.equal(widthOf(Object.assign(stream, { columns: 0 })), 80)
  t.equal(widthOf(Object.assign(stream, { columns: 30 })), 30)
})

t.test('in a terminal', { skip: NO_TERMINAL }, async t => {
  t.test('errors are red, with their caret', async t => {
    const { exited, shown } = inTerminal(t, `${BYWASH} pipe lins`)
    t.equal(await exited, 2)
    t.match(
      shown(),
      /^␛\[31merror:␛\[39m There is no stage 'lins'\..*\r\n {2}lins\r\n␛\[31m {2}\^{4}␛\[39m\r\n$/,
    )
  })

  t.test('NO_COLOR, and a stderr that is no terminal, keep escapes out', async t => {
    const plain = inTerminal(t, `${BYWASH} pipe lins`, { NO_COLOR: '1' })
    t.equal(await plain.exited, 2)
    const piped = inTerminal(t, `${BYWASH} pipe lins 2>&1 | cat`)
    await piped.exited
    for (const { shown } of [plain, piped]) {
      t.match(shown(), /^error: There is no stage 'lins'\./)
      t.notMatch(shown(), '␛')
    }
  })

  t.test('a file shows its progress on stderr, and stdout stays as it is', async t => {
    const folder = t.testdir({ input: 'a\n'.repeat(1_000_000) })
    const output = join(folder, 'output')
    const command = `${BYWASH} pipe 'lines | uppercase | to-lines' < '${join(folder, 'input')}'`
    const shout = inTerminal(t, `${command} > '${output}'`)
    t.equal(await shout.exited, 0)
    t.match(shout.shown(), /\r1\.9 MiB of 1\.9 MiB in \ds, \S+ \wiB\/s␛\[K\r\n$/)
    t.equal(spawnSync('wc', ['-c', output], { encoding: 'utf8' }).stdout.split(' ')[0], '2000000')
    const noSize = inTerminal(t, `echo a | ${BYWASH} pipe 'lines | uppercase | to-lines' | cat`)
    await noSize.exited
    t.equal(noSize.shown(), 'A\r\n', 'a pipe has no size')
    const noTerminal = inTerminal(t, `${command} 2>&1 > '${output}' | cat`)
    await noTerminal.exited
    t.equal(noTerminal.shown(), '', 'nor does a stderr that is no terminal show any')
  })

  t.test('Ctrl-C leaves the progress on a line of its own, and exits 130', async t => {
    const folder = t.testdir({ input: 'a\n'.repeat(1_000_000) })
    // Slow enough to be under way for as long as the test takes.
    const text = 'throttle --bytes-per-second 64KiB/s'
    const { exited, shown, shows, type } = inTerminal(
      t,
      `exec ${BYWASH} pipe '${text}' --in '${join(folder, 'input')}' > /dev/null`,
    )
    await shows(/ left␛\[K/)
    type('\u0003')
    t.equal(await exited, 130)
    t.match(shown(), /\^C\r[^\r]* in \ds, [^\r]*␛\[K\r\n$/)
  })

  t.test('Ctrl-C ends a pipe that waits for keys', async t => {
    const { exited, shows, type } = inTerminal(t, `exec ${BYWASH} pipe 'lines | uppercase | to-lines'`)
    type('one\n')
    await shows(/ONE\r\n/)
    type('\u0003')
    t.equal(await exited, 130)
  })

  t.test('lines that are typed are answered one by one, and Ctrl-D ends', async t => {
    const { exited, shows, type } = inTerminal(t, `exec ${BYWASH} pipe 'lines | uppercase | to-lines'`)
    type('one\n')
    await shows(/ONE\r\n/)
    type('two\n')
    await shows(/TWO\r\n/)
    type('\u0004')
    t.equal(await exited, 0)
  })

  t.test('connect is a conversation, and ends when the server does', async t => {
    const server = createServer(socket =>
      socket.on('data', text => socket[`${text}` === 'bye\n' ? 'end' : 'write'](`${text}`.toUpperCase())),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as { port: number }
    const { exited, shows, type } = inTerminal(t, `exec ${BYWASH} connect 127.0.0.1:${port}`)
    for (const text of ['one', 'two', 'bye']) {
      type(`${text}\n`)
      await shows(new RegExp(`${text.toUpperCase()}\r\n`))
    }
    t.equal(await exited, 0)
  })
})
