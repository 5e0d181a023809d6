// The server of test/listener/workers/: it greets with the process that serves and the number of the connection, and
// echoes. It is JavaScript and uses the build, since each of its processes would need half a second for tsx.
import { writeSync } from 'node:fs'
import { isMainThread, threadId } from 'node:worker_threads'
import { broadcast, counter, listen, pipeline, stage } from 'bywash'
import { fakeClock } from 'bywash/testing'

/** Stands for this process, or for this thread. */
const self = isMainThread ? process.pid : threadId

const { listeners = 1, fakeTime = false, room = false, ...options } = JSON.parse(process.argv[2])
const clock = fakeTime ? fakeClock() : undefined
// At once: what a thread has given to its stdout is lost when it ends. A line is shorter than what a pipe takes as a whole.
const say = what => writeSync(1, `${JSON.stringify(what)}\n`)

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
  if (text === 'fill\n') {
    // In steps: V8 ends the whole process where a single loop fills the heap.
    let leaked
    const fill = () => {
      for (let count = 0; count < 10_000; count++) leaked = { leaked }
      setImmediate(fill)
    }
    fill()
  }
  if (text === 'block\n') {
    say({ blocked: self })
    for (;;);
  }
}

const greet = stage({
  name: 'greet',
  accepts: 'bytes',
  emits: 'bytes',
  open: ({ id }) => ({
    start: controller => controller.enqueue(Buffer.from(`${self} ${id}\n`)),
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
    onOutcome: ({ reason, error }, { id, remoteAddress }) =>
      say({ outcome: reason, id, error: error?.message, pid: self, address: remoteAddress }),
  })
}

const all = await Promise.all(Array.from({ length: listeners }, open)).catch(error => {
  say({ failure: error.message })
  process.exit(1)
})
const [listener] = all
say({ worker: listener.worker ?? 0, pid: self, ports: all.map(({ address }) => address.port) })

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
  status: async () => {
    const { connections, traffic, workers } = await listener.status()
    const states = workers.map(({ number, state }) => ({ number, state }))
    return { status: { connections, traffic: { total: traffic.total }, workers: states } }
  },
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
