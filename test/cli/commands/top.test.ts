import { once } from 'node:events'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { lines, listen, pipeline, serveStatus, toLines } from '../../../lib/index.js'
import { fakeClock } from '../../../lib/testing/index.js'
import { socketFolder } from '../../socket-folder.js'
import { firstStatus, sampleConnection, sampleStatus } from '../../status/sample-status.js'
import { connectTcp } from '../../tcp-client.js'
import { FakeIo } from '../fake-io.js'
import { inTerminal, NO_TERMINAL } from '../pseudo-terminal.js'
import { runCommand } from '../run-command.js'
import { httpServer, statusServer } from '../watching/status-server.js'

const BYWASH = `'${process.execPath}' '${resolve('dist/cli/bin.js')}'`

/** An Io of a terminal, whose clock the test moves. */
function terminalIo(columns = 80, rows = 30) {
  const clock = fakeClock()
  const io = Object.assign(new FakeIo(), { clock })
  Object.assign(io.stdout, { isTTY: true, columns, rows })
  const modes: boolean[] = []
  Object.assign(io.stdin, { isTTY: true, setRawMode: (isRaw: boolean) => modes.push(isRaw) })
  io.env = { NO_COLOR: '1' }
  let seen = 0
  /** Waits until the screen has shown something, behind what was waited for before. */
  const shows = async (text: string) => {
    for (;;) {
      const at = io.printed.indexOf(text, seen)
      if (at >= 0) {
        seen = at + text.length
        return
      }
      await once(io.stdout, 'data')
    }
  }
  return { io, clock, modes, shows, type: (keys: string) => io.stdin.write(keys) }
}

