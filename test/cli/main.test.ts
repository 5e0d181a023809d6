import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, Server } from 'node:net'
import { constants } from 'node:os'
import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import { main } from '../../lib/cli/main.js'
import { presets } from '../../lib/presets/index.js'
import { freePort } from '../free-port.js'
import { serveLocally } from '../listener/local-listener.js'
import { connectTcp, exchange, isBound } from '../tcp-client.js'
import { FakeIo } from './fake-io.js'
import { serveInProcess } from './serve-in-process.js'

const LOCAL = ['--host', '127.0.0.1', '--port', '0']
const WELCOME = 'Welcome to the echo server! Type anything and press Enter.\n'
const SHOUT = 'Type a line and press Enter. I will shout it back.\n'

/** Runs a command that ends by itself. */
async function run(...argv: string[]) {
  const io = new FakeIo()
  const exitCode = await main(argv, io)
  return { exitCode, printed: io.printed, logged: io.logged }
}

const serve = (t: Test, ...argv: string[]) => serveInProcess(t, argv)

async function refused(port: number): Promise<void> {
  const [error] = await once(connect({ host: '127.0.0.1', port }), 'error')
  if (error.code !== 'ECONNREFUSED') throw error
}

t.test('--version, -V and version print the version of package.json and exit 0', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  for (const word of ['--version', '-V', 'version']) {
    t.strictSame(await run(word), { exitCode: 0, printed: `${version}\n`, logged: '' }, word)
  }
})

t.test('help, help of a command, and -h print what --help prints', async t => {
  for (const [argv, same] of [
    [['help'], ['--help']],
    [['-h'], ['--help']],
    [
      ['help', 'run'],
      ['run', '--help'],
    ],
    [
      ['echo', '-h'],
      ['echo', '--help'],
    ],
    [
      ['help', '-h'],
      ['help', '--help'],
    ],
  ] as const) {
    const shown = await run(...argv)
    t.strictSame([shown.exitCode, shown.logged], [0, ''], argv.join(' '))
    t.strictSame(shown, await run(...same))
  }
  t.match((await run('help', '--help')).printed, /^Usage: bywash help \[options\] \[command\]\n/)
  for (const argv of [
    ['help', 'ehco'],
    ['ehco', '--help'],
    ['ehco', '--port', '1'],
  ]) {
    t.strictSame(await run(...argv), {
      exitCode: 2,
      printed: '',
      logged: "error: unknown command 'ehco'\n(Did you mean echo?)\nRun bywash --help for all commands.\n",
    })
  }
})

t.test('what only looks like a quote, a dash or a space in a word is named', async t => {
  const quote = `“ is a typographic quote: write ' or ".\n`
  for (const [argv, exitCode, logged] of [
    [['echo', '—port', '9000'], 2, '— is a typographic dash: write - or --.\nRun bywash echo --help'],
    [['echo', '--idle-timeout', '“5s”'], 2, `${quote}Run bywash echo --help`],
    [['“echo”'], 2, `${quote}Run bywash --help`],
    [['connect', '“localhost:80”'], 2, quote],
    [['connect', '“a.sock”/'], 1, quote],
    [['stages', 'lines\u00a0'], 2, 'U+00A0 is no plain space: write one.\n'],
  ] as const) {
    const result = await run(...argv)
    t.equal(result.exitCode, exitCode)
    t.ok(result.logged.includes(`\n${logged}`), result.logged)
  }
  const others = await run('echo', '--banner', '“', '--prot')
  t.notMatch(others.logged, /typographic/, 'not in a word that nothing is wrong with')
  const ofText = await run('pipe', 'welcom “')
  t.notMatch(ofText.logged, /typographic/, 'nor beside the place in a text')
})

