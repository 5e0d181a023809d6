import { Command } from 'commander'
import t, { type Test } from 'tap'
import { listenerFlags, listenerSettings } from '../../lib/cli/listener-flags.js'
import { main } from '../../lib/cli/main.js'
import { LISTENER_OPTIONS } from '../../lib/config/listener-options.js'
import { kebabCase } from '../../lib/config/registry.js'
import { connectTcp } from '../tcp-client.js'
import { FakeIo } from './fake-io.js'
import { serveInProcess } from './serve-in-process.js'

/** What the flags of a line give. */
function settingsOf(...argv: string[]) {
  const command = listenerFlags(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
  return listenerSettings(command.parse(argv, { from: 'user' }).opts(), {})
}

const DEFAULTS = settingsOf()

t.test(
  'the defaults are those of listen(), but that idle connections are closed after 5 minutes',
  async t => {
    t.strictSame(DEFAULTS, {
      listen: {
        maxConnectionsPerAddress: 0,
        maxPending: 1_048_576,
        maxReports: 10,
        idleTimeout: 300_000,
        frameTimeout: 30_000,
        drainTimeout: 60_000,
        halfCloseTimeout: 10_000,
        shutdownTimeout: 15_000,
        backlog: 65_535,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
        uncaught: 'exit',
        plan: 'fused',
        observe: 'sampled',
      },
      tls: undefined,
      status: undefined,
      log: { format: undefined, quiet: false },
    })
  },
)

t.test('each flag gives its option of listen()', async t => {
  for (const [argv, listen] of [
    ['--host ::1 --port 0', { host: '::1', port: 0 }],
    ['-p 9000', { port: 9000 }],
    [
      '--max-connections 5 --max-connections-per-address 2',
      { maxConnections: 5, maxConnectionsPerAddress: 2 },
    ],
    ['--allow 10.0.0.0/8 --allow ::1', { allow: ['10.0.0.0/8', '::1'] }],
    ['--max-pending 64KiB', { maxPending: 65_536 }],
    ['--deny 192.0.2.7', { deny: ['192.0.2.7'] }],
    ['--max-reports 3', { maxReports: 3 }],
    ['--idle-timeout 0 --frame-timeout 1500ms', { idleTimeout: 0, frameTimeout: 1500 }],
    ['--drain-timeout 500ms --half-close-timeout 2s', { drainTimeout: 500, halfCloseTimeout: 2000 }],
    ['--shutdown-timeout 1h', { shutdownTimeout: 3_600_000 }],
    ['--backlog 7', { backlog: 7 }],
    ['--delay --no-keep-alive', { noDelay: false, keepAlive: false }],
    ['--keep-alive-initial-delay 5m', { keepAliveInitialDelay: 300_000 }],
    ['--plan streams --uncaught isolate', { plan: 'streams', uncaught: 'isolate' }],
    ['--workers 3', { workers: { count: 3 } }],
    ['--workers auto', { workers: { count: 'auto' } }],
  ] as const) {
    t.strictSame(settingsOf(...argv.split(' ')).listen, { ...DEFAULTS.listen, ...listen }, argv)
  }
  t.strictSame(settingsOf('--log', 'json', '--quiet').log, { format: 'json', quiet: true })
})

t.test('a flag of WebSockets asks for them, and gives its option', async t => {
  t.notOk('websocket' in DEFAULTS.listen)
  for (const [argv, websocket] of [
    ['--websocket', {}],
    ['--page', { page: true }],
    ['--websocket --websocket-messages lines --websocket-type binary', { messages: 'lines', type: 'binary' }],
    ['--websocket-origins https://a.example --websocket-origins *', { origins: ['https://a.example', '*'] }],
    ['--websocket-max-length 4KiB --websocket-ping-interval 0', { maxLength: 4096, pingInterval: 0 }],
    ['--websocket-handshake-timeout 2s', { handshakeTimeout: 2000 }],
  ] as const) {
    t.strictSame(settingsOf(...argv.split(' ')).listen.websocket, websocket, argv)
  }
})

t.test('the help has every flag in a group, with what it does and its default', async t => {
  const io = new FakeIo()
  t.equal(await main(['echo', '--help'], io), 0)
  t.strictSame(io.printed.match(/^[A-Z]\w+:$/gm), [
    'Address:',
    'Limits:',
    'Deadlines:',
    'Sockets:',
    'Process:',
    'TLS:',
    'WebSocket:',
    'Status:',
    'Log:',
    'Options:',
    'Example:',
  ])
  const text = io.printed.replace(/\s+/g, ' ')
  for (const name of Object.keys(LISTENER_OPTIONS)) {
    const flag = name === 'noDelay' ? 'delay' : name === 'keepAlive' ? 'no-keep-alive' : kebabCase(name)
    t.match(text, ` --${flag} `, name)
  }
  for (const part of [
    '--max-connections <number> how many connections are served at once (default: 10000, or what the limit of open files leaves)',
    '--allow <range> addresses and CIDR ranges that are served; may be repeated (default: all)',
    '--idle-timeout <time> how long nothing may come or go; 0 is for ever (default: 5m)',
    '--log <form>',
    '(choices: "text", "json", "silent")',
  ]) {
    t.ok(text.includes(part), part)
  }
})

t.test('a wrong value says what is allowed, and exits 2', async t => {
  const count = (least: number, most: number) => `It must be a whole number, from ${least} to ${most}.`
  const time = 'It must be a time such as 500ms, 15s or 5m, at most 24 days.'
  const range = `It is a list of addresses and CIDR ranges, such as '10.0.0.0/8' and '2001:db8::/32'; got`
  for (const [flag, value, message] of [
    ['--host <host>', '', 'It is an address or a host name, such as \'127.0.0.1\'; got "".'],
    ['--max-connections <number>', '0', count(1, 2_147_483_647)],
    ['--max-connections-per-address <number>', '-1', count(0, 2_147_483_647)],
    ['--allow <range>', '10.0.0.0/99', `${range} "10.0.0.0/99".`],
    ['--deny <range>', 'localhost', `${range} "localhost".`],
    ['--idle-timeout <time>', '5x', time],
    ['--frame-timeout <time>', '-1s', time],
    ['--idle-timeout <time>', '5', 'It must be a time with a unit, such as 5s or 5ms.'],
    ['--drain-timeout <time>', '25d', time],
    ['--half-close-timeout <time>', '0', time.replace('at most', 'from 1ms on, at most')],
    ['--keep-alive-initial-delay <time>', 'never', time],
    ['--backlog <number>', '65536', count(1, 65_535)],
    ['--uncaught <policy>', 'ignore', 'Allowed choices are isolate, exit.'],
    ['--log <form>', 'xml', 'Allowed choices are text, json, silent.'],
  ] as const) {
    const io = new FakeIo()
    t.equal(await main(['echo', `${flag.split(' ')[0]}=${value}`], io), 2, flag)
    t.equal(
      io.logged,
      `error: option '${flag}' argument '${value}' is invalid. ${message}\nRun bywash echo --help for its arguments and flags.\n`,
    )
  }
})

/** Serves a preset with limits, and logs how connections end. */
const serve = (t: Test, ...argv: string[]) =>
  serveInProcess(t, [...argv, '--host', '127.0.0.1', '--port', '0'])

t.test('who is not to be served is told why, and logged once', async t => {
  for (const [flags, farewell] of [
    [['--max-connections', '1'], 'too many connections'],
    [['--max-connections-per-address', '1'], 'too many connections from your address'],
    [['--allow', '10.0.0.0/8', '--allow', '::1'], 'address not allowed'],
    [['--deny', '127.0.0.0/8'], 'address not allowed'],
  ] as const) {
    const { io, logged, port } = await serve(t, 'echo', ...flags)
    const first = await connectTcp(t, port)
    if (farewell.startsWith('too many')) {
      await first.send('x')
      await first.receive(1)
    }
    const refused = farewell.startsWith('too many') ? await connectTcp(t, port) : first
    t.equal((await refused.receive()).toString(), `error: ${farewell}\n`)
    refused.end()
    await logged(new RegExp(`\\[conn\\] refused: ${refused.address}, .*: .*\\.\n`))
    t.equal(io.logged.match(/^\[conn/gm)?.length, 1, flags.join(' '))
  }
})

t.test('who lets a deadline pass is told, and logged once with the reason', async t => {
  for (const [flags, sent, farewell, reason] of [
    [['--idle-timeout', '40ms'], 'one\n', 'idle for 40 ms', 'idle-timeout'],
    [['--frame-timeout', '40ms'], 'unfinished', 'line took longer than 40 ms', 'frame-timeout'],
  ] as const) {
    const { io, logged, port } = await serve(t, 'uppercase', '--banner', '', ...flags)
    const client = await connectTcp(t, port)
    await client.send(sent)
    t.match((await client.receive()).toString(), `error: ${farewell}\n`)
    client.end()
    await logged(new RegExp(`\\[conn #\\d+\\] closed: ${reason}, ${client.address}, .*\n`))
    t.equal(io.logged.match(/^\[conn/gm)?.length, 1, reason)
  }
})

t.test('who takes no output is closed, and logged once with the reason', async t => {
  // A few bytes in, and more out than the system holds.
  const text = `lines | prefix ${'x'.repeat(16_384)} | to-lines`
  for (const [flags, ends, reason] of [
    [['--drain-timeout', '40ms'], false, 'drain-timeout'],
    [['--half-close-timeout', '40ms'], true, 'half-close-timeout'],
  ] as const) {
    const { io, logged, port } = await serve(t, 'run', text, ...flags)
    const client = await connectTcp(t, port)
    const sent = 'x\n'.repeat(2000)
    if (ends) client.end(sent)
    else await client.send(sent)
    await logged(new RegExp(`\\[conn #\\d+\\] closed: ${reason}, ${client.address}, .*\n`))
    t.equal(io.logged.match(/^\[conn/gm)?.length, 1, reason)
  }
})

t.test(
  'workers are spread by the primary, and their heaps have no limit, unless a flag says otherwise',
  async t => {
    t.strictSame(settingsOf('--workers', '2').listen.workers, { count: 2 })
    t.strictSame(settingsOf('--workers', 'auto', '--spread', 'kernel').listen.workers, {
      count: 'auto',
      spread: 'kernel',
    })
    t.strictSame(
      settingsOf('--workers', '2', '--spread', 'kernel', '--max-heap-size', '512MiB').listen.workers,
      {
        count: 2,
        spread: 'kernel',
        maxHeapSize: 536_870_912,
      },
    )
    t.notOk('workers' in settingsOf().listen)
    for (const flag of [
      ['--spread', 'kernel'],
      ['--max-heap-size', '512MiB'],
    ]) {
      t.throws(() => settingsOf(...flag), {
        message: `'${flag[0]}' is about workers; give '--workers' too, as in '--workers auto'.`,
      })
    }
  },
)
