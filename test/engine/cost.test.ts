import { AsyncResource } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { Duplex, duplexPair } from 'node:stream'
import t from 'tap'
import type { Sink } from '../../lib/engine/flow/flow.js'
import { flowOf } from '../../lib/engine/flow/open-flow.js'
import {
  Connection,
  lines,
  map,
  type Pipeline,
  pipeline,
  stage,
  tap,
  toLines,
  uppercase,
  welcome,
} from '../../lib/index.js'
import { planOf } from '../../lib/pipeline.js'
import { uppercase as uppercasePreset } from '../../lib/presets/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'

/** Serves the chunks, and gives what was written, as it was written. */
async function writes(served: Pipeline<Buffer, Buffer>, chunks: readonly Buffer[]): Promise<unknown[]> {
  const written: unknown[] = []
  const left = [...chunks]
  const duplex = new Duplex({
    decodeStrings: false,
    read() {
      this.push(left.shift() ?? null)
    },
    write(bytes, _encoding, callback) {
      written.push(bytes)
      callback()
    },
  })
  await served.handle(duplex)
  return written
}

t.test('echo writes the very chunk that it read', async t => {
  const chunks = [Buffer.from('a'), Buffer.from('b')]
  const written = await writes(pipeline(), chunks)
  t.equal(written.length, 2)
  t.ok(written.every((bytes, index) => bytes === chunks[index]))
})

t.test('the uppercase preset makes no line, and one write for each read', async t => {
  const chunks = [Buffer.from('one\ntwo\n'), Buffer.from('three\n')]
  const written = await writes(uppercasePreset.pipeline({ banner: '' }), chunks)
  t.strictSame(written.map(String), ['ONE\nTWO\n', 'THREE\n'])
  const calls: string[] = []
  const same = (line: string) => {
    calls.push(line)
    return line
  }
  const onBlocks = pipeline()
    .through(lines())
    .through(map('same', same, { bytewise: true }))
    .through(toLines())
  t.equal(calls.length, 127, 'once for each ASCII character but the line feed')
  process.env.NODE_ENV = 'production'
  t.teardown(() => {
    process.env.NODE_ENV = 'test'
  })
  t.strictSame(await writes(onBlocks, chunks), chunks)
  t.equal(calls.length, 127, 'and for no line')
})

t.test('the bytes of a socket are mapped in place, where no stage before may have kept them', async t => {
  const give = (stages: Pipeline<Buffer, Buffer>, ownsChunks: boolean) => {
    const chunk = Buffer.from('ab\n')
    const written: unknown[] = []
    const sink = { write: (item: unknown) => written.push(item), endTurn: () => true } as unknown as Sink
    const flow = flowOf(planOf(stages, 'a test', 'fused'), sink, ownsChunks)
    flow.open(new Connection(1), new AsyncResource('a test'))
    flow.write(chunk)
    t.equal(written.join(''), 'AB\n')
    return { isSame: Buffer.compare(written.at(-1) as Buffer, chunk) === 0 && String(chunk) === 'AB\n' }
  }
  const shout = pipeline().through(lines()).through(uppercase()).through(toLines())
  const seen = pipeline()
    .through(tap<Buffer>('see', () => {}))
    .through(shout)
  t.strictSame(give(shout.through(welcome('')), true), { isSame: true })
  t.strictSame(give(shout, false), { isSame: false })
  t.strictSame(give(seen, true), { isSame: false })
})

t.test(
  'few large pieces of one read are one gathering write; small ones, and many, are one copy',
  async t => {
    const cut = (maxLength: number) =>
      pipeline()
        .through(lines({ maxLength, overflow: 'truncate' }))
        .through(uppercase())
        .through(toLines())
    const [a, c] = ['A'.repeat(3_000), 'C'.repeat(3_000)]
    t.strictSame(await writes(cut(3_000), [Buffer.from(`${a}b\n${c}d\n`)]), [
      Buffer.from(`${a}\n`),
      Buffer.from(`${c}\n`),
    ])
    t.strictSame(await writes(cut(1), [Buffer.from('ab\ncd\n')]), [Buffer.from('A\nC\n')])
    t.strictSame(await writes(cut(1), [Buffer.from('ab\n'.repeat(5))]), [Buffer.from('A\n'.repeat(5))])
    const five = stage<Buffer, Buffer>({
      name: 'five',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        transform: (chunk, controller) => {
          for (let n = 0; n < 5; n++) controller.enqueue(chunk)
        },
      }),
    })
    t.strictSame(await writes(pipeline().through(five), [Buffer.from('a')]), [Buffer.from('aaaaa')])
  },
)

