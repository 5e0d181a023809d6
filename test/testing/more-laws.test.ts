import fs, { closeSync, openSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import t from 'tap'
import { type Connection, pipeline, stage, type Transformer, type TransformerStage } from '../../lib/index.js'
import { internalStage } from '../../lib/stage.js'
import { checkStage } from '../../lib/testing/index.js'
import { openDescriptors } from '../../lib/testing/watch/resources.js'

const BYTES = { accepts: 'bytes', emits: 'bytes' } as const
const EXAMPLES = [{ input: 'abc', output: 'abc' }]
const passing: Transformer<Buffer, Buffer> = {
  transform: (chunk, controller) => controller.enqueue(chunk),
}

/** The law that a stage of bytes breaks, with what it says. */
async function breach(checked: TransformerStage<Buffer, Buffer>) {
  const error: unknown = await checkStage(checked, EXAMPLES, { random: 2, timeout: 400 }).catch(
    error => error,
  )
  return error as Error & { readonly law?: string }
}

const made = (open: (connection: Connection) => Transformer<Buffer, Buffer>, traits = {}) =>
  stage<Buffer, Buffer>({ name: 'broken', ...BYTES, ...traits, open })

t.test('a rejection that nobody handles is a breach', async t => {
  const { message } = await breach(
    made(() => ({
      transform: (chunk, controller) => {
        void Promise.reject(new Error('boom'))
        controller.enqueue(chunk)
      },
    })),
  )
  t.match(message, /boom/)
})

t.test('a descriptor that stays open is a breach', async t => {
  const opened: number[] = []
  t.teardown(() => {
    for (const descriptor of opened) closeSync(descriptor)
  })
  const { law, message } = await breach(
    made(() => {
      opened.push(openSync('/dev/null', 'r'))
      return passing
    }),
  )
  t.equal(law, 'leaks')
  t.match(message, /an open descriptor/)
})

t.test('anything else that keeps the process alive is a breach', async t => {
  const ports: MessagePort[] = []
  t.teardown(() => {
    for (const port of ports) port.close()
  })
  const { law } = await breach(
    made(() => {
      const { port1 } = new MessageChannel()
      port1.on('message', () => {})
      ports.push(port1)
      return passing
    }),
  )
  t.equal(law, 'leaks')
})

t.test('a stage that goes by an empty chunk is shown with one', async t => {
  const { message } = await breach(
    made(() => ({
      transform: (chunk, controller) => controller.enqueue(chunk.length === 0 ? Buffer.from('!') : chunk),
    })),
  )
  t.match(message, /Buffer.from\(''\)|\[\]/)
})

t.test('a stage that is broken for good by an empty chunk is shown without one', async t => {
  let isBroken = false
  const { message } = await breach(
    made(() => ({
      transform: (chunk, controller) => {
        if (chunk.length === 0) isBroken = true
        controller.enqueue(isBroken ? Buffer.from('!') : chunk)
      },
    })),
  )
  t.match(message, /breaks the law/)
})

t.test('a list that takes everything while nobody reads is told of the option for each stage', async t => {
  const gathering = made(() => {
    const held: Buffer[] = []
    return {
      transform: chunk => void held.push(chunk),
      flush: controller => {
        for (const chunk of held) controller.enqueue(chunk)
      },
    }
  })
  const { message } = await breach(
    pipeline()
      .through(gathering)
      .through(made(() => passing)) as never,
  )
  t.match(message, /option 'held' for each stage/)
})

t.test('what a stage promises of itself is checked: lazy, asks, greeting', async t => {
  const timed = await breach(
    made(
      ({ clock }) => {
        const timer = clock.setTimeout(() => {}, 1000)
        return { ...passing, close: () => clock.clearTimeout(timer) }
      },
      { lazy: true },
    ),
  )
  t.match(timed.message, /started a timer of connection.clock before the first item/)
  const asking = await breach(
    made(
      connection => ({
        transform: (chunk, controller) => {
          void connection.remoteAddress
          controller.enqueue(chunk)
        },
      }),
      { asks: false },
    ),
  )
  t.match(asking.message, /It read connection.remoteAddress/)
  const greeting = internalStage<Buffer, Buffer>({
    name: 'greeting',
    ...BYTES,
    greeting: Buffer.from('hello'),
    open: () => passing,
  })
  t.match((await breach(greeting)).message, /greeting/)
})

t.test('where the system lists no descriptors, none is looked for', async t => {
  const { readdirSync } = fs
  fs.readdirSync = () => {
    throw new Error('ENOENT')
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    fs.readdirSync = readdirSync
    syncBuiltinESMExports()
  })
  t.equal(openDescriptors().size, 0)
})
