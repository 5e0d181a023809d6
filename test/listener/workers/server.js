// The server of test/listener/workers/: it greets with the process that serves and the number of the connection, and
// echoes. It is JavaScript and uses the build, since each of its processes would need half a second for tsx.
import { broadcast, counter, listen, pipeline, stage } from 'bywash'
import { fakeClock } from 'bywash/testing'

const { listeners = 1, fakeTime = false, room = false, ...options } = JSON.parse(process.argv[2])
const clock = fakeTime ? fakeClock() : undefined
const say = what => process.stdout.write(`${JSON.stringify(what)}\n`)

/** What a client can do to the process that serves it. */
function obey(text) {
  if (text === 'exit\n') process.exit(3)
  if (text === 'throw\n') {
    // A timer that a timer started belongs to no connection.
    setTimeout(() =>
      setTimeout(() => {
        throw new Error('out of order')
      }),
    )
  }
  if (text === 'block\n') {
    say({ blocked: process.pid })
    for (;;);
  }
}

const greet = stage({
  name: 'greet',
  accepts: 'bytes',
  emits: 'bytes',
  open: ({ id }) => ({
    start: controller => controller.enqueue(Buffer.from(`${process.pid} ${id}\n`)),
    transform(chunk, controller) {
      controller.enqueue(chunk)
      obey(chunk.toString())
    },
  }),
})

const count = counter({
  onOpen: ({ number }) => say({ opened: number }),
  onClose: ({ number, total }) => say({ closed: number, total }),
})

const greeting = pipeline().through(count).through(greet)
const served = room ? greeting.through(broadcast({ echo: true })) : greeting

async function open() {
  return listen(served, {
    ...(options.path === undefined && { host: '127.0.0.1', port: 0 }),
    ...options,
    ...(clock && { clock }),
    onOutcome: ({ reason }, { id, remoteAddress }) =>
      say({ outcome: reason, id, pid: process.pid, address: remoteAddress }),
  })
}

const all = await Promise.all(Array.from({ length: listeners }, open)).catch(error => {
  say({ failure: error.message })
  process.exit(1)
})
const [listener] = all
say({ worker: listener.worker ?? 0, pid: process.pid, ports: all.map(({ address }) => address.port) })

const commands = {
  close: async ({ timeout }) => ({
    ...(await listener.close(timeout === undefined ? {} : { timeout })),
    connections: listener.connections,
  }),
  suspend: () => listener.suspend(),
  resume: () => listener.resume(),
  replace: () => listener.replace(pipeline()),
  advance: ({ milliseconds }) => clock.advance(milliseconds),
  secure: ({ tls }) => listener.setSecureContext(tls),
  count: () => ({ connections: listener.connections, refused: listener.refused }),
}

async function run(command) {
  try {
    return await commands[command.do](command)
  } catch (error) {
    return { failure: error.message }
  }
}

if (listener.worker === undefined) {
  process.on('message', async command => {
    say({ did: command.do, ...(await run(command)) })
    if (command.do === 'close') process.disconnect()
  })
}