t.test('help is as wide as the terminal', async t => {
  const help = async (columns: number, ...argv: string[]) => {
    const io = new FakeIo()
    Object.assign(io.stdout, { columns })
    t.equal(await main(argv, io), 0)
    return io.printed.split('\n')
  }
  for (const columns of [40, 60, 80, 120]) {
    for (const argv of [['--help'], ['echo', '-h'], ['pipe', '-h'], ['check', '-h']]) {
      const lines = await help(columns, ...argv)
      // A flag and a command to copy stay in one piece.
      const wide = lines.filter(line => line.length > columns && !/^ {2}(--[\w-]+ \S+|\$ .*)$/.test(line))
      t.strictSame(wide, [], `${argv.join(' ')} at ${columns}`)
      const widest = Math.max(...lines.filter(line => !line.startsWith('  $')).map(line => line.length))
      if (argv[0] === 'echo') t.ok(widest > columns - 12, 'and not narrower')
    }
  }
})

t.test('a wrong flag of a command points at its help, and names those that are like it', async t => {
  for (const [argv, logged] of [
    [
      ['echo', '--idle-timeuot=5s'],
      "error: unknown option '--idle-timeuot=5s'\n(Did you mean --idle-timeout?)\nRun bywash echo --help",
    ],
    [
      ['run', 'echo', '--timeout', '5s'],
      "error: unknown option '--timeout'\n(Did you mean --drain-timeout, --frame-timeout or --half-close-timeout?)",
    ],
    [['-v'], "error: unknown option '-v'\n(Did you mean -V?)\nRun bywash --help for all commands.\n"],
    [
      ['check', '--xyz', 'a'],
      "error: unknown option '--xyz'\nRun bywash check --help for its arguments and flags.\n",
    ],
    [
      ['run'],
      "error: missing required argument 'pipeline'\nRun bywash run --help for its arguments and flags.\n",
    ],
  ] as const) {
    const result = await run(...argv)
    t.strictSame([result.exitCode, result.printed], [2, ''], argv.join(' '))
    t.ok(result.logged.startsWith(logged), result.logged)
  }
})

t.test('--help names every preset, what it does, and an example, on stdout', async t => {
  const { exitCode, printed, logged } = await run('--help')
  t.equal(exitCode, 0)
  t.equal(logged, '')
  t.match(printed, 'Usage: bywash')
  for (const { name, summary } of presets) {
    t.match(printed, new RegExp(`^ +${name} .*${summary.slice(0, 30)}`, 'm'))
  }
  t.match(printed, '--version')
  t.match(printed, 'Example:\n  $ bywash uppercase --port 9000\n')
})

t.test('--help of a preset names its flags with their defaults, and an example, on stdout', async t => {
  const common = [
    /--host <host> .*\(default: "0\.0\.0\.0"\)/s,
    /--port <port> .*\(default: 8080\)/s,
    /--plan <plan> .*\(choices: "fused", "streams", default: "fused"\)/s,
    /--shutdown-timeout <time> .*\(default: 15s\)/s,
    /--quiet /,
  ]
  const own = {
    '--banner': ['welcome', 'uppercase'],
    '--max-length': ['uppercase', 'chat'],
    '--overflow': ['uppercase'],
  }
  for (const { name, summary } of presets) {
    const { exitCode, printed, logged } = await run(name, '--help')
    t.equal(exitCode, 0, name)
    t.equal(logged, '')
    const text = printed.replace(/\s+/g, ' ')
    t.match(text, `Usage: bywash ${name} [options]`)
    t.ok(text.toLowerCase().includes(`${summary}.`))
    for (const flag of common) t.match(text, flag)
    for (const [flag, takers] of Object.entries(own)) {
      t.equal(text.includes(flag), takers.includes(name), `${name} ${flag}`)
    }
    t.match(printed, `Example:\n  $ bywash ${name} --host 127.0.0.1 --port 9000\n`)
  }
  const text = (await run('uppercase', '--help')).printed.replace(/\s+/g, ' ')
  t.match(text, /--max-length <bytes> .*\(default: 4096\)/)
  t.match(text, /--overflow <policy> .*\(choices: "error", "truncate", "skip", default: "error"\)/)
  t.ok(text.includes(`(default: "${SHOUT.trimEnd()}")`))
  t.ok(
    (await run('welcome', '--help')).printed
      .replace(/\s+/g, ' ')
      .includes(`(default: "${WELCOME.trimEnd()}")`),
  )
})

