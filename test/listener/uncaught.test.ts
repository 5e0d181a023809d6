import { fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { PlanMode } from '../../lib/index.js'
import type { UncaughtPolicy } from '../../lib/listener/uncaught.js'
import { PLANS } from '../plans.js'
import { SCRIPT_FLAGS, scriptPath } from '../script-path.js'
import { connectTcp, isBound } from '../tcp-client.js'

interface Served {
  readonly policy?: UncaughtPolicy | 'function' | 'rejecting'
  readonly plan?: PlanMode
  /** The program has an `uncaughtException` listener of its own. */
  readonly handles?: boolean
}

/** Serves in a process of its own, where an uncaught error does no harm to the test. */
async function serve(t: Test, { policy = 'exit', plan = 'fused', handles = false }: Served) {
  const child = fork(
    scriptPath('test/listener/uncaught-server'),
    [policy, plan, ...(handles ? ['handles'] : [])],
    {
      execArgv: [...SCRIPT_FLAGS],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    },
  )
  t.teardown(async () => {
    if (!child.connected) return
    child.disconnect()
    await exited
  })
  const events = new EventEmitter()
  const said: string[] = []
  child.on('message', message => {
    said.push(String(message))
    events.emit('said')
  })
  const printed = text(child.stderr as NonNullable<typeof child.stderr>)
  const hears = async (wanted: string | RegExp) => {
    for (;;) {
      const heard = said.find(line => (typeof wanted === 'string' ? line === wanted : wanted.test(line)))
      if (heard !== undefined) return heard
      await once(events, 'said')
    }
  }
  const exited = once(child, 'close')
  const port = Number(await hears(/^\d+$/))
  return {
    child,
    port,
    said,
    hears,
    printed,
    exited,
    /** Connects, and waits until it is served. */
    client: async () => {
      const client = await connectTcp(t, port)
      await client.receive('ready\n')
      return client
    },
  }
}

for (const plan of PLANS) {
  t.test(`${plan}: what a stage has started and throws ends its own connection`, async t => {
    const { child, said, hears, exited, client } = await serve(t, { plan })
    const bystander = await client()
    for (const fault of ['timer', 'interval', 'immediate', 'tick', 'text']) {
      const faulty = await client()
      await faulty.send(`${fault}\n`)
      t.equal((await faulty.receive()).toString(), `${fault}\n`, 'what was answered before arrives')
      faulty.end()
      const message =
        "Stage 'lines | faulty | toLines' failed in a timer or callback that it had started: boom"
      await hears(`stage-error: ${message}`)
      await hears(`error: ${message}`)
      said.length = 0
      await bystander.send('hello\n')
      t.equal((await bystander.receive('\n')).toString(), 'hello\n', fault)
    }
    const late = await client()
    late.end('timer at the end\n')
    t.equal((await late.receive()).toString(), 'timer at the end\n')
    await hears(/^error: .* in a timer or callback that it had started: boom$/)
    child.send('close')
    t.equal((await bystander.receive()).toString(), '')
    bystander.end()
    t.strictSame(await exited, [0, null])
  })
}

t.test('isolate: what belongs to no connection is a warning, and the service goes on', async t => {
  const { child, said, hears, exited, client } = await serve(t, { policy: 'isolate' })
  const bystander = await client()
  for (const fault of ['timer', 'rejection', 'text', 'microtask']) {
    child.send(fault)
    await hears('warning: boom')
    said.length = 0
    await bystander.send('hello\n')
    t.equal((await bystander.receive('\n')).toString(), 'hello\n', fault)
  }
  child.send('close')
  bystander.end()
  t.strictSame(await exited, [0, null])
})

t.test('exit: what belongs to no connection is printed when those that are open are answered', async t => {
  const { child, hears, exited, printed, client } = await serve(t, { policy: 'exit' })
  const busy = await client()
  await busy.send('hel')
  child.send('timer')
  child.send('timer')
  await hears('warning: boom')
  await busy.send('lo\n')
  t.equal((await busy.receive()).toString(), 'hello\n', 'a line that had begun is answered')
  busy.end()
  t.strictSame(await exited, [1, null])
  t.match(await printed, /Error: boom\n.*at /)
})

t.test(
  'exit: it is printed, too, when the process is ended before those that are open are answered',
  async t => {
    const { child, port, printed, client } = await serve(t, { policy: 'exit' })
    const busy = await client()
    await busy.send('hel')
    child.send('timer')
    // It is draining when it accepts no more.
    while (await isBound(port)) {}
    const ended = once(child, 'exit')
    child.disconnect()
    t.strictSame(await ended, [1, null])
    t.match(await printed, /Error: boom\n.*at /)
    busy.reset()
  },
)

t.test('a function gets what belongs to no connection, and the service goes on', async t => {
  const { child, hears, exited, client } = await serve(t, { policy: 'function' })
  const bystander = await client()
  child.send('timer')
  await hears('got: boom')
  await bystander.send('hello\n')
  t.equal((await bystander.receive('\n')).toString(), 'hello\n')
  child.send('close')
  bystander.end()
  t.strictSame(await exited, [0, null])
})

t.test('a function that rejects becomes a warning, and is not called with its own rejection', async t => {
  const { child, said, hears, exited } = await serve(t, { policy: 'rejecting' })
  child.send('timer')
  await hears('warning: rejected')
  t.strictSame(
    said.filter(line => line.startsWith('got: ')),
    ['got: boom'],
  )
  child.send('close')
  t.strictSame(await exited, [0, null])
})

t.test('a program that handles uncaught errors has its own policy', async t => {
  const { child, hears, exited, client } = await serve(t, { handles: true })
  const bystander = await client()
  child.send('timer')
  await hears('handler: boom')
  await bystander.send('hello\n')
  t.equal((await bystander.receive('\n')).toString(), 'hello\n')
  child.send('close')
  bystander.end()
  t.strictSame(await exited, [0, null])
})
