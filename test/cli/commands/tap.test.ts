import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { main } from '../../../lib/cli/main.js'
import { tapLine } from '../../../lib/cli/watching/tap-text.js'
import type { TapEvent } from '../../../lib/index.js'
import { ANY_CHARACTER } from '../../any-character.js'
import { runs } from '../../runs.js'
import { connectTcp } from '../../tcp-client.js'
import { FakeIo } from '../fake-io.js'
import { runCommand } from '../run-command.js'
import { serveInProcess } from '../serve-in-process.js'
import { httpServer } from '../watching/status-server.js'

const SERVE = ['run', 'lines --max-length 5 | grep a | to-lines', '--host', '127.0.0.1', '--port', '0']

/** Serves a list whose connections may be tapped. */
async function serve(t: Test, ...flags: string[]) {
  const server = await serveInProcess(t, [...SERVE, '--status', '127.0.0.1:0', ...flags])
  const [, address = ''] = await server.logged(/Status on http:\/\/(\S+)\//)
  return { ...server, address, client: () => connectTcp(t, server.port) }
}

/** Begins to tap; `shows` resolves when a text was printed. */
function tap(...argv: string[]) {
  const io = new FakeIo()
  const exited = main(['tap', ...argv], io)
  const shows = async (pattern: RegExp) => {
    while (!pattern.test(io.printed)) await once(io.stdout, 'data')
  }
  return { io, exited, shows }
}

t.test('shows what a client says as text, until Ctrl-C', async t => {
  const { address, client } = await serve(t, '--allow-tap')
  const { io, exited, shows } = tap(address, '--address', '127.0.0.1')
  const seen = async () => {
    const one = await client()
    await one.send('a\u001b\nb\n')
    await one.receive('\n')
    one.end()
    await one.receive()
  }
  // The first one may come before the tap.
  while (!/opened/.test(io.printed)) await seen()
  await shows(/opened[\s\S]*closed/)
  t.match(
    io.printed,
    /\n[\d:.]{12} #\d+ in +5 B {2}a\\x1b\\nb\\n\n[\d:.]{12} #\d+ lines +2 B {2}a\\x1b\n.* grep +2 B {2}a\\x1b\n.* lines +1 B {2}b\n.* out +3 B {2}a\\x1b\\n\n.* closed: end, 127\.0\.0\.1:\d+, 5 B in, 3 B out, /,
  )
  io.emit('SIGINT')
  t.equal(await exited, 0)
  t.equal(io.logged, '')
  t.equal(io.listenerCount('SIGINT'), 0)
})

t.test('--id ends with its connection, and --json prints an object a line', async t => {
  const { address, client, logged } = await serve(t, '--allow-tap', '--log', 'text')
  const one = await client()
  const [, id = ''] = await logged(/\[conn #(\d+)\] opened/)
  const { io, exited, shows } = tap(address, '--id', id, '--json', '--max-bytes', '2')
  await shows(/attached/)
  one.end('a\u009bbc\n')
  t.equal(await exited, 0)
  const events = io.printed
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as TapEvent)
  t.match(events, [
    { event: 'attached', id: Number(id), address: one.address },
    { event: 'item', point: 'in', text: 'a\\xc2', isCut: true, size: 6 },
    { event: 'item', stage: 'lines', index: 0, text: 'a\\xc2\\x9b', size: 4 },
    { event: 'item', stage: 'grep' },
    { event: 'item', point: 'out' },
    { event: 'closed', reason: 'end' },
  ])
  t.match(io.printed, /^[\n -~]*$/)
  t.match(await runCommand(['tap', address, '--id', id]), {
    exitCode: 1,
    printed: '',
    logged: new RegExp(`^error: .* answers with 404: No connection with the number ${id} is open`),
  })
})

t.test('--reason shows the last items of a connection that has ended for it', async t => {
  const { address, client } = await serve(t, '--allow-tap')
  const { io, exited, shows } = tap(address, '--reason', 'frame-too-long', '--json')
  // The first one may come before the tap, or in the middle of its beginning.
  while (!io.printed.includes('abcdefgh')) {
    const one = await client()
    await one.send('abcdefgh\n')
    await one.receive()
  }
  await shows(/abcdefgh[\s\S]*closed/)
  io.emit('SIGTERM')
  t.equal(await exited, 0)
  t.match(io.printed, /"text":"abcdefgh\\\\n"[\s\S]*"event":"closed".*"reason":"frame-too-long"/)
})

t.test('refusals are told as the server words them, and are safe to print', async t => {
  const { address } = await serve(t)
  t.match(await runCommand(['tap', address, '--id', '1']), {
    exitCode: 1,
    logged:
      /answers with 403: Taps are off, since they show what clients send\. Start the server with --allow-tap/,
  })
  const evil: RequestListener = (_, response) => {
    response.writeHead(404).end(`\u001b[2J${'x'.repeat(100_000)}`)
  }
  const { address: other } = await httpServer(t, evil)
  const { logged } = await runCommand(['tap', other, '--id', '1'])
  t.match(logged, /answers with 404: \\x1b\[2Jx/)
  t.ok(logged.length < 3_000)
  t.match(await runCommand(['tap', '127.0.0.1:1', '--id', '1']), {
    exitCode: 1,
    logged: /^error: Cannot ask 127\.0\.0\.1:1: /,
  })
  for (const argv of [
    [],
    ['--id', '1', '--address', '::1'],
    ['--address', 'x'],
    ['--reason', 'x'],
    ['--id', '0'],
  ]) {
    t.match(await runCommand(['tap', address, ...argv]), { exitCode: 2, printed: '' })
  }
  t.match(await runCommand(['tap', address]), { logged: 'Give one of --id, --address and --reason.\n' })
})

t.test('a server that goes away ends the tap with exit code 1; what it has cut off is dropped', async t => {
  const answers: RequestListener = ({ url, headers }, response) => {
    t.equal(url, '/prefix/tap?address=%3A%3A1&maxBytes=256&maxRate=5')
    t.equal(headers.authorization, 'Bearer secret')
    response
      .writeHead(200)
      .write('event: tap\ndata: {"event":"skipped","at":0,"count":3,"because":"reader"}\n\n')
    response.write('data: {"event":"skip\n\ndata: {"ev', () => response.destroy())
  }
  const { address } = await httpServer(t, answers)
  const io = new FakeIo()
  const url = `http://${address}/prefix/`
  const argv = ['tap', url, '--address', '::1', '--max-rate', '5', '--token', 'secret']
  const { exitCode, printed, logged } = await runCommand(argv, '', io)
  t.equal(exitCode, 1)
  t.equal(printed, '00:00:00.000 3 more: they came faster than they were read\n')
  t.equal(logged, `${url} has ended the tap.\n`)
})

t.test('a line without an end is not kept', async t => {
  const { address } = await httpServer(t, (_, response) => {
    const more = (error?: Error | null) => {
      if (!error && !response.destroyed) response.write('x'.repeat(100_000), more)
    }
    more()
  })
  const { exitCode, printed } = await runCommand(['tap', address, '--id', '1'])
  t.strictSame([exitCode, printed], [1, ''])
})

t.test('a reader of stdout that goes away ends the tap quietly', async t => {
  const { address, client } = await serve(t, '--allow-tap')
  const one = await client()
  const { io, exited, shows } = tap(address, '--address', '127.0.0.1')
  await shows(/attached/)
  io.stdout.pause()
  io.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
  await one.send('a\n')
  t.equal(await exited, 0)
  t.equal(io.logged, '')
})

t.test('a stdout that is full is waited for', async t => {
  const line = `data: ${JSON.stringify({ event: 'opened', at: 0, id: 1, address: 'x'.repeat(20_000) })}\n\n`
  const answers: RequestListener = (_, response) => void response.end(line.repeat(20))
  const { address } = await httpServer(t, answers)
  const io = new FakeIo()
  io.stdout.pause()
  const exited = main(['tap', address, '--id', '1'], io)
  while (io.stdout.readableLength === 0) await new Promise(setImmediate)
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  t.ok(io.stdout.readableLength < 100_000)
  io.stdout.resume()
  t.equal(await exited, 1)
  t.equal(io.printed.split('\n').length, 21)
})

t.test('--allow-tap without --status is refused', async t => {
  t.match(await runCommand([...SERVE, '--allow-tap']), {
    exitCode: 2,
    logged: /--allow-tap needs --status\. In a file, write 'allowTap: true' under 'status:'/,
  })
})

t.test('whatever a server sends, a line of the terminal is one line without control characters', async () => {
  const any = fc.string({ unit: ANY_CHARACTER })
  const at = fc.nat()
  const common = { at, id: fc.nat(), address: fc.option(any) }
  const event = fc.oneof(
    fc.record({ ...common, event: fc.constantFrom('attached', 'opened') }),
    fc.record({
      ...common,
      event: fc.constant('item'),
      point: fc.constantFrom('in', 'stage', 'out'),
      stage: fc.option(any),
      index: fc.constant(0),
      size: fc.nat(),
      text: any,
      isCut: fc.boolean(),
    }),
    fc.record({
      ...common,
      event: fc.constant('closed'),
      reason: any,
      message: fc.option(any),
      bytesIn: fc.nat(),
      bytesOut: fc.nat(),
      duration: fc.nat(),
    }),
    fc.record({
      at,
      event: fc.constant('skipped'),
      count: fc.nat(),
      because: fc.constantFrom('rate', 'reader'),
    }),
  )
  const property = fc.property(event, each => /^[ -~…µ]+$/.test(tapLine(each as unknown as TapEvent)))
  fc.assert(property, { numRuns: runs(60) })
})