t.test('echo, welcome and counter say on stderr where they listen and how to try it', async t => {
  for (const preset of ['echo', 'welcome', 'counter']) {
    const { io, port } = await serve(t, preset, '--port', '0')
    t.ok(port > 0, 'port 0 becomes the real port')
    t.equal(
      io.logged,
      `Echo server listening on 0.0.0.0:${port}\nTest: echo 'hello' | nc localhost ${port}\n` +
        `Or: echo 'hello' | npx bywash connect localhost:${port}\n`,
      preset,
    )
    t.equal((await exchange(t, port, ['hello'])).toString(), `${preset === 'welcome' ? WELCOME : ''}hello`)
    t.equal(io.printed, '', 'stdout stays free')
  }
})

t.test('chat says on stderr where it listens and how to try it', async t => {
  const { io, port } = await serve(t, 'chat', '--port', '0')
  t.match(io.logged, `Chat room on 0.0.0.0:${port}\nTest: nc localhost ${port}\n`)
})

t.test('uppercase says on stderr where it listens and how to try it', async t => {
  const { io, port } = await serve(t, 'uppercase', '--port', '0')
  t.equal(
    io.logged,
    `Uppercase echo server on 0.0.0.0:${port}\nTest: nc localhost ${port}\nOr: npx bywash connect localhost:${port}\n`,
  )
  t.equal((await exchange(t, port, ['hello'])).toString(), `${SHOUT}HELLO\n`)
  t.equal(io.printed, '', 'stdout stays free')
})

t.test('--host binds one address, and the lines name it', async t => {
  const local = await serve(t, 'echo', ...LOCAL)
  t.equal(
    local.io.logged,
    `Echo server listening on 127.0.0.1:${local.port}\nTest: echo 'hello' | nc localhost ${local.port}\n` +
      `Or: echo 'hello' | npx bywash connect localhost:${local.port}\n`,
  )
  // Only the loopback address is sure to exist, so another is made up.
  t.capture(Server.prototype, 'address', () => ({ address: '192.0.2.7', family: 'IPv4', port: 9000 }))
  const other = await serve(t, 'uppercase', ...LOCAL)
  t.equal(
    other.io.logged,
    'Uppercase echo server on 192.0.2.7:9000\nTest: nc 192.0.2.7 9000\nOr: npx bywash connect 192.0.2.7:9000\n',
  )
})

t.test('--port is the port', async t => {
  const port = await freePort()
  const served = await serve(t, 'echo', '--host', '127.0.0.1', '--port', String(port))
  t.equal(served.port, port)
})

t.test('counter logs each client on stderr', async t => {
  const { io, port, logged } = await serve(t, 'counter', ...LOCAL)
  const started = io.logged
  const addresses: string[] = []
  for (const number of [1, 2]) {
    const client = await connectTcp(t, port)
    addresses.push(client.address)
    client.end('x')
    await client.receive()
    await logged(new RegExp(`total served: ${number}`))
  }
  t.equal(
    io.logged.slice(started.length),
    `[conn #1] new client from ${addresses[0]}\n[server] client disconnected (total served: 1)\n` +
      `[conn #2] new client from ${addresses[1]}\n[server] client disconnected (total served: 2)\n`,
  )
})

t.test('--quiet prints nothing', async t => {
  const io = new FakeIo()
  const port = await freePort()
  const exited = main(['counter', '--quiet', '--host', '127.0.0.1', '--port', String(port)], io)
  while (!(await isBound(port))) {}
  t.equal((await exchange(t, port, ['hello'])).toString(), 'hello')
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  t.strictSame([io.printed, io.logged], ['', ''])
})

