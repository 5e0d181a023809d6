// Serves lines in a process of its own, for the tests of what nobody catches: `uncaught-server.ts <policy> <plan> [handler]`.
import { type Controller, lines, listen, type PlanMode, pipeline, stage, toLines } from '../../lib/index.js'
import type { UncaughtPolicy } from '../../lib/listener/uncaught.js'

const [policy = '', plan, handler] = process.argv.slice(2)
const say = (text: string) => process.send?.(text)
const boom = (): never => {
  throw new Error('boom')
}

/** What a stage may start, by the line that starts it. */
const faults: Record<string, () => unknown> = {
  timer: () => setTimeout(boom),
  interval: () => {
    const timer = setInterval(() => {
      clearInterval(timer)
      boom()
    })
  },
  immediate: () => setImmediate(boom),
  tick: () => process.nextTick(boom),
  microtask: () => queueMicrotask(boom),
  'timer of a timer': () => setTimeout(() => setTimeout(boom)),
  rejection: () => void Promise.reject(new Error('boom')),
  text: () =>
    setTimeout(() => {
      throw 'boom'
    }),
}

const faulty = stage<string, string>({
  name: 'faulty',
  accepts: 'line',
  emits: 'line',
  open: () => {
    let last = ''
    return {
      start: (controller: Controller<string>) => controller.enqueue('ready'),
      transform: (line, controller) => {
        faults[line]?.()
        last = line
        controller.enqueue(line)
      },
      flush: () => {
        if (last === 'timer at the end') setTimeout(boom)
      },
    }
  },
})

const FUNCTIONS = {
  function: (error: unknown) => say(`got: ${(error as Error).message}`),
  rejecting: async (error: unknown) => {
    say(`got: ${(error as Error).message}`)
    throw new Error('rejected')
  },
}

if (handler !== undefined) process.on('uncaughtException', ({ message }) => say(`handler: ${message}`))
process.on('warning', ({ message }) => say(`warning: ${message}`))
const listener = await listen(pipeline().through(lines()).through(faulty).through(toLines()), {
  host: '127.0.0.1',
  port: 0,
  uncaught: policy in FUNCTIONS ? FUNCTIONS[policy as keyof typeof FUNCTIONS] : (policy as UncaughtPolicy),
  plan: plan as PlanMode,
  onOutcome: ({ reason, error }) => say(`${reason}: ${error?.message}`),
  onError: ({ message }) => say(`error: ${message}`),
})
say(String(listener.address.port))
// It exits by itself, so that its coverage is written.
process.on('disconnect', () => process.exit())
process.on('message', message => {
  if (message === 'close') void listener.close().then(() => process.disconnect())
  else faults[String(message)]?.()
})
