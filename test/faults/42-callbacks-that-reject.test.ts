import { Writable } from 'node:stream'
import t, { type Test } from 'tap'
import {
  asyncMap,
  type BywashError,
  Connection,
  fromStream,
  type ListenOptions,
  lines,
  map,
  type Outcome,
  type Pipeline,
  pipeline,
  type Stage,
  stage,
  type Transformer,
  tap,
  toLines,
} from '../../lib/index.js'
import { counter, jsonLines, tee, toJsonLines, uppercase } from '../../lib/stages/index.js'
import { runStage } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { PLANS } from '../plans.js'
import { connectTcp, exchange } from '../tcp-client.js'

const reject = async (): Promise<never> => {
  throw new Error('boom')
}
const turn = () => new Promise(resolve => setImmediate(resolve))

/** Collects what nobody handles, for the length of a test. */
function unhandled(t: Test): unknown[] {
  const errors: unknown[] = []
  const note = (error: unknown) => errors.push(error)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  return errors
}

/** A stage of lines with functions of its own. */
function faulty(methods: object): Stage<string, string> {
  return stage<string, string>({
    name: 'faulty',
    accepts: 'line',
    emits: 'line',
    open: () => methods as Transformer<string, string>,
  })
}

const ofLines = (stage: Stage<string, string>) =>
  pipeline().through(lines()).through(stage).through(toLines())

const failing = new Writable({ write: (_chunk, _encoding, callback) => callback(new Error('full')) })

/** Stages with a function that rejects, and the name of the stage and of the function. */
const STAGES: Readonly<Record<string, [Pipeline<Buffer, Buffer>, RegExp]>> = {
  tap: [ofLines(tap('log', reject)), /^Stage 'log' failed in transform: boom$/],
  'tap, of bytes': [pipeline().through(tap('log', reject)), /^Stage 'log' failed in transform: boom$/],
  map: [ofLines(map('bad', reject as never)), /^Stage 'bad' failed in transform: boom$/],
  asyncMap: [ofLines(asyncMap('slow', reject)), /^Stage 'slow' failed in transform: boom$/],
  "counter's onOpen": [
    pipeline().through(counter({ onOpen: reject })),
    /^Stage 'counter' failed in onOpen: boom$/,
  ],
  "counter's onClose": [
    pipeline().through(counter({ onClose: reject })),
    /^Stage 'counter' failed in onClose: boom$/,
  ],
  "tee's onDrop": [
    pipeline().through(tee({ to: failing, onDrop: reject })),
    /^Stage 'tee' (failed in onDrop: boom|could not write|has a sink)/,
  ],
  "jsonLines' invalid": [
    pipeline()
      .through(lines())
      .through(jsonLines({ invalid: reject }))
      .through(toJsonLines())
      .through(toLines()),
    /^Stage 'jsonLines' failed in transform: boom$/,
  ],
  open: [
    ofLines(stage<string, string>({ name: 'faulty', accepts: 'line', emits: 'line', open: reject as never })),
    /^Stage 'faulty' returned a promise from open\./,
  ],
  'open of a stream': [
    pipeline().through(fromStream('faulty', reject as never)),
    /^Stage 'faulty' must open a/,
  ],
  start: [ofLines(faulty({ start: reject })), /^Stage 'faulty' failed in start: boom$/],
  transform: [ofLines(faulty({ transform: reject })), /^Stage 'faulty' failed in transform: boom$/],
  readComplete: [ofLines(faulty({ readComplete: reject })), /^Stage 'faulty' failed in readComplete: boom$/],
  flush: [ofLines(faulty({ flush: reject })), /^Stage 'faulty' failed in flush: boom$/],
  close: [ofLines(faulty({ close: reject })), /^Stage 'faulty' failed in close: boom$/],
}