t.test('--banner, --max-length, --overflow and --plan reach the pipeline', async t => {
  const banner = await serve(t, 'welcome', ...LOCAL, '--banner', 'gr\u00fc\u00dfe')
  t.equal((await exchange(t, banner.port, ['x'])).toString(), 'gr\u00fc\u00dfe\nx')
  const bare = await serve(t, 'uppercase', ...LOCAL, '--banner', '')
  t.equal((await exchange(t, bare.port, ['x'])).toString(), 'X\n')
  const short = await serve(
    t,
    'uppercase',
    ...LOCAL,
    '--banner',
    'hi',
    '--max-length',
    '3',
    '--plan',
    'streams',
  )
  t.equal(
    (await exchange(t, short.port, ['abc\nabcd\n'])).toString(),
    'hi\nABC\nerror: line is longer than 3 bytes\n',
  )
  for (const [policy, answer] of [
    ['truncate', 'ABC\nABC\n'],
    ['skip', 'ABC\n'],
    ['error', 'ABC\nerror: line is longer than 3 bytes\n'],
  ] as const) {
    const { port } = await serve(
      t,
      'uppercase',
      ...LOCAL,
      '--banner',
      '',
      '--max-length',
      '3',
      '--overflow',
      policy,
    )
    t.equal((await exchange(t, port, ['abc\nabcd\n'])).toString(), answer, policy)
  }
})

t.test('SIGINT and SIGTERM stop accepting, answer what has come, and exit 0', async t => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const { io, exited, port } = await serve(t, 'uppercase', '--banner', '', ...LOCAL)
    const client = await connectTcp(t, port)
    await client.send('one\ntw')
    await client.receive('ONE\n')
    io.emit(signal)
    await refused(port)
    await client.send('o\n')
    t.equal((await client.receive()).toString(), 'TWO\n', `served after ${signal}`)
    client.end()
    t.equal(await exited, 0)
    t.strictSame([io.listenerCount('SIGINT'), io.listenerCount('SIGTERM')], [0, 0])
  }
})

t.test('--shutdown-timeout is how long open connections may finish; one that is cut off exits 1', async t => {
  const { io, exited, port } = await serve(t, 'uppercase', ...LOCAL, '--shutdown-timeout', '0')
  const client = await connectTcp(t, port)
  await client.send('one\ntw')
  await client.receive('ONE\n')
  io.emit('SIGTERM')
  t.equal(await exited, 1)
  t.equal((await client.receive()).toString(), '', 'the client gets FIN')
})

t.test('a second signal ends open connections at once, and exits 1', async t => {
  const { io, exited, port } = await serve(t, 'echo', ...LOCAL)
  const client = await connectTcp(t, port)
  await client.send('one')
  await client.receive(3)
  io.emit('SIGTERM')
  io.emit('SIGINT')
  t.equal(await exited, 1)
  t.equal((await client.receive()).toString(), '', 'the client gets FIN')
})

t.test('a taken port prints one line with the reason, and exits 1', async t => {
  const { port } = await serveLocally(t, presets[0]!.pipeline())
  t.strictSame(await run('echo', '--host', '127.0.0.1', '--port', String(port)), {
    exitCode: 1,
    printed: '',
    logged: `bind failed: 127.0.0.1:${port} is already in use; choose another port, or stop the program that has it\n`,
  })
  t.match(await run('echo', '--quiet', '--host', '192.0.2.1', '--port', '0'), {
    exitCode: 1,
    logged: /^bind failed: 192\.0\.2\.1 is not an address of this machine\n$/,
  })
})

t.test('an unknown preset names the nearest one, and exits 2', async t => {
  for (const [wrong, nearest] of [
    ['uppercas', 'uppercase'],
    ['ehco', 'echo'],
    ['wellcome', 'welcome'],
    ['count', 'counter'],
  ] as const) {
    const { exitCode, printed, logged } = await run(wrong)
    t.equal(exitCode, 2, wrong)
    t.equal(printed, '')
    t.match(logged, `error: unknown command '${wrong}'\n(Did you mean ${nearest}?)\n`)
    t.notMatch(logged, /\n +at /, 'no stack trace')
  }
})

t.test('a preset that is like none says where the presets are listed, and exits 2', async t => {
  const { exitCode, logged } = await run('zzzzzz')
  t.equal(exitCode, 2)
  t.match(logged, "error: unknown command 'zzzzzz'\n")
  t.match(logged, 'bywash --help')
})

t.test('no command at all prints the help on stderr, and exits 2', async t => {
  const { exitCode, printed, logged } = await run()
  t.equal(exitCode, 2)
  t.equal(printed, '')
  t.match(logged, 'Usage: bywash')
})