t.test('a greeting and the answer to what a client has sent already are one write', async t => {
  const greeted = uppercasePreset.pipeline({ banner: 'Hello!\n' })
  t.strictSame((await writes(greeted, [Buffer.from('a\n'), Buffer.from('b\n')])).map(String), [
    'Hello!\nA\n',
    'B\n',
  ])
  t.strictSame((await writes(greeted, [])).map(String), ['Hello!\n'], 'also to one who says nothing')
  const [client, server] = duplexPair()
  const handled = greeted.handle(server)
  t.equal(String((await once(client, 'data'))[0]), 'Hello!\n', 'without waiting for a word')
  client.end()
  t.match(await handled, { reason: 'end', bytesWritten: 7 })
})

t.test(
  'a greeting leaves after four turns of the event loop, for each connection from its own start',
  async t => {
    const turn = () => new Promise(resolve => setImmediate(resolve))
    const left: [string, number][] = []
    let turns = 0
    for (; turns < 8; turns++) {
      if (turns < 3) {
        const name = 'abc'[turns] as string
        const write: Duplex['_write'] = (_bytes, _encoding, callback) => {
          left.push([name, turns])
          callback()
        }
        void pipeline()
          .through(welcome('Hello!\n'))
          .handle(new Duplex({ read() {}, write }))
        // The connection starts behind the promises of handle().
        await new Promise(resolve => process.nextTick(resolve))
      }
      await turn()
    }
    t.strictSame(left, [
      ['a', 3],
      ['b', 4],
      ['c', 5],
    ])
  },
)

t.test('stages that are lazy are opened with the first chunk, and their counts are as ever', async t => {
  let opened = 0
  const idler = stage<Buffer, Buffer>({
    name: 'idler',
    accepts: 'bytes',
    emits: 'bytes',
    lazy: true,
    open: () => {
      opened++
      return { transform: (chunk, controller) => controller.enqueue(chunk) }
    },
  })
  const turn = () => new Promise(resolve => setImmediate(resolve))
  const counts = (items: number, bytes: number) => ({ items, bytes })
  for (const [served, first] of [
    [pipeline().through(idler), counts(0, 0)],
    [pipeline().through(idler).through(welcome('Hello!\n')), counts(1, 7)],
  ] as const) {
    opened = 0
    const [client, server] = duplexPair()
    const connection = new Connection(1)
    const handled = served.handle(server, { connection })
    for (let turns = 0; turns < 8; turns++) await turn()
    t.equal(opened, 0)
    t.strictSame(connection.counts[0], { name: 'idler', in: counts(0, 0), out: counts(0, 0) })
    t.strictSame(connection.counts.at(-1)?.out, first)
    client.resume().write('abc')
    await turn()
    client.end()
    t.match(await handled, { reason: 'end', bytesRead: 3, bytesWritten: 3 + first.bytes })
    t.equal(opened, 1)
    t.strictSame(connection.counts[0], { name: 'idler', in: counts(1, 3), out: counts(1, 3) })
    t.strictSame(connection.counts.at(-1)?.out, counts(1 + first.items, 3 + first.bytes))
  }
  opened = 0
  const connection = new Connection(1)
  const client = connect(pipeline().through(idler).through(welcome('Hi\n')), { connection })
  client.end()
  t.match(await client.outcome, { reason: 'end' })
  t.equal(opened, 0, 'nor for one who only ends')
})

t.test('a hundred lines of one read are one write, also line by line', async t => {
  const shout = pipeline()
    .through(lines())
    .through(map('shout', line => `${line}!`))
    .through(toLines())
  t.equal((await writes(shout, [Buffer.from('a\n'.repeat(100))])).length, 1)
})

