import { once } from 'node:events'
import { closeSync, constants, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { makeFifo, NO_FIFO, openReader } from '../../fifo.js'
import { runs } from '../../runs.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'

const SHOUT = 'lines | uppercase | to-lines'

/** A fake process whose stderr is a terminal. */
function withTerminal() {
  const io = Object.assign(new FakeIo(), { clock: fakeClock() })
  Object.assign(io.stderr, { isTTY: true, columns: 60 })
  return io
}

function files(t: Test) {
  const folder = t.testdir({ input: 'one\ntwo\n' })
  return { folder, input: join(folder, 'input'), output: join(folder, 'output') }
}

t.test('runs a text from stdin to stdout', async t => {
  t.strictSame(await runCommand(['pipe', SHOUT], 'a\nb\n'), { exitCode: 0, printed: 'A\nB\n', logged: '' })
  t.strictSame(await runCommand(['pipe', '--plan', 'streams', SHOUT], 'a\nb'), {
    exitCode: 0,
    printed: 'A\nB\n',
    logged: '',
  })
  t.strictSame(await runCommand(['pipe', 'echo']), { exitCode: 0, printed: '', logged: '' }, 'nothing')
})

t.test('gives back every byte', async t => {
  const bytes = fc.uint8Array({ maxLength: 300_000, size: 'max' })
  const property = fc.asyncProperty(bytes, async input => {
    const { exitCode, printed } = await runCommand(['pipe', 'to-hex'], Buffer.from(input))
    return exitCode === 0 && printed === Buffer.from(input).toString('hex')
  })
  await t.resolves(fc.assert(property, { numRuns: runs(20) }))
})

t.test('waits for a reader that is slow', async t => {
  const io = new FakeIo()
  io.stdout.pause()
  let taken = 0
  const feed = (): void => {
    for (let isOpen = true; isOpen && taken < 100; taken++) isOpen = io.stdin.write(Buffer.alloc(65_536, 'a'))
    if (taken === 100) io.stdin.end()
  }
  io.stdin.on('drain', feed)
  const exited = main(['pipe', 'echo'], io)
  // Turns of the event loop, in which all that could be taken would be.
  feed()
  for (let turn = 0; turn < 1_000; turn++) await new Promise(setImmediate)
  t.ok(taken < 20, `took ${taken} of 100 chunks`)
  io.stdout.resume()
  t.equal(await exited, 0)
  t.equal(io.printed.length, 100 * 65_536)
})

t.test('prints the lines of a preset on stderr', async t => {
  const { exitCode, printed, logged } = await runCommand(['pipe', 'counter'], 'x')
  t.strictSame([exitCode, printed], [0, 'x'])
  t.match(logged, /^\[conn #1\] new client from .*\n\[server\] client disconnected \(total served: 1\)\n$/)
})

t.test('reads and writes files, whatever the output held before', async t => {
  const { input, output } = files(t)
  writeFileSync(output, 'something longer than before\n')
  t.strictSame(await runCommand(['pipe', SHOUT, '--in', input, '--out', output]), {
    exitCode: 0,
    printed: '',
    logged: '',
  })
  t.equal(readFileSync(output, 'utf8'), 'ONE\nTWO\n')
  t.match(await runCommand(['pipe', 'echo', '--in', '/dev/null']), { exitCode: 0, printed: '' }, 'a device')
})

t.test('a stage error exits 1 with one line, behind what was made before', async t => {
  const { exitCode, printed, logged } = await runCommand(
    ['pipe', 'lines --max-length 3 | uppercase | to-lines'],
    'abc\nabcd\n',
  )
  t.strictSame([exitCode, printed], [1, 'ABC\n'])
  t.match(logged, /^Stage 'lines' received a line longer than 3 bytes\.[^\n]+\n$/)
})

t.test('a pipeline that ends before its input is no failure', async t => {
  t.match(await runCommand(['pipe', 'lines | take 1 | to-lines'], 'a\nb\n'), { exitCode: 0, printed: 'a\n' })
})

t.test('a file that cannot be opened, read or written exits 1 with one line', async t => {
  const { folder, input } = files(t)
  const missing = join(folder, 'missing')
  t.strictSame(await runCommand(['pipe', 'echo', '--in', missing]), {
    exitCode: 1,
    printed: '',
    logged: `cannot open ${missing}: no such file or directory\n`,
  })
  t.match(await runCommand(['pipe', 'echo', '--in', folder]), {
    exitCode: 1,
    logged: /^cannot read: illegal operation on a directory\n$/,
  })
  t.match(await runCommand(['pipe', 'echo', '--in', input, '--out', folder]), {
    exitCode: 1,
    logged: /^cannot open .*: illegal operation on a directory\n$/,
  })
})

t.test(
  'a full disk exits 1 with one line',
  { skip: process.platform !== 'linux' && 'needs /dev/full' },
  async t => {
    const { input } = files(t)
    t.strictSame(await runCommand(['pipe', 'echo', '--in', input, '--out', '/dev/full']), {
      exitCode: 1,
      printed: '',
      logged: 'cannot write: no space left on device\n',
    })
  },
)

t.test('a reader of stdout that goes away ends it quietly, and a full disk does not', async t => {
  const { input } = files(t)
  for (const [code, exitCode, logged] of [
    ['EPIPE', 0, ''],
    ['ENOSPC', 1, 'cannot write to stdout: it broke\n'],
  ] as const) {
    const error = Object.assign(new Error('it broke'), { code })
    const stdout = new Writable({
      autoDestroy: false,
      write: (_chunk, _encoding, callback) => callback(error),
    })
    const io = Object.assign(new FakeIo(), { stdout })
    t.match(await runCommand(['pipe', SHOUT, '--in', input], '', io), { exitCode, logged })
  }
})

t.test('refuses to write the file that it reads, and leaves it as it is', async t => {
  const { input } = files(t)
  t.match(await runCommand(['pipe', 'echo', '--in', input, '--out', input]), {
    exitCode: 2,
    logged: /^The input and the output are the same file\. /,
  })
  t.equal(readFileSync(input, 'utf8'), 'one\ntwo\n')
})

t.test('reads and writes FIFOs without a thread that could hold up its exit', { skip: NO_FIFO }, async t => {
  const [from, to] = [makeFifo(t), makeFifo(t)]
  const text = 'x'.repeat(50_000)
  const reader = openReader(t, to)
  // The writer of the input stays, and says nothing more.
  const writer = openSync(from, constants.O_RDWR)
  t.teardown(() => closeSync(writer))
  writeSync(writer, text)
  const exited = runCommand([
    'pipe',
    `fixed-length 50000 | take 1 | to-fixed-length 50000`,
    '--in',
    from,
    '--out',
    to,
  ])
  t.equal(String(await reader.read(text.length)), text)
  t.strictSame(await exited, { exitCode: 0, printed: '', logged: '' })
})

t.test('a copy that cannot be written is said once, and fails with --on-error fail', async t => {
  const missing = join(t.testdir(), 'no', 'copy')
  for (const [policy, exitCode] of [
    ['drop', 0],
    ['fail', 1],
  ] as const) {
    const result = await runCommand(['pipe', `tee --to ${missing} --on-error ${policy}`], 'a')
    t.match(result, {
      exitCode,
      printed: 'a',
      logged: /^Stage 'tee' could not write to its sink: ENOENT[^\n]*\n$/,
    })
  }
})

t.test('what a stage reports is said on stderr, and does not change the exit code', async t => {
  const cases: readonly [string, string | Buffer, string, RegExp][] = [
    [
      'lines --max-length 3 --overflow report | to-lines',
      'long\nok\n',
      'ok\n',
      /'lines' received a line longer than 3/,
    ],
    [
      'lines --invalid report | to-lines',
      Buffer.from('\xff\nok\n', 'latin1'),
      'ok\n',
      /'lines' received a line that is not/,
    ],
    [
      'lines | json-lines --invalid report | to-json-lines | to-lines',
      'no\n1\n',
      '1\n',
      /'jsonLines' received an invalid/,
    ],
    [
      "delimited --delimiters '|' --max-length 3 --overflow report | to-netstring",
      'long|ok|',
      '2:ok,',
      /'delimited' received a frame/,
    ],
    [
      'netstring --max-length 3 --overflow report | to-netstring',
      '4:long,2:ok,',
      '2:ok,',
      /'netstring' received a frame/,
    ],
    [
      'slip --max-length 3 --overflow report | to-netstring',
      'long\u00c0ok\u00c0',
      '2:ok,',
      /'slip' received a frame/,
    ],
  ]
  for (const [text, input, printed, logged] of cases) {
    for (const plan of ['fused', 'streams']) {
      const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input
      const result = await runCommand(['pipe', text, '--plan', plan], bytes)
      t.match(result, { exitCode: 0, printed, logged })
      t.match(result.logged, /^\[conn #\d+\] fault: Stage [^\n]*\n$/, 'one line')
    }
  }
})

t.test('a wrong text shows the place, exits 2, and does not touch the output', async t => {
  const { output } = files(t)
  writeFileSync(output, 'kept')
  t.strictSame(await runCommand(['pipe', 'lines | uppercse | to-lines', '--out', output]), {
    exitCode: 2,
    printed: '',
    logged:
      "error: There is no stage 'uppercse'. Did you mean 'uppercase' or 'lowercase'?\n" +
      '  lines | uppercse | to-lines\n' +
      '          ^^^^^^^^\n',
  })
  t.equal(readFileSync(output, 'utf8'), 'kept')
})

t.test('knows the stages of a module', async t => {
  const folder = t.testdir({
    'reverse.mjs':
      "import { map } from 'bywash'\nexport const reverse = map('reverse', line => [...line].reverse().join(''))\n",
  })
  const io = new FakeIo()
  io.folder = folder
  t.match(await runCommand(['pipe', '--import', 'reverse.mjs', 'lines | reverse | to-lines'], 'abc\n', io), {
    exitCode: 0,
    printed: 'cba\n',
  })
})

t.test('shows the progress where stderr is a terminal and the size is known', async t => {
  const { input } = files(t)
  const io = withTerminal()
  t.match(await runCommand(['pipe', SHOUT, '--in', input], '', io), { exitCode: 0, printed: 'ONE\nTWO\n' })
  t.equal(io.logged, '\r8 B of 8 B in 0s, 7.8 KiB/s\u001b[K\n')
  const unknown = withTerminal()
  await runCommand(['pipe', SHOUT], 'a\n', unknown)
  t.equal(unknown.logged, '', 'not for a pipe')
  const both = withTerminal()
  Object.assign(both.stdout, { isTTY: true })
  await runCommand(['pipe', SHOUT, '--in', input], '', both)
  t.equal(both.logged, '', 'not where stdout is the same terminal')
})

t.test('a signal while the progress is shown leaves its line, and exits as a shell expects', async t => {
  const folder = t.testdir({ input: 'x'.repeat(1_000_000) })
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const io = withTerminal()
    io.stdout.pause()
    const exited = main(['pipe', 'echo', '--in', join(folder, 'input')], io)
    while (io.listenerCount(signal) === 0) await new Promise(setImmediate)
    io.emit(signal)
    io.stdout.resume()
    t.equal(await exited, code)
    t.match(io.logged, /^\r.* of 976\.6 KiB in 0s, .*\n$/)
    t.equal(io.listenerCount(signal), 0)
  }
})

t.test('--profile says on stderr where the time went, also of a run that fails or is stopped', async t => {
  const list = 'lines --max-length 3 | grep a | to-lines'
  const well = await runCommand(['pipe', list, '--profile'], 'a\nb\n')
  t.match(well, { exitCode: 0, printed: 'a\n' })
  t.match(
    well.logged,
    /^Ran [\d.]+ .*: 4 B in, 2 B out\nSlowest: [\s\S]*?\n\nSTAGE .* p99\nlines [\s\S]*\ngrep [\s\S]*held at most\n/,
  )
  const failed = await runCommand(['pipe', list, '--profile'], 'a\nabcd\n')
  t.match(failed, {
    exitCode: 1,
    printed: 'a\n',
    logged: /^Ran [\s\S]*\nStage 'lines' received a line longer/,
  })
  const untimed = await runCommand(['pipe', list, '--profile', '--plan', 'streams'], 'a\n')
  t.match(untimed.logged, /nothing is timed/)
  const io = new FakeIo()
  const exited = main(['pipe', list, '--profile'], io)
  io.stdin.write('a\n')
  await once(io.stdout, 'data')
  io.emit('SIGINT')
  t.equal(await exited, 130)
  t.match(io.logged, /^Ran [\s\S]*2 B in/)
})
