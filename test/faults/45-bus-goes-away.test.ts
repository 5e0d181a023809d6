import { connect as dial } from 'node:net'
import t, { type Test } from 'tap'
import type { Clock } from '../../lib/clock.js'
import { hub, lines, pipeline, toLines } from '../../lib/index.js'
import { type BusAddress, loadPackage, readBusAddress } from '../../lib/stages/rooms/bus-client.js'
import { natsClient } from '../../lib/stages/rooms/nats.js'
import { redisClients } from '../../lib/stages/rooms/redis.js'
import { remoteBus } from '../../lib/stages/rooms/remote-bus.js'
import { connect, fakeClock } from '../../lib/testing/index.js'
import { freePort } from '../free-port.js'
import { missing } from '../program.js'
import { freeze, kill, pause, redisParameters, startServer } from '../server-program.js'

/** On a busy machine a server takes longer than `receive()` waits. */
const PATIENT = { timeout: 60_000 }

/** The servers that can be a bus, and how each is started. */
const BUSES = [
  {
    scheme: 'redis',
    port: 6379,
    open: (address: BusAddress, clock: Clock) => redisClients(address, () => loadPackage('ioredis'), clock),
    program: 'redis-server',
    parameters: redisParameters,
  },
  {
    scheme: 'nats',
    port: 4222,
    open: (address: BusAddress, clock: Clock) =>
      natsClient(address, () => loadPackage('@nats-io/transport-node'), clock),
    program: 'nats-server',
    parameters: (port: number) => ['-a', '127.0.0.1', '-p', String(port)],
  },
]

/** Resolves when so many warnings have a pattern. */
async function heard(said: readonly string[], pattern: RegExp, count: number): Promise<void> {
  while (said.filter(message => pattern.test(message)).length < count) await pause()
}

/** Resolves when a server has answered a PING, which both of them know. */
async function answerOf(port: number): Promise<void> {
  const socket = dial(port, '127.0.0.1').on('error', () => {})
  socket.write('PING\r\n')
  for await (const chunk of socket) if (String(chunk).includes('PONG')) break
}

/** Of what a subscriber has been sent: how many items, and how many it was told to have missed. */
function account(text: string): { items: number; missed: number; last: string } {
  const all = text.split('\n').slice(0, -1)
  const notes = all.map(line => /^\[missed (\d+)\]$/.exec(line)?.[1])
  return {
    items: notes.filter(note => note === undefined).length,
    missed: notes.reduce((sum, note) => sum + Number(note ?? 0), 0),
    last: all.at(-1) ?? '',
  }
}