const withoutEscapes = (text: string) => text.replace(/␛\[[?\d]*[a-zA-Z]/g, '')

/** The last screen that was drawn. */
const screen = (io: FakeIo) => {
  const drawn = io.printed.split('\u001b[H').at(-1) as string
  return withoutEscapes(drawn.replaceAll('\u001b', '␛')).split('\r\n')
}

t.test('no terminal: a snapshot as text, in plain characters and 80 columns', async t => {
  const { address, requests } = await statusServer(t, () => sampleStatus())
  const { exitCode, printed, logged } = await runCommand(['top', address])
  t.strictSame([exitCode, logged], [0, ''])
  t.match(
    printed,
    /^127\.0\.0\.1:7000 {2}1,307 open of 10k, 2 in their handshake\nin 39\.1 KiB\/s {2}out 40 KiB\/s {2}333 reads\/s\n/,
  )
  t.match(printed, "\n! stage 'lookup' is busy 93 % of the time\n")
  t.match(printed, /\nlookup +█{10,}· +93 % +1,000 +8\.2 ms +65 ms +2\.5 KiB\n/)
  t.match(printed, /\n#42 10\.0\.0\.42:40042 +896 KiB +41 s {2}the client does not read\n#7 /)
  t.ok(printed.split('\n').every(line => line.length <= 80))
  t.notMatch(printed, '\u001b')
  t.strictSame(requests, [{ url: '/status', authorization: undefined }])
})

t.test('--json prints what the server gives, as a list', async t => {
  const statuses = [sampleStatus({ name: '\u202ex' }), firstStatus()]
  const answers = [statuses, statuses]
  const { address, requests } = await statusServer(t, () => answers.shift())
  const io = Object.assign(new FakeIo(), { clock: { ...fakeClock(), setTimeout: soon } })
  const { exitCode, printed } = await runCommand(['top', '--json', address], '', io)
  t.equal(exitCode, 0)
  t.strictSame(JSON.parse(printed), statuses)
  t.match(printed, /^[ -~\n]*$/, 'escaped')
  t.equal(requests.length, 2, 'the first look has no rates, so a second one follows')
})

t.test('it reads what serveStatus() gives', async t => {
  const list = pipeline().through(lines()).through(toLines())
  const listener = await listen(list, { host: '127.0.0.1', port: 0 })
  const status = await serveStatus(listener, { port: 0 })
  const client = await connectTcp(t, listener.address.port)
  await client.send('hello\n')
  t.equal(String(await client.receive('\n')), 'hello\n')
  const io = Object.assign(new FakeIo(), { clock: { ...fakeClock(), setTimeout: soon } })
  const { exitCode, printed } = await runCommand(['top', `127.0.0.1:${status.address.port}`], '', io)
  t.equal(exitCode, 0)
  t.match(printed, `127.0.0.1:${listener.address.port}  1 open of 10k\n`)
  t.match(printed, /\nlines \| toLines /)
  client.end()
  await client.receive()
  await status.close()
  await listener.close()
})

/** Calls back at once what waits a second or so, and nothing that is a deadline. */
function soon(callback: () => void, milliseconds: number) {
  if (milliseconds < 2_000) setImmediate(callback)
}

t.test('several listeners, and what there is beside stages', async t => {
  const { address } = await statusServer(t, () => [
    sampleStatus({ stages: [] }),
    { ...sampleStatus(), ...firstStatus(), traffic: sampleStatus().traffic },
  ])
  const { printed } = await runCommand(['top', address])
  const [first, second] = printed.split('\n\n127.0.0.1:7000  closing')
  t.notMatch(first, 'STAGE')
  for (const text of [
    '  2 open, 1 in their handshake\n',
    '\necho   not observed ',
    '\n  3 errors, 20M dropped\n',
    'hub room: 5 subscribers, 1 behind, 2 lost\nhub calm: 5 subscribers, 0 behind\n',
    'upstream db:1: 1 open, 4 connects, 3 failed\nupstream db:2: 1 open, 4 connects\n',
    'worker 1 dead: 0 open  nothing comes\n',
    '#1 - worker 2 ',
  ]) {
    t.ok(second?.includes(text), text)
  }
  const none = await statusServer(t, () => [])
  t.match(await runCommand(['top', none.address]), { exitCode: 0, printed: 'There is no listener.\n' })
})

t.test('an address is a host and port, a URL, or the path of a unix socket', async t => {
  const path = join(socketFolder(t), 'status.sock')
  const unix = await statusServer(t, () => sampleStatus(), { path })
  t.match(await runCommand(['top', path]), { exitCode: 0 })
  const { port, requests } = await statusServer(t, () => sampleStatus())
  for (const [word, url] of [
    [`:${port}`, '/status'],
    [`http://127.0.0.1:${port}`, '/status'],
    [`HTTP://127.0.0.1:${port}/status`, '/status'],
    [`http://127.0.0.1:${port}/behind/`, '/behind/status'],
  ] as const) {
    t.match(await runCommand(['top', word]), { exitCode: 0 }, word)
    t.equal(requests.at(-1)?.url, url)
  }
  t.equal(unix.requests.length, 1)
  for (const word of ['nowhere', 'http://', 'ftp://a/b', '127.0.0.1:0', '::1:80']) {
    const { exitCode, logged } = await runCommand(['top', word])
    t.equal(exitCode, 2)
    t.match(logged, `'${word}' is no address of a status. Write that of the server's --status: `)
  }
})

t.test('a token goes along, from the flag or the environment', async t => {
  const { address, requests } = await statusServer(t, () => sampleStatus())
  await runCommand(['top', address, '--token', 'one'])
  await runCommand(['top', address], '', Object.assign(new FakeIo(), { env: { BYWASH_STATUS_TOKEN: 'two' } }))
  t.strictSame(
    requests.map(({ authorization }) => authorization),
    ['Bearer one', 'Bearer two'],
  )
  t.match(await runCommand(['top', address, '--token', 'a\nb']), { exitCode: 2 })
})

t.test('no answer, or another one, says what to change and exits with 1', async t => {
  const gone = await statusServer(t, () => undefined)
  await gone.close()
  const answers = async (t: Test, statusCode: number, body = '') =>
    (await httpServer(t, (_request, response) => void response.writeHead(statusCode).end(body))).address
  const bare = createServer(socket =>
    socket
      .on('error', () => {})
      .resume()
      .end('hello\r\n'),
  )
  bare.listen(0, '127.0.0.1')
  await once(bare, 'listening')
  t.teardown(() => bare.close())
  const listener = `127.0.0.1:${(bare.address() as { port: number }).port}`
  const cut = await httpServer(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{')
    setImmediate(() => response.destroy())
  })
  const long = await httpServer(t, (_request, response) => {
    const chunk = Buffer.alloc(1_048_576)
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', write)
    write()
  })
  for (const [argv, message] of [
    [[gone.address], `Cannot ask ${gone.address}: connection refused.`],
    [['/nowhere/status.sock'], 'Cannot ask /nowhere/status.sock: no such file or directory.'],
    [[`https://${listener}`], `Cannot ask https://${listener}: `],
    [[await answers(t, 401)], 'asks for a token: give it with --token, or in BYWASH_STATUS_TOKEN.'],
    [[await answers(t, 403), '--token', 'x'], 'does not take this token.'],
    [
      [await answers(t, 404)],
      "answers with 404, and not with a status. Write the address of the server's --status.",
    ],
    [[await answers(t, 200, '<html>')], 'is no status of bywash.'],
    [[await answers(t, 200, '{"version":1}')], 'is no status of bywash.'],
    [
      [await answers(t, 200, '[{"version":2}]')],
      'gives version 2 of a status, and this bywash reads version 1.',
    ],
    [
      [listener],
      `${listener} does not speak HTTP. Write the address of the server's --status, and not that of a listener.`,
    ],
    [[cut.address], `Cannot ask ${cut.address}: `],
    [[long.address], 'is longer than 16777216 bytes.'],
  ] as const) {
    const { exitCode, printed, logged } = await runCommand(['top', ...argv])
    t.strictSame([exitCode, printed], [1, ''], message)
    t.match(logged, /^error: [ -~]+\n$/)
    t.ok(logged.includes(message), logged)
  }
})

t.test('a server that does not answer is given 5 seconds', async t => {
  const { address } = await httpServer(t, () => {})
  const clock = fakeClock()
  const io = Object.assign(new FakeIo(), { clock })
  const exited = runCommand(['top', address], '', io)
  while (clock.pending === 0) await new Promise(setImmediate)
  clock.advance(5_000)
  t.match(await exited, { exitCode: 1, logged: `error: ${address} has not answered within 5 s.\n` })
})

t.test('on a terminal it draws anew each second, and q brings back what was there', async t => {
  let status = sampleStatus()
  const { address, requests } = await statusServer(t, () => status)
  const { io, clock, modes, shows, type } = terminalIo()
  const exited = main(['top', address], io)
  await shows('q quit  s sort  / filter  p pause')
  t.ok(io.printed.startsWith('\u001b[?1049h\u001b[?25l\u001b[H'), 'a screen of its own')
  t.strictSame([screen(io).length, screen(io)[0]], [30, `bywash top ${address}`])
  status = sampleStatus({ name: 'other' })
  clock.advance(1_000)
  await shows('other')
  t.match(screen(io).join('\n'), '\n█\n', 'a curve')
  t.equal(requests.length, 2)
  status = sampleStatus()
  clock.advance(1_000)
  await shows('7000')
  t.match(screen(io).join('\n'), '\n█\n', 'a curve of its own')
  type('x\u001b[Cq')
  await shows('q quit')
  type('q')
  t.equal(await exited, 0)
  t.ok(io.printed.endsWith('\u001b[?25h\u001b[?1049l'))
  t.strictSame([modes, clock.pending, io.stdin.listenerCount('data')], [[true, false], 0, 0])
  t.equal(io.listenerCount('SIGINT'), 0)
})

t.test('keys sort, filter, pause and choose a listener', async t => {
  const slow = sampleConnection(42, { waitedFor: 14_000, pendingBytes: 1_572_864 })
  let statuses = [
    sampleStatus({
      slowest: [slow, sampleConnection(7)],
      largest: [slow, sampleConnection(8, { heldBytes: 2_097_152 })],
    }),
    sampleStatus({ name: 'second', slowest: [sampleConnection(1)], largest: [] }),
  ]
  const { address } = await statusServer(t, () => statuses)
  const { io, clock, shows, type } = terminalIo()
  const exited = main(['top', address], io)
  const order = () => screen(io).flatMap(line => /^#\d+/.exec(line) ?? [])
  await shows('tab next')
  t.strictSame(order(), ['#42', '#7', '#8'])
  for (const [sort, ids] of [
    ['held', ['#8', '#42', '#7']],
    ['traffic', ['#42', '#8', '#7']],
    ['age', ['#42', '#8', '#7']],
    ['wait', ['#42', '#7', '#8']],
  ] as const) {
    type('s')
    await shows(`by ${sort}`)
    await shows('tab next')
    t.strictSame(order(), ids, sort)
  }
  type('/')
  await shows('filter: _')
  type('400423\u007fé')
  await shows('filter: 40042_')
  t.strictSame(order(), ['#42'])
  type('\r')
  await shows('tab next')
  t.ok(screen(io).some(line => line.includes("by wait, with '40042'")))
  type('\u001b')
  await shows('tab next')
  t.equal(order().length, 3, 'Escape shows all again')
  type('/zzz')
  await shows('filter: zzz_')
  t.ok(screen(io).includes("CONNECTIONS  none with 'zzz'"))
  type('y'.repeat(100))
  await shows(`zzz${'y'.repeat(37)}_`)
  type('\u001b')
  await shows('tab next')
  for (const [key, chosen] of [
    ['\t', '> second'],
    ['\u001b[B', '> 127'],
    ['\u001b[A', '> second'],
    ['\u001b[A', '> 127'],
  ] as const) {
    type(key)
    await shows(chosen)
    await shows('tab next')
  }
  type('p')
  await shows('  paused')
  statuses = [sampleStatus({ name: 'third', traffic: firstStatus().traffic })]
  clock.advance(1_000)
  await shows('tab next')
  t.notMatch(screen(io).join(), 'third')
  type('p')
  await shows('tab next')
  clock.advance(1_000)
  await shows('third')
  type('\u0003')
  t.equal(await exited, 0, 'Ctrl-C')
})

t.test('a server that goes away is said, and may come back', async t => {
  let isDown = false
  const { address } = await httpServer(t, (_request, response) => {
    response.statusCode = isDown ? 503 : 200
    response.end(JSON.stringify(sampleStatus()))
  })
  const { io, clock, shows } = terminalIo()
  const exited = main(['top', address], io)
  await shows('q quit')
  isDown = true
  clock.advance(1_000)
  await shows(`${address} answers with 503`)
  t.ok(screen(io).includes("! stage 'lookup' is busy 93 % of the time"), 'the last status stays')
  isDown = false
  while (clock.pending === 0) await new Promise(setImmediate)
  clock.advance(1_000)
  await shows(`bywash top ${address}`)
  io.emit('SIGTERM')
  t.equal(await exited, 0)
})

t.test('without keys, and with an answer on its way, a signal ends it', async t => {
  let answer = (): unknown => sampleStatus()
  const held: (() => void)[] = []
  const { address } = await httpServer(t, (_request, response) => {
    const status = answer()
    if (status === undefined) held.push(() => response.end(JSON.stringify(sampleStatus())))
    else response.end(JSON.stringify(status))
  })
  const { io, clock, shows, modes } = terminalIo(40, 0)
  Object.assign(io.stdin, { isTTY: false })
  const exited = main(['top', address], io)
  await shows('q quit')
  t.equal(screen(io).length, 24, 'the height of a terminal that does not say it')
  answer = () => undefined
  clock.advance(1_000)
  while (held.length === 0) await new Promise(setImmediate)
  io.emit('SIGHUP')
  t.equal(await exited, 0)
  for (const finish of held) finish()
  await new Promise(setImmediate)
  t.strictSame(modes, [])
})

t.test('what clients send is escaped', async t => {
  const evil = '\u001b]0;x\u0007\u009b2J\u202e\n'
  const culprit = { kind: 'client', stage: null, text: evil } as const
  const { address } = await statusServer(t, () => [
    sampleStatus({
      name: evil,
      culprit,
      slowest: [sampleConnection(1, { address: evil, waitsFor: culprit })],
      hubs: [{ ...firstStatus().hubs[0]!, name: evil }],
      upstreams: [{ ...firstStatus().upstreams[0]!, address: evil }],
      workers: [{ ...firstStatus().workers[0]!, culprit }],
      traffic: {
        ...sampleStatus().traffic,
        total: { ...sampleStatus().traffic.total, ended: { [evil]: 1 } },
      },
      stages: [{ ...sampleStatus().stages[0]!, name: evil }],
    } as object),
  ])
  const { printed } = await runCommand(['top', address])
  t.match(printed, '\\x1b]0;x\\x07\\xc2\\x9b2J')
  t.match(printed, /^[ -~\n·…µ▁-█▒]*$/)
})

t.test('in a terminal of every width', { skip: NO_TERMINAL }, async t => {
  const { address } = await statusServer(t, () => [sampleStatus(), firstStatus()])
  const look = async (columns: number) => {
    const env = columns === 120 ? { NO_COLOR: '1' } : {}
    const command = `stty cols ${columns} rows 30; exec ${BYWASH} top ${address}`
    const { exited, shown, shows, type } = inTerminal(t, command, env)
    await shows(/q quit/)
    t.match(shown(), /^␛\[\?1049h␛\[\?25l␛\[H/)
    if (columns === 120) t.notMatch(shown(), /␛\[\d+m/, 'NO_COLOR')
    else t.match(shown(), /␛\[31m! stage 'lookup'/)
    type('q')
    t.equal(await exited, 0)
    const lines = (shown().split('␛[H')[1] as string).split(/\r+\n/).map(withoutEscapes)
    t.equal(lines.length, 30)
    const long = lines.filter(line => line.length > columns)
    t.strictSame(long, [], `${columns} columns`)
    t.ok(shown().endsWith('␛[?25h␛[?1049l'))
  }
  await Promise.all([40, 80, 120].map(look))
})
