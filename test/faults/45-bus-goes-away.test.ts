import t, { type Test } from 'tap'
import { hub, lines, pipeline, toLines } from '../../lib/index.js'
import { connect } from '../../lib/testing/index.js'
import { missing } from '../program.js'
import { freePort, kill, pause, redisParameters, startServer } from '../server-program.js'

/** The servers that can be a bus, and how each is started. */
const BUSES = [
  {
    scheme: 'redis',
    program: 'redis-server',
    parameters: redisParameters,
  },
  {
    scheme: 'nats',
    program: 'nats-server',
    parameters: (port: number) => ['-a', '127.0.0.1', '-p', String(port)],
  },
]

/** Resolves when so many warnings have a pattern. */
async function heard(said: readonly string[], pattern: RegExp, count: number): Promise<void> {
  while (said.filter(message => pattern.test(message)).length < count) await pause()
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

for (const { scheme, program, parameters } of BUSES) {
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
      nearText += String(await near.receive('\n'))
    }
    /** Publishes until the other process hears of it. */
    const reach = async () => {
      let isReached = false
      const read = async () => {
        let line = ''
        while (!line.startsWith('item')) farText += line = String(await far.receive('\n'))
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
    while (account(farText).last !== last) farText += String(await far.receive('\n'))
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
      await near.receive('\n')
    }
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
