import { Duplex } from 'node:stream'
import t from 'tap'
import {
  asyncMap,
  counter,
  decode,
  type Frame,
  fromStream,
  generate,
  gunzip,
  gzip,
  jsonLines,
  lines,
  listen,
  map,
  pipeline,
  type Stage,
  stage,
  tap,
  toLines,
  uppercase,
  welcome,
} from '../../lib/index.js'
import { runStage } from '../../lib/testing/index.js'

const frames = stage<Buffer, Frame>({ name: 'frames', accepts: 'bytes', emits: 'frame', open: () => ({}) })
const unframes = stage<Frame, Buffer>({
  name: 'unframes',
  accepts: 'frame',
  emits: 'bytes',
  open: () => ({}),
})
const parse = map('parse', (line: string) => Number(line), { accepts: 'line', emits: 'value' })

t.test('a right order compiles, with types taken from the chain', async t => {
  const shout = pipeline()
    .through(counter())
    .through(lines())
    .through(uppercase())
    .through(map('reverse', line => [...line].reverse().join('')))
    .through(tap('look', line => line.length))
    .through(asyncMap('wait', async line => line))
    .through(toLines())
    .through(fromStream('any', () => t.fail() as never))
    .through(welcome('hi'))
  t.equal(shout.stages.length, 9)
  const values = pipeline()
    .through(lines())
    .through(parse)
    .through(map('double', (n: number) => n * 2, { accepts: 'value', emits: 'value' }))
    .through(map('show', (n: number) => String(n), { accepts: 'value', emits: 'line' }))
    .through(toLines())
  t.equal(values.name, 'lines | parse | double | show | toLines')
  t.equal(pipeline().through(frames).through(unframes).emits, 'bytes')
})

t.test('a pipeline is a stage', async t => {
  const polite = pipeline('line').through(map('polite', line => `${line}, please`))
  const whole = pipeline().through(lines()).through(polite).through(toLines())
  t.strictSame(
    whole.stages.map(stage => stage.name),
    ['lines', 'polite', 'toLines'],
  )
  const asStage: Stage<string, string> = polite
  t.strictSame(await runStage(asStage, ['tea']), ['tea, please'])
  // @ts-expect-error a pipeline of lines takes no bytes
  t.throws(() => pipeline().through(polite))
})

t.test('a wrong order does not compile, and is refused at run time', async t => {
  const refused = { code: 'ERR_BYWASH_STAGE_ORDER' }
  // @ts-expect-error lines after nothing that makes lines
  t.throws(() => pipeline().through(uppercase()), refused)
  // @ts-expect-error an encoder of lines after bytes
  t.throws(() => pipeline().through(toLines()), refused)
  // @ts-expect-error a decoder of bytes after lines
  t.throws(() => pipeline().through(lines()).through(lines()), refused)
  // @ts-expect-error a frame stage after bytes
  t.throws(() => pipeline().through(unframes), refused)
  // @ts-expect-error a byte stage after frames
  t.throws(() => pipeline().through(frames).through(frames), refused)
  // @ts-expect-error text for bytes after lines
  t.throws(() => pipeline().through(lines()).through(welcome('hi')), refused)
  // @ts-expect-error a line stage after values
  t.throws(() => pipeline().through(lines()).through(parse).through(uppercase()), refused)
  // @ts-expect-error only bytes to bytes can be served
  await t.rejects(listen(pipeline().through(lines()), { port: 0 }), refused)
  // @ts-expect-error only bytes to bytes can be driven
  await t.rejects(pipeline().through(lines()).handle(undefined), refused)
  // @ts-expect-error only bytes to bytes can be served
  await t.rejects(listen(pipeline('line'), { port: 0 }), refused)
})

t.test('kinds must stand for the types of the items', async t => {
  // @ts-expect-error a string is a line
  const wrong = stage<string, string>({ name: 'x', accepts: 'value', emits: 'line', open: () => ({}) })
  t.equal(wrong.accepts, 'value')
  // @ts-expect-error a plain Buffer is bytes; frames are typed as Frame
  const unbranded = stage<Buffer, Buffer>({ name: 'x', accepts: 'bytes', emits: 'frame', open: () => ({}) })
  t.equal(unbranded.emits, 'frame')
  // @ts-expect-error a number needs its kinds named
  t.type(map('x', (n: number) => n).name, 'string')
})

t.test('the types of items come from the kinds that are named', async t => {
  const length = map('length', line => line.length, { accepts: 'line', emits: 'value' })
  const doubled = map('doubled', (n: number) => n * 2, { accepts: 'value', emits: 'value' })
  const shown = map('shown', value => `${value}`, { accepts: 'value', emits: 'line' })
  const tail = map('tail', f => f.subarray(1), { accepts: 'frame', emits: 'frame' })
  const own = stage({
    name: 'own',
    accepts: 'line',
    emits: 'line',
    open: () => ({ transform: (line, controller) => controller.enqueue(line.trim()) }),
  })
  const waited = asyncMap('waited', async f => f.toString('hex'), { accepts: 'frame', emits: 'line' })
  const twice = generate(
    'twice',
    async function* (frames) {
      for await (const each of frames) yield each.subarray(0, 1)
    },
    { accepts: 'frame', emits: 'frame' },
  )
  const numbers = pipeline().through(lines()).through(own).through(length).through(doubled).through(shown)
  t.equal(numbers.through(toLines()).stages.length, 6)
  t.equal(pipeline().through(frames).through(tail).through(twice).through(waited).emits, 'line')
  const a = pipeline()
    .through(lines())
    .through(jsonLines<{ a: number }>())
    .through(map('a', ({ a }: { a: number }) => a.toFixed(1), { accepts: 'value', emits: 'line' }))
  t.strictSame(await runStage(a, [Buffer.from('{"a":1}\n')]), ['1.0'])
  const pairs = decode('pairs', 'value', function* (read) {
    return { key: yield* read.uint8(), value: yield* read.line() }
  })
  const keys = map('keys', ({ key }: { key: number }) => `${key}`, { accepts: 'value', emits: 'line' })
  t.equal(pipeline().through(pairs).through(keys).emits, 'line')
  const texts = decode('texts', 'line', function* (read) {
    return yield* read.line()
  })
  t.equal(pipeline().through(texts).through(uppercase()).emits, 'line')
  // @ts-expect-error a decoder of lines gives no Buffer
  decode('wrong', 'line', function* (read) {
    return yield* read.bytes(1)
  })
})

t.test('a Uint8Array stands for bytes and for a frame, in types and at run time', async t => {
  const plain = map('plain', chunk => new Uint8Array(chunk).fill(0x61), { accepts: 'bytes', emits: 'bytes' })
  const framed = map('framed', line => new TextEncoder().encode(line), { accepts: 'line', emits: 'frame' })
  const pushed = stage({
    name: 'pushed',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({ transform: (_chunk, controller) => controller.enqueue(new Uint8Array([0x62])) }),
  })
  for (const plan of ['fused', 'streams'] as const) {
    const bytes = pipeline().through(plain).through(pushed).through(gzip())
    t.strictSame(await runStage(bytes.through(gunzip()), ['xyz'].map(Buffer.from), { plan }), [
      Buffer.from('b'),
    ])
    t.strictSame(await runStage(framed, ['é'], { plan }), [Buffer.from('é')])
    const streamed = fromStream('streamed', () => Duplex.from([new Uint8Array([0x63])]), {
      accepts: 'line',
      emits: 'frame',
    })
    t.strictSame(await runStage(streamed, [], { plan }), [Buffer.from('c')])
  }
})