t.test('a wrong value says what is allowed, and exits 2', async t => {
  const port =
    "option '-p, --port <port>' argument '{}' is invalid. It must be a whole number, from 0 to 65535."
  const length =
    "option '--max-length <bytes>' argument '{}' is invalid. It must be a whole number, from 1 to 268435456."
  const time =
    "option '--shutdown-timeout <time>' argument '{}' is invalid. It must be a time such as 500ms, 15s or 5m, at most 24 days."
  for (const [flag, value, message] of [
    ['--port', 'abc', port],
    ['--port', '-1', port],
    ['--port', '65536', port],
    ['--port', '80.5', port],
    ['--port', '0x50', port],
    ['--port', '', port],
    ['--max-length', '0', length],
    ['--max-length', '268435457', length],
    ['--max-length', '4k', length],
    ['--max-length', '99999999999999999999', length],
    ['--shutdown-timeout', 'soon', time],
    ['--shutdown-timeout', '2w', time],
    ['--shutdown-timeout', '99999m', time],
    ['--overflow', 'explode', "argument '{}' is invalid. Allowed choices are error, truncate, skip."],
    ['--plan', 'fast', "argument '{}' is invalid. Allowed choices are fused, streams."],
  ] as const) {
    const { exitCode, printed, logged } = await run('uppercase', `${flag}=${value}`)
    t.equal(exitCode, 2, `${flag} ${value}`)
    t.equal(printed, '')
    t.ok(logged.includes(message.replace('{}', value)), logged)
    t.notMatch(logged, /\n +at /, 'no stack trace')
  }
})

t.test('times take a unit, all but 0', async t => {
  for (const time of ['0', '1500ms', '500ms', '15s', '5m']) {
    const { io, exited } = await serve(t, 'echo', ...LOCAL, '--shutdown-timeout', time)
    io.emit('SIGTERM')
    t.equal(await exited, 0, time)
  }
})

t.test('a flag of another preset, an unknown flag and an extra word are refused with exit 2', async t => {
  for (const [argv, message] of [
    [['echo', '--max-length', '5'], "unknown option '--max-length'"],
    [['echo', '--overflow', 'skip'], "unknown option '--overflow'"],
    [['echo', '--banner', 'hi'], "unknown option '--banner'"],
    [['counter', '--banner', 'hi'], "unknown option '--banner'"],
    [['welcome', '--max-length', '5'], "unknown option '--max-length'"],
    [['welcome', '--overflow', 'skip'], "unknown option '--overflow'"],
    [['echo', '--prot', '5'], "unknown option '--prot'\n(Did you mean --port?)"],
    [['echo', '--port'], "option '-p, --port <port>' argument missing"],
    [['echo', 'welcome'], 'too many arguments'],
  ] as const) {
    const { exitCode, printed, logged } = await run(...argv)
    t.equal(exitCode, 2, argv.join(' '))
    t.equal(printed, '')
    t.ok(logged.includes(message), logged)
  }
})

t.test('a fault of our own is not hidden', async t => {
  const io = new FakeIo()
  t.capture(io.stdout, 'write', () => {
    throw new TypeError('a bug')
  })
  await t.rejects(main(['--version'], io), new TypeError('a bug'))
})

t.test('a reader of stdout that goes away is no error, and a full disk is one', async t => {
  for (const [errno, exitCode, logged] of [
    [constants.errno.EPIPE, 0, ''],
    [constants.errno.ENOSPC, 1, 'cannot write to stdout: no space left on device\n'],
  ] as const) {
    const error = Object.assign(new Error('write failed'), {
      errno: -errno,
      code: errno === constants.errno.EPIPE ? 'EPIPE' : 'ENOSPC',
    })
    const stdout = new Writable({
      autoDestroy: false,
      write: (_chunk, _encoding, callback) => callback(error),
    })
    const io = Object.assign(new FakeIo(), { stdout })
    t.equal(await main(['--help'], io), exitCode)
    t.equal(io.logged, logged)
  }
})
