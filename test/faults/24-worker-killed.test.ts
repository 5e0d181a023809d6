import { readdirSync } from 'node:fs'
import t from 'tap'
import { readGreeting, type Said, spawnServer } from '../listener/workers/spawn-server.js'
import { RUNS_ALL } from '../runs.js'
import { connectTcp } from '../tcp-client.js'

const WORKERS = 3
const KILLS = RUNS_ALL ? 20 : 4
const CLIENTS = 100

const isUp = ({ worker = 0 }: Said) => worker > 0
const hasDied = ({ outcome }: Said) => outcome === 'worker-died'

t.test('24: worker SIGKILL as fast as it comes back, under 100 clients', async t => {
  const server = await spawnServer(t, { workers: WORKERS })
  const { pid = 0 } = server.primary
  const openFiles = () => readdirSync(`/proc/${pid}/fd`).length
  const filesBefore = openFiles()
  const bystander = await connectTcp(t, server.port)
  const { pid: spared, id: first } = readGreeting(await bystander.receive('\n'))
  const greeted = [first]

  async function visit(): Promise<void> {
    const client = await connectTcp(t, server.port)
    try {
      greeted.push(readGreeting(await client.receive('\n')).id)
      await client.send('hello\n')
      await client.receive('hello\n')
      client.end()
      await client.receive()
    } catch {
      // Its worker was killed.
    }
    client.socket.destroy()
  }

  for (let kills = 1; kills <= KILLS; kills++) {
    const visits = Array.from({ length: CLIENTS }, visit)
    await Promise.race(visits)
    const victim = server.workers().findLast(pid => pid !== spared) ?? 0
    process.kill(victim, 'SIGKILL')
    await Promise.all(visits)
    await server.heard(isUp, WORKERS + kills)
    await bystander.send('still here\n')
    t.equal((await bystander.receive('\n')).toString(), 'still here\n', "another worker's client")
  }

  const next = await connectTcp(t, server.port)
  const last = readGreeting(await next.receive('\n')).id
  t.equal(new Set(greeted).size, greeted.length, 'no number was given twice')
  const died = server.said.filter(hasDied).map(({ id = 0 }) => id)
  const seen = new Set([...greeted, ...died, last])
  const missing = Array.from({ length: last }, (_, index) => index + 1).filter(number => !seen.has(number))
  t.strictSame(missing, [], `each of ${last} numbers was a client's, or is known to have died`)
  t.equal(new Set(died).size, died.length, `${died.length} died, each once`)

  next.end()
  await next.receive()
  bystander.end()
  await bystander.receive()
  await server.tell({ do: 'count' })
  t.equal(openFiles(), filesBefore, 'the primary holds no descriptor more than before')
  t.match(await server.tell({ do: 'close' }), { forced: 0, connections: 0 })
  t.equal(await server.ended, 0)
  t.equal(server.errors(), '')
})
