import t from 'tap'
import { exec, pipeline } from '../../lib/index.js'
import { OPEN_FILES } from '../../lib/open-files.js'
import { connect, fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL } from '../runs.js'
import { childrenOf, descriptors, isAlive, until } from '../stages/backends/programs.js'
import { underFault } from './oracle.js'

/** The loader of TypeScript may be a child of this process. */
const others = childrenOf()

/** The programs that run, and those that nobody has asked for. */
const programs = () => childrenOf().filter(pid => !others.includes(pid))

const running = (command: string, ...args: readonly string[]) => pipeline().through(exec(command, args))

for (const plan of PLANS) {
  const clock = fakeClock()
  const options = { plan, halfCloseTimeout: 10_000 }
  const target = { pipeline: 'executed', options, clock } as const

  t.test(`46: a program hangs, also at SIGTERM (${plan})`, async t => {
    await underFault(t, { ...target, reasons: { 'exec-error': 1 } }, async ({ client, pass, ended }) => {
      const victim = await client()
      await victim.send('hang\n')
      const pids = (await victim.receive('\n')).toString().split(' ').map(Number)
      victim.end()
      const late = ended(1)
      let isOver = false
      void late.then(() => {
        isOver = true
      })
      while (!isOver) await pass(10_000)
      t.match((await late)[0]?.message, /has waited 10 s for 'sh', which neither takes nor gives anything/)
      await pass(5_000)
      await until(() => !pids.some(isAlive))
      t.equal(programs().length, 1, 'only that of the bystander is left')
    })
  })

  t.test(`46: a program floods stderr (${plan})`, async t => {
    await underFault(t, { ...target, reasons: { end: 1 } }, async ({ client, ended, faults }) => {
      const victim = await client()
      victim.end('flood\n')
      t.equal((await victim.receive()).toString(), 'done\n')
      await ended(1)
      const told = await faults(11)
      t.equal(told.length, 11, 'a second has ten lines, and how much more there was')
      t.match(told[0]?.message, /^Stage 'exec': 'sh' says: y$/)
      t.equal(told[10]?.message, "Stage 'exec': 'sh' has written 19999980 bytes more to stderr.")
    })
  })

  t.test(`46: a program exits with 1 (${plan})`, async t => {
    await underFault(t, { ...target, reasons: { 'exec-error': 2 } }, async ({ client, ended }) => {
      const silent = await client()
      await silent.send('fail\n')
      t.equal((await silent.receive()).toString(), 'error: the program behind this server is not available\n')
      silent.end()
      const speaking = await client()
      await speaking.send('half\n')
      t.equal((await speaking.receive('\n')).toString(), 'half\n')
      await speaking.send('fail\n')
      t.match(await speaking.closed, { code: 'ECONNRESET' })
      for (const { message } of await ended(2)) t.match(message, /ran 'sh', which exited with code 1\./)
    })
  })

  t.test(`46: a program leaves children (${plan})`, async t => {
    await underFault(t, { ...target, reasons: { terminated: 1 } }, async ({ client, pass, ended }) => {
      const victim = await client()
      await victim.send('leave\n')
      const [program = 0, child = 0] = (await victim.receive('\n')).toString().split(' ').map(Number)
      await until(() => !childrenOf().includes(program))
      t.ok(isAlive(child), 'which holds the output open')
      // It may have said its number behind the end of the program.
      await pass(10_000)
      t.equal((await victim.receive()).length, 0)
      victim.end()
      await ended(1)
      await pass(5_000)
      await until(() => !isAlive(child))
    })
  })
}

t.test('46: no process and no descriptor is left of 1,000 runs', async t => {
  await until(() => programs().length === 0)
  const held: number[] = []
  const { hold, release } = OPEN_FILES
  let open = 0
  OPEN_FILES.hold = () => held.push(++open)
  OPEN_FILES.release = () => held.push(--open)
  t.teardown(() => Object.assign(OPEN_FILES, { hold, release }))
  const before = descriptors().length
  const ends = [
    running('true'),
    running('false'),
    running('cat'),
    running('yes'),
    running('sh', '-c', 'kill -KILL $$'),
  ]
  const number = RUNS_ALL ? 1_000 : 100
  const reasons = new Map<string, number>()
  for (let done = 0; done < number; done += ends.length) {
    const outcomes = ends.map(async list => {
      const client = connect(list)
      client.send('x')
      if (list === ends[2] || list === ends[3]) {
        await client.receive(1)
        client.reset()
      } else {
        await client.receive()
        client.end()
      }
      const { reason } = await client.outcome
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
    })
    await Promise.all(outcomes)
  }
  t.strictSame(Object.fromEntries(reasons), {
    terminated: number / 5,
    'exec-error': (2 * number) / 5,
    'client-reset': (2 * number) / 5,
  })
  await until(() => programs().length === 0 && open === 0)
  await until(() => descriptors().length <= before)
  t.equal(held.length, 6 * number, 'three descriptors each were counted')
})
