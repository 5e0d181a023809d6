import { PassThrough } from 'node:stream'
import { TransformStream } from 'node:stream/web'
import t from 'tap'
import { type BywashError, pipeline, stage, type Transformer } from '../../lib/index.js'
import { connect, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'

const GOES_NOWHERE = 'which goes nowhere. Hand it on with controller.enqueue().'

t.test('a function that returns an item in place of enqueueing it is said by name', async t => {
  const wrong = (emits: string, transformer: object) =>
    stage({ name: 'wrong', accepts: 'line', emits, open: () => transformer } as never)
  const cases: [stage: ReturnType<typeof wrong>, returned: string][] = [
    [wrong('line', { transform: (line: string) => line }), 'a string from transform'],
    [wrong('bytes', { transform: (line: string) => Buffer.from(line) }), 'an object (Buffer) from transform'],
    [
      wrong('frame', { transform: (line: string) => new TextEncoder().encode(line) }),
      'an object (Uint8Array) from transform',
    ],
    [wrong('value', { transform: (line: string) => ({ line }) }), 'an object (Object) from transform'],
    [wrong('line', { transform: () => {}, flush: () => 'end' }), 'a string from flush'],
    [wrong('line', { transform: () => {}, start: () => 'begin' }), 'a string from start'],
  ]
  for (const plan of PLANS) {
    for (const [stage, returned] of cases) {
      await t.rejects(runStage(stage, ['a'] as never, { plan }), {
        code: 'ERR_BYWASH_STAGE',
        message: `Stage 'wrong' returned ${returned}, ${GOES_NOWHERE}`,
      })
    }
    const held: string[] = []
    const gathers: Transformer<string, string> = {
      transform: (line => held.push(line)) as (line: string) => never,
      flush: controller => controller.enqueue(held.join()),
    }
    const gathering = stage({ name: 'gathering', accepts: 'line', emits: 'line', open: () => gathers })
    t.strictSame(await runStage(gathering, ['a', 'b'], { plan }), [held.join()])
  }
})

t.test('through() says which function makes a stage of something else', t => {
  const wrong: [value: unknown, message: RegExp][] = [
    [new PassThrough(), /fromStream\('name', \(\) => …\), which makes a fresh one/],
    [PassThrough, /fromStream\('name', \(\) => new …\(\)\)/],
    [new TransformStream(), /fromWeb\('name', \(\) => new TransformStream\(…\)\)/],
    [async function* () {}, /generate\('name', async function\* \(items\) \{ … \}\)/],
    [function* () {}, /decode\('name', 'frame', function\* \(read\) \{ … \}\)/],
    [(line: string) => line, /map\('name', line => …\)/],
    [null, /as in through\(lines\(\)\)/],
    [undefined, /as in through\(lines\(\)\)/],
  ]
  for (const [value, message] of wrong) {
    t.throws(() => pipeline().through(value as never), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  }
  t.end()
})

/** Runs a stage that fails, with a farewell, and gives what the client and `onError` got. */
async function failing(farewell: () => unknown) {
  const fails = stage({
    name: 'fails',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({ transform: () => Promise.reject(new Error('boom')) }),
  })
  const errors: BywashError[] = []
  const client = connect(pipeline().through(fails), {
    farewell: farewell as () => undefined,
    onError: error => errors.push(error),
  })
  client.end('x')
  const answer = await client.receive()
  return { answer, errors: errors.map(({ message }) => message) }
}

t.test('a farewell is text or bytes, and anything else is said', async t => {
  const boom = "Stage 'fails' failed in transform: boom"
  t.strictSame(await failing(() => 'é\n'), { answer: Buffer.from('é\n'), errors: [boom] })
  const bytes = new Uint8Array([0, 255])
  t.strictSame(await failing(() => bytes), { answer: Buffer.from(bytes), errors: [boom] })
  t.strictSame(await failing(() => Buffer.from(bytes)), { answer: Buffer.from(bytes), errors: [boom] })
  t.strictSame(await failing(() => undefined), { answer: Buffer.alloc(0), errors: [boom] })
  for (const [wrong, shown] of [
    [7, '7'],
    [null, 'null'],
    [Promise.resolve('bye'), 'a promise'],
  ] as const) {
    const { answer, errors } = await failing(() => wrong)
    t.equal(answer.length, 0)
    t.strictSame(errors, [
      boom,
      `The callback 'farewell' returned ${shown}. It returns text or bytes, or undefined for none.`,
    ])
  }
})