t.test('an idle connection has no timer of its own, no signal and no buffer', async t => {
  const clock = fakeClock()
  const connection = new Connection(1, {}, clock)
  const Controller = globalThis.AbortController
  let controllers = 0
  globalThis.AbortController = class extends Controller {
    constructor() {
      super()
      controllers++
    }
  }
  const allocate = Buffer.allocUnsafe
  let allocations = 0
  Buffer.allocUnsafe = size => {
    allocations++
    return allocate(size)
  }
  t.teardown(() => {
    globalThis.AbortController = Controller
    Buffer.allocUnsafe = allocate
  })
  const duplex = new Duplex({
    decodeStrings: false,
    read() {},
    write: (_bytes, _encoding, callback) => callback(),
  })
  const shout = uppercasePreset.pipeline()
  const handled = shout.handle(duplex, { connection })
  const [other, peer] = duplexPair()
  const handledToo = shout.handle(peer, { connection: new Connection(2, {}, clock) })
  const turn = () => new Promise(resolve => setImmediate(resolve))
  // The greeting waits some turns, for a first line of the client.
  for (let turns = 0; turns < 8; turns++) await turn()
  t.strictSame(
    { timers: clock.pending, controllers, allocations },
    { timers: 1, controllers: 0, allocations: 0 },
    'one timer looks at all connections',
  )
  duplex.push(Buffer.from('whole\n'))
  await turn()
  t.equal(allocations, 1, "the chunk of a Duplex may be somebody else's, so its lines become another")
  duplex.push(Buffer.from('unfinished'))
  await turn()
  t.equal(allocations, 2, 'an unfinished line is kept')
  duplex.push(null)
  t.match(await handled, { reason: 'end', bytesRead: 16 })
  other.resume().end()
  t.match(await handledToo, { reason: 'end', bytesRead: 0 })
  t.strictSame({ timers: clock.pending, controllers }, { timers: 0, controllers: 0 })
})

t.test('a line that is skipped is not copied beyond its limit, however long it is', async t => {
  let copied = 0
  const copy = Buffer.prototype.copy
  Buffer.prototype.copy = function (this: Buffer, ...parameters: Parameters<Buffer['copy']>) {
    const count = copy.apply(this, parameters)
    copied += count
    return count
  } as Buffer['copy']
  t.teardown(() => {
    Buffer.prototype.copy = copy
  })
  const chunks = [...Array.from({ length: 200 }, () => Buffer.alloc(65_536, 'a')), Buffer.from('\nb\n')]
  t.strictSame(await runStage(lines({ maxLength: 4096, overflow: 'skip' }), chunks), ['b'])
  t.ok(copied <= 4097, `${copied} bytes`)
})

t.test(
  "importing 'bywash' reads few files, no package, and nothing that is needed later or elsewhere",
  async t => {
    const folder = t.testdir({ coverage: {} })
    // V8's coverage names all loaded files. The environment is without the loader of the test runner.
    const bare = ['-u', 'NODE_OPTIONS', `NODE_V8_COVERAGE=${folder}/coverage`, process.execPath]
    const child = spawn('env', [...bare, '--input-type=module', '--eval', "await import('bywash')"], {
      stdio: 'inherit',
    })
    const [code] = await once(child, 'exit')
    t.equal(code, 0)
    const loaded = readdirSync(`${folder}/coverage`).flatMap(name => {
      const { result } = JSON.parse(readFileSync(`${folder}/coverage/${name}`, 'utf8')) as {
        result: { url: string }[]
      }
      return result.map(({ url }) => url).filter(url => /^file:.*\.js$/.test(url))
    })
    t.ok(loaded.some(url => url.endsWith('/dist/index.js')))
    t.ok(loaded.length <= 5, `${loaded.length} files, of about 0.75 ms each`)
    const packages = loaded.map(url => /.*\/node_modules\/([^/]+)/.exec(url)?.[1])
    t.strictSame([...new Set(packages.filter(name => name !== undefined))], [])
    // Chunks that several entries share have a hash for a name; a chunk that is imported late has the name of its file.
    const others = loaded.filter(url => !/\/dist\/(index|chunks\/chunk-\w+)\.js$|\/node_modules\//.test(url))
    t.strictSame(others, [])
  },
)

t.test('a text that nobody changes is encoded once, and not for each connection', async t => {
  const greeting = pipeline().through(welcome('hello'))
  const [first] = await writes(greeting, [])
  const [second] = await writes(greeting, [])
  t.equal(first, second)
})