for (const plan of PLANS) {
  for (const [name, [server, message]] of Object.entries(STAGES)) {
    t.test(`42: ${plan}: a function of a stage that rejects: ${name}`, async t => {
      const lost = unhandled(t)
      const errors: [number, string][] = []
      const { port, ended } = await serveLocally(t, server, {
        plan,
        onError: (error, { id }) => errors.push([id, error.message]),
      })
      for (const id of [1, 2]) {
        await exchange(t, port, ['one\n'])
        await ended(id)
        while (errors.length < id) await turn()
      }
      for (let turns = 0; turns < 5; turns++) await turn()
      t.ok(
        errors.every(([, text]) => message.test(text)),
        JSON.stringify(errors),
      )
      t.equal(new Set(errors.map(([id]) => id)).size, 2, 'each connection has its own')
      t.strictSame(lost, [])
    })
  }

  t.test(`42: ${plan}: an unfinished() that is a promise`, async t => {
    const lost = unhandled(t)
    const errors: string[] = []
    const { port, listener, ended } = await serveLocally(t, ofLines(faulty({ unfinished: reject })), {
      plan,
      onError: error => errors.push(error.message),
    })
    const client = await connectTcp(t, port)
    await client.send('one\n')
    await client.receive('\n')
    const closed = listener.close()
    while (errors.length === 0) await turn()
    client.end()
    await Promise.all([closed, ended(1)])
    t.match(errors, [/^Stage 'faulty' must return a number from 'unfinished'/])
    t.strictSame(lost, [])
  })
}

/** Callbacks of a listener that reject. */
const CALLBACKS: Readonly<Record<string, Omit<ListenOptions, 'clock'>>> = {
  onOpen: { onOpen: reject },
  onOutcome: { onOutcome: reject },
  farewell: { farewell: reject as never },
}

for (const [name, options] of Object.entries(CALLBACKS)) {
  t.test(`42: a callback of a listener that rejects: ${name}`, async t => {
    const lost = unhandled(t)
    const errors: [number, string][] = []
    const { port } = await serveLocally(t, ofLines(uppercase()), {
      ...options,
      onError: (error: BywashError, { id }: Connection) => errors.push([id, error.message]),
    })
    for (const id of [1, 2]) {
      const text = name === 'farewell' ? 'x'.repeat(70_000) : 'one\n'
      const answer = String(await exchange(t, port, [text]))
      t.equal(answer, name === 'farewell' ? '' : 'ONE\n', 'the connection goes on')
      while (errors.length < id) await turn()
    }
    const [[first = 0] = []] = errors
    t.strictSame(errors, [
      [first, `The callback '${name}' rejected: boom`],
      [first + 1, `The callback '${name}' rejected: boom`],
    ])
    t.strictSame(lost, [])
  })
}

t.test('42: the callback that hears of refusals rejects', async t => {
  const lost = unhandled(t)
  const errors: string[] = []
  const onOutcome = ({ reason }: Outcome) => (reason === 'refused' ? reject() : undefined)
  const { port } = await serveLocally(t, pipeline(), {
    deny: ['127.0.0.1'],
    onOutcome: onOutcome as never,
    onError: error => errors.push(error.message),
  })
  t.match(String(await exchange(t, port, [])), /^error: /)
  while (errors.length === 0) await turn()
  t.strictSame(errors, ["The callback 'onOutcome' rejected: boom"])
  t.strictSame(lost, [])
})

t.test('42: an onError that rejects, or is not there, is a warning', async t => {
  const lost = unhandled(t)
  const warnings: string[] = []
  const note = ({ message }: Error) => warnings.push(message)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  const throwing = ofLines(
    map('bad', () => {
      throw 'plain'
    }),
  )
  for (const [server, options, message] of [
    [throwing, { onError: reject }, "The callback 'onError' rejected: boom"],
    [pipeline(), { onOpen: () => Promise.reject('text') }, "The callback 'onOpen' rejected: text"],
    [throwing, { onOpen: reject, onError: reject }, "The callback 'onError' rejected: boom"],
  ] as const) {
    const { port, listener } = await serveLocally(t, server, options as Omit<ListenOptions, 'clock'>)
    await exchange(t, port, ['one\n'])
    while (!warnings.includes(message)) await turn()
    warnings.length = 0
    await listener.close()
  }
  t.strictSame(lost, [])
})

t.test(
  '42: without a connection that could fail, a rejection is a warning; runStage() rejects with it',
  async t => {
    const lost = unhandled(t)
    const warned = new Promise<string>(resolve => process.once('warning', ({ message }) => resolve(message)))
    counter({ onOpen: reject }).open(new Connection(1))
    t.equal(await warned, "Stage 'counter' failed in onOpen: boom")
    const later = asyncMap('later', async (line: string) => {
      await turn()
      return line
    })
    const logged = pipeline('line').through(tap<string>('log', reject)).through(later)
    await t.rejects(runStage(logged, ['a', 'b']), { message: "Stage 'log' failed in transform: boom" })
    t.throws(() => map('bad', reject as never, { bytewise: true }), { code: 'ERR_BYWASH_INVALID_OPTION' })
    await turn()
    t.strictSame(lost, [])
  },
)