for (const { scheme, program, parameters, open, port: usual } of BUSES) {
  const skip = missing(program)

  t.test(`45: ${program} is killed under a room, and comes back`, { skip }, async (t: Test) => {
    const said: string[] = []
    const note = ({ message }: Error) => void said.push(message)
    process.on('warning', note)
    const port = await freePort()
    const start = () => startServer(t, port, program, parameters(port))
    const via = `${scheme}://127.0.0.1:${port}`
    const make = () => hub<string>({ name: 'lobby', via })
    const [here, there] = [make(), make()]
    const chat = (room: typeof here) => pipeline().through(lines()).through(room.stage()).through(toLines())
    const [near, far] = [connect(chat(here)), connect(chat(there))]
    t.teardown(async () => {
      for (const client of [near, far]) {
        client.reset()
        await client.outcome
      }
      for (const room of [here, there]) await room.close()
      process.off('warning', note)
    })
    let published = 0
    let nearText = ''
    let farText = ''
    /** Publishes one item, which reaches who is in the same process whatever the bus does. */
    const publish = async () => {
      here.publish(`item ${++published}`)
      nearText += String(await near.receive('\n', PATIENT))
    }
    /** Publishes until the other process hears of it. It may not have read yet what came before the server was killed. */
    const reach = async () => {
      const before = published
      let isReached = false
      const read = async () => {
        let number = 0
        while (number <= before) {
          const line = String(await far.receive('\n', PATIENT))
          farText += line
          number = Number(/^item (\d+)/.exec(line)?.[1] ?? 0)
        }
      }
      const reading = read().finally(() => {
        isReached = true
      })
      while (!isReached) {
        await publish()
        await pause()
      }
      await reading
    }

    await heard(said, /is away/, 2)
    let server = await start()
    await reach()
    const first = Number(/\d+/.exec(farText)?.[0]) - 1
    for (let round = 0; round < 2; round++) {
      await kill(server)
      await heard(said, /is away/, 2 * (round + 2))
      const losses = here.losses
      for (let lost = 0; lost < 100; lost++) await publish()
      t.equal(here.losses, losses + 100, 'what the bus cannot take is counted')
      server = await start()
      await heard(said, /is back/, 2 * (round + 2))
      await reach()
    }
    const last = `item ${published}`
    while (account(farText).last !== last) farText += String(await far.receive('\n', PATIENT))
    const { items, missed } = account(farText)
    t.ok(missed >= 200)
    t.equal(first + items + missed, published, 'each item has come, or is said to be missing')
    t.equal(there.losses, missed)
    t.equal(account(nearText).items, published, 'and each has come in its own process')
    t.equal(said.length, 12, 'two processes have said that the bus is away, and is back')
    t.match(said[0], new RegExp(`^${via} is away \\(`))

    if (scheme === 'nats') {
      const { losses } = here
      here.publish('x'.repeat(1_048_570))
      t.equal(here.losses, losses + 1, 'longer than the server takes')
      await near.receive('\n', PATIENT)
    }
  })

  t.test(`45: ${program} hangs under a room without closing, and comes back`, { skip }, async t => {
    const said: string[] = []
    const note = ({ message }: Error) => void said.push(message)
    process.on('warning', note)
    const port = await freePort()
    const server = await startServer(t, port, program, parameters(port))
    const clock = fakeClock()
    const url = `${scheme}://127.0.0.1:${port}`
    const address = readBusAddress({ owner: 'test', schemes: [scheme, `${scheme}s`], port: usual }, url, {})
    const make = () => hub<string>({ name: 'lobby', via: remoteBus(url, open(address, clock), clock) })
    const [here, there] = [make(), make()]
    const chat = (room: typeof here) => pipeline().through(lines()).through(room.stage()).through(toLines())
    const [near, far] = [connect(chat(here)), connect(chat(there))]
    t.teardown(async () => {
      for (const client of [near, far]) {
        client.reset()
        await client.outcome
      }
      for (const room of [here, there]) await room.close()
      process.off('warning', note)
    })
    let published = 0
    const publish = async () => {
      here.publish(`item ${++published}`)
      t.equal(
        String(await near.receive('\n', PATIENT)),
        `item ${published}\n`,
        'who is in the same process hears it',
      )
    }
    /** Lets time pass until so many warnings have a pattern, no faster than `turn` allows. */
    const passUntil = async (pattern: RegExp, count: number, turn: () => Promise<unknown>) => {
      while (said.filter(message => pattern.test(message)).length < count) {
        clock.advance(500)
        await turn()
      }
    }
    let text = ''
    const reach = async () => {
      let isReached = false
      const read = async () => {
        let line = ''
        while (!line.startsWith('item')) text += line = String(await far.receive('\n', PATIENT))
        isReached = true
      }
      const reading = read()
      while (!isReached) {
        await publish()
        await pause()
      }
      await reading
      const last = `item ${published}`
      while (account(text).last !== last) text += String(await far.receive('\n', PATIENT))
    }
    while (here.size + there.size < 2) await pause()
    await reach()
    const first = Number(/\d+/.exec(text)?.[0]) - 1
    t.strictSame(said, [])

    await freeze(server)
    const { losses } = here
    for (let count = 0; count < 50; count++) await publish()
    await passUntil(/is away/, 2, pause)
    for (const message of said) t.match(message, `${url} is away (it does not answer)`)
    const unconfirmed = here.losses
    t.ok(unconfirmed >= losses + 50, 'what it has not confirmed is lost')
    for (let count = 0; count < 50; count++) await publish()
    t.equal(here.losses, unconfirmed + 50)
    for (let turn = 0; turn < 20; turn++) {
      clock.advance(1_000)
      await pause()
    }
    t.equal(said.length, 2, 'a connection that the system alone has taken is none')

    server.kill('SIGCONT')
    await passUntil(/is back/, 2, () => answerOf(port))
    await reach()
    const { items, missed } = account(text)
    t.equal(first + items + missed, published, 'each item has come, or is said to be missing')
    t.equal(there.losses, missed)
  })

  t.test(`45: a hub that only publishes keeps no process from its end (${program})`, { skip }, async t => {
    const port = await freePort()
    await startServer(t, port, program, parameters(port))
    const holds = () => process.getActiveResourcesInfo().filter(name => /^TCP|^TLS|Timeout/.test(name))
    const before = holds()
    const room = hub<string>({ name: 'lobby', via: `${scheme}://127.0.0.1:${port}` })
    const listener = connect(pipeline().through(lines()).through(room.stage()).through(toLines()))
    const other = hub<string>({ name: 'lobby', via: `${scheme}://127.0.0.1:${port}` })
    let text: unknown
    const reading = listener.receive('\n').then(read => {
      text = read
    })
    while (text === undefined) {
      other.publish('item')
      await pause()
    }
    await reading
    listener.reset()
    await listener.outcome
    while (holds().length > before.length) await pause()
    t.strictSame(holds(), before)
    await other.close()
    await room.close()
  })
}
