import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { BindError, lines, map, type Pipeline, pipeline, StageOrderError, toLines } from '../../lib/index.js'
import { echo, uppercase, welcome } from '../../lib/presets/index.js'
import { fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { connectTcp, exchange } from '../tcp-client.js'
import { serveLocally } from './local-listener.js'

const MIB = 1024 * 1024
const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
const shout = () => uppercase.pipeline({ banner: '' })

/** The code of the error that a connection attempt ends in. */
async function refusal(port: number): Promise<string | undefined> {
  const [error] = await once(connect({ host: '127.0.0.1', port }), 'error')
  return error.code
}

/** A client that is served: its first line was answered. */
async function served(t: Test, port: number) {
  const client = await connectTcp(t, port)
  await client.send('HI\n')
  await client.receive('HI\n')
  return client
}

for (const plan of PLANS) {
  t.test(`${plan}: close() answers what the kernel has, also what was never read`, async t => {
    const { listener, port, ended } = await serveLocally(t, shout(), { plan })
    const client = await served(t, port)
    const sent = 'abcdefg\n'.repeat(4096)
    await client.send(sent)
    const closed = listener.close()
    t.equal((await client.receive()).toString(), sent.toUpperCase())
    client.end()
    t.strictSame(await closed, { forced: 0 })
    t.match(await ended(1), [{ reason: 'shutdown', error: undefined, bytesRead: 3 + sent.length }])
  })

  t.test(`${plan}: close() waits for an answer that the client has not read, and then ends`, async t => {
    const large = map('large', (_chunk: Buffer): Buffer => Buffer.alloc(64 * MIB), BYTES)
    const { listener, port, ended } = await serveLocally(t, pipeline().through(large), { plan })
    const client = await connectTcp(t, port)
    await client.send('x')
    await client.receive(1)
    const closed = listener.close()
    // Longer than it takes to look for what has come.
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
    t.equal((await client.receive()).length, 64 * MIB - 1)
    client.end()
    t.strictSame(await closed, { forced: 0 })
    t.match(await ended(1), [{ reason: 'shutdown', bytesWritten: 64 * MIB }])
  })

  t.test(`${plan}: a client that never stops does not hold up close() for ever`, async t => {
    const { listener, port } = await serveLocally(t, shout(), { plan })
    const client = await served(t, port)
    client.socket.on('end', () => client.reset())
    const answers = client.receive()
    const closed = listener.close()
    while (!client.socket.destroyed) {
      client.socket.write('abc\n')
      await new Promise(setImmediate)
    }
    const answer = (await answers.catch(() => Buffer.alloc(0))).toString()
    t.match(answer, /^(ABC\n)*$/, 'what is answered is whole lines')
    t.strictSame(await closed, { forced: 0 })
  })

  t.test(`${plan}: what has just begun to leave may be cut off`, async t => {
    const clock = fakeClock()
    const { listener, port, ended } = await serveLocally(t, shout(), { plan, clock })
    await served(t, port)
    // In the turn of the event loop in which the connection would see that no more input comes.
    setImmediate(() =>
      setImmediate(() => {
        void listener.close({ timeout: 0 })
        clock.advance(0)
      }),
    )
    t.strictSame(await listener.close(), { forced: 1 })
    t.match(await ended(1), [{ reason: 'shutdown', error: undefined }])
  })

  t.test(`${plan}: a failure while a connection leaves is still its reason`, async t => {
    const picky = map('picky', (line: string) => {
      if (line === 'bad') throw new Error('boom')
      return line
    })
    const { listener, port, ended } = await serveLocally(
      t,
      pipeline().through(lines()).through(picky).through(toLines()),
      { plan },
    )
    const client = await served(t, port)
    await client.send('good\nbad')
    await client.receive('good\n')
    const closed = listener.close()
    await client.send('\n')
    t.equal((await client.receive()).toString(), '')
    client.end()
    t.strictSame(await closed, { forced: 0 })
    t.match(await ended(1), [{ reason: 'stage-error', error: { stage: 'picky' } }])
  })

  t.test(
    `${plan}: a last line that fails when a connection that leaves is flushed is its reason`,
    async t => {
      const failing = pipeline().through(map('failing', (chunk: Buffer): Buffer => chunk, BYTES))
      const { listener, port, ended } = await serveLocally(t, failing.through(flushFails()), { plan })
      const client = await served(t, port)
      const closed = listener.close()
      t.equal((await client.receive()).toString(), '')
      client.end()
      await closed
      t.match(await ended(1), [{ reason: 'stage-error', error: { stage: 'last words', message: /boom/ } }])
    },
  )
}

function flushFails() {
  return {
    ...map('last words', (chunk: Buffer): Buffer => chunk, BYTES),
    open: () => ({
      flush: () => {
        throw new Error('boom')
      },
    }),
  } as ReturnType<typeof map<Buffer, Buffer>>
}

t.test('suspend() refuses new clients and frees the address; resume() takes the same again', async t => {
  const { listener, port, outcomes } = await serveLocally(t, echo.pipeline())
  const open = await served(t, port)
  await listener.suspend()
  await listener.suspend()
  t.equal(await refusal(port), 'ECONNREFUSED')
  await open.send('still here')
  await open.receive('still here')
  t.equal(listener.connections, 1)

  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  await t.rejects(listener.resume(), BindError)
  other.close()
  await once(other, 'close')

  await listener.resume()
  await listener.resume()
  t.equal(listener.address.port, port)
  t.equal((await exchange(t, port, ['again'])).toString(), 'again')
  t.match(outcomes, [{ reason: 'end' }])
})

t.test('a listener that is suspended closes as any other, and does not resume', async t => {
  const { listener, port } = await serveLocally(t, echo.pipeline())
  const client = await served(t, port)
  await listener.suspend()
  const closed = listener.close()
  t.equal((await client.receive()).toString(), '')
  client.end()
  t.strictSame(await closed, { forced: 0 })
  await listener.resume()
  t.equal(await refusal(port), 'ECONNREFUSED')
})

t.test('replace() serves new connections with another pipeline, and open ones with theirs', async t => {
  for (const plan of PLANS) {
    const { listener, port } = await serveLocally(t, shout(), { plan })
    const before = await served(t, port)
    await listener.replace(welcome.pipeline({ banner: 'new: ' }))
    t.equal((await exchange(t, port, ['abc'])).toString(), 'new: abc')
    await before.send('abc\n')
    t.equal((await before.receive('\n')).toString(), 'ABC\n')
    const wrong = pipeline().through(lines()) as unknown as Pipeline<Buffer, Buffer>
    await t.rejects(listener.replace(wrong), StageOrderError)
    t.equal((await exchange(t, port, ['abc'])).toString(), 'new: abc', 'a wrong one changes nothing')
  }
})

t.test('who is refused is told why, counted, and gets an outcome; the first ones go on', async t => {
  const { listener, port, ended } = await serveLocally(t, echo.pipeline(), { maxConnections: 1 })
  const first = await served(t, port)
  for (let refused = 1; refused <= 20; refused++) {
    const client = await connectTcp(t, port)
    t.equal((await client.receive()).toString(), 'error: too many connections\n')
    client.end()
    const outcomes = await ended(refused)
    t.match(outcomes.at(-1), { reason: 'refused', bytesRead: 0, bytesWritten: 28 })
  }
  t.equal(listener.refused, 20)
  await first.send('hello')
  await first.receive('hello')
  t.equal(listener.connections, 1)
  first.end()
  await ended(21)
  await served(t, port)
})

t.test('of many refused at once eight are waited for, and the others are closed', async t => {
  const clock = fakeClock()
  const { listener, port, ended } = await serveLocally(t, echo.pipeline(), { clock, maxConnections: 1 })
  await served(t, port)
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectTcp(t, port)))
  await ended(12)
  t.equal(listener.refused, 20)
  const told = await Promise.all(clients.map(client => client.receive().catch(() => Buffer.alloc(0))))
  t.ok(told.filter(text => text.toString() === 'error: too many connections\n').length >= 8)
  const closed = listener.close({ timeout: 0 })
  clock.advance(0)
  await closed
  t.match(
    (await ended(21)).map(({ reason }) => reason).sort(),
    [...Array(20).fill('refused'), 'shutdown'],
    'those that were waited for are not waited for any longer',
  )
})

t.test('a client that sends much to a listener that refuses it still reads why', async t => {
  const { port } = await serveLocally(t, echo.pipeline(), { maxConnections: 1 })
  await served(t, port)
  const client = await connectTcp(t, port)
  void client.send(Buffer.alloc(MIB))
  t.equal((await client.receive()).toString(), 'error: too many connections\n')
})

t.test('a process ends though a connection in memory is open, and though its deadlines are far', async t => {
  const program = `
    import { pipeline } from '${scriptPath('lib/index')}'
    import { connect } from '${scriptPath('lib/testing/index')}'
    const client = connect(pipeline(), { idleTimeout: 60_000 })
    client.send('hello')
    client.receive(5).then(answer => console.log(String(answer)))
  `
  const child = spawn(process.execPath, [...SCRIPT_FLAGS, '--input-type=module', '--eval', program], {
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const printed = text(child.stdout)
  t.strictSame(await once(child, 'exit'), [0, null])
  t.equal(await printed, 'hello\n')
})
