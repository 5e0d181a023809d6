import { AsyncResource } from 'node:async_hooks'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { connectionSettings } from '../../lib/engine/connection-options.js'
import { ConnectionDriver } from '../../lib/engine/drive/driver.js'
import type { Sink } from '../../lib/engine/flow/flow.js'
import { flowOf } from '../../lib/engine/flow/open-flow.js'
import { makePlan, place } from '../../lib/engine/plan.js'
import {
  asyncMap,
  Connection,
  type ConnectionOptions,
  delimited,
  lines,
  map,
  type Pipeline,
  pipeline,
  stage,
  take,
  tap,
  toDelimited,
  toLines,
  uppercase,
  upstream,
  welcome,
} from '../../lib/index.js'
import { planOf } from '../../lib/pipeline.js'
import type { AnyStage } from '../../lib/stage.js'
import { exec } from '../../lib/stages/index.js'
import { chunkings } from '../../lib/testing/index.js'
import { turn } from '../../lib/testing/turns.js'
import { runs } from '../runs.js'

const own = () => map('own', (line: string) => `${line}!`)
const each = () =>
  stage<string, string>({
    name: 'each',
    accepts: 'line',
    emits: 'line',
    open: () => ({ transform: (line, controller) => controller.enqueue(line) }),
  })
const LINES = pipeline().through(lines())

t.test('what reads in place, and what gets a copy', async t => {
  const lists: [Pipeline<Buffer, Buffer>, 'in place' | 'copied'][] = [
    [pipeline(), 'in place'],
    [pipeline().through(welcome('hi')), 'in place'],
    [LINES.through(uppercase()).through(toLines()), 'in place'],
    [LINES.through(own()).through(toLines()).through(welcome('hi')), 'in place'],
    [LINES.through(each()).through(toLines()), 'in place'],
    [
      LINES.through(each())
        .through(asyncMap('wait', async (line: string) => line))
        .through(toLines()),
      'copied',
    ],
    [
      LINES.through(uppercase())
        .through(toLines())
        .through(tap<Buffer>('see', () => {})),
      'copied',
    ],
    [
      pipeline()
        .through(tap<Buffer>('see', () => {}))
        .through(LINES)
        .through(own())
        .through(toLines()),
      'copied',
    ],
    [
      pipeline()
        .through(lines({ encoding: 'buffer' }))
        .through(toDelimited('\n')),
      'copied',
    ],
    [
      pipeline()
        .through(delimited({ delimiters: '\n' }))
        .through(toDelimited('\n')),
      'copied',
    ],
    [pipeline().through(upstream('127.0.0.1:1')), 'in place'],
    [
      pipeline().through(upstream('127.0.0.1:1')).through(LINES).through(own()).through(toLines()),
      'in place',
    ],
    [LINES.through(uppercase()).through(toLines()).through(upstream('127.0.0.1:1')), 'copied'],
    [pipeline().through(exec('cat')), 'in place'],
  ]
  for (const [list, reads] of lists) {
    t.equal(list.explain().reads, reads, list.name)
    t.equal(String(list.explain()).includes(', reads in place'), reads === 'in place')
    t.equal(list.explain({ plan: 'streams' }).reads, list.stages.length === 0 ? 'in place' : 'copied')
  }
})

/** The lists whose first stage says that it is done with a chunk when it returns. */
const CONSUMING: readonly (readonly unknown[])[] = [
  ...(['utf8', 'latin1'] as const).flatMap(encoding =>
    (['\n', '\r?\n', '\r\n'] as const).flatMap(delimiter =>
      (['truncate', 'skip', 'report'] as const).flatMap(overflow => {
        const options = { encoding, delimiter, overflow, maxLength: 12 }
        return [
          [lines(options), own(), toLines({ encoding })],
          [lines(options), each(), toLines({ encoding })],
        ]
      }),
    ),
  ),
  ...(['go', 'netty', 'tokio', 'twisted', 'erlang', 'split2'] as const).map(profile => [
    lines({ profile, maxLength: 12 }),
    each(),
  ]),
  [lines({ keep: true }), each()],
  [lines({ invalid: 'report' }), each()],
  [lines({ bare: 'error', delimiter: '\r\n' }), each()],
]

const TEXT = fc
  .array(fc.constantFrom('a', 'é', '€', '\r', '\n', '\r\n', '\xff', 'word', '\n'), { maxLength: 60 })
  .map(parts => Buffer.concat(parts.map(part => Buffer.from(part, part === '\xff' ? 'latin1' : 'utf8'))))

t.test('what consumes a chunk refers to nothing of it, however it was cut', async () => {
  const give = (stages: readonly unknown[], chunks: readonly Buffer[], scribbles: boolean): string => {
    const output: string[] = []
    const sink = {
      write: (item: unknown) => void output.push(String(item)),
      endTurn: () => true,
      isFlushed: true,
      report: (error: unknown) => void output.push(String(error)),
      fail: (error: unknown) => void output.push(String(error)),
      finish: () => {},
    } as unknown as Sink
    const plan = makePlan('bytes', place('bytes', stages as readonly AnyStage[]), 'fused')
    const flow = flowOf(plan, sink, true)
    flow.open(new Connection(1), new AsyncResource('a test'))
    for (const chunk of chunks) {
      const use = flow.chunkUse
      if (use !== 'none') throw new Error(`${plan.segments[0]?.stages[0]?.name}: ${use}`)
      const memory = Buffer.from(chunk)
      flow.write(memory)
      if (scribbles) memory.fill('Z')
    }
    flow.end()
    return output.join('')
  }
  await fc.assert(
    fc.property(fc.constantFrom(...CONSUMING), TEXT, (stages, text) =>
      [...chunkings(text)].every(chunks => give(stages, chunks, true) === give(stages, chunks, false)),
    ),
    { numRuns: runs(200) },
  )
})

t.test('a list whose stage has returned a promise gets copies', async t => {
  const waiting = LINES.through(map('wait', async (line: string) => line)).through(toLines())
  const open = () => {
    const sink = {
      write: () => {},
      endTurn: () => true,
      isFlushed: true,
      drained: () => {},
    } as unknown as Sink
    const flow = flowOf(planOf(waiting, 'a test', 'fused'), sink, true)
    flow.open(new Connection(1), new AsyncResource('a test'))
    return flow
  }
  const first = open()
  t.equal(first.chunkUse, 'none')
  first.write(Buffer.from('a\n'))
  t.equal(first.chunkUse, 'any')
  t.equal(open().chunkUse, 'any', 'and so does the next connection')
})

/** Serves a list on a duplex as the listener serves a socket, and gives what was written, by turns of the event loop. */
function serveSocket(list: Pipeline<Buffer, Buffer>, options: ConnectionOptions = {}) {
  const writes: string[] = []
  const duplex = new Duplex({
    allowHalfOpen: true,
    read() {},
    write(bytes, _encoding, callback) {
      writes.push(String(bytes))
      callback()
    },
  })
  const { drive } = connectionSettings('a test', options)
  const driver = new ConnectionDriver(duplex, new Connection(1), {
    ...drive,
    ownsChunks: true,
    onDone: () => {},
  })
  driver.start(planOf(list, 'a test', 'fused'))
  t.teardown(() => duplex.destroy())
  return { duplex, driver, writes }
}

t.test('short output of all sockets leaves behind the reads of this turn of the event loop', async t => {
  const [one, two] = [serveSocket(pipeline()), serveSocket(pipeline())]
  one.driver.onData(Buffer.from('a'))
  two.driver.onData(Buffer.from('b'))
  one.driver.onData(Buffer.from('c'))
  t.strictSame([one.writes, two.writes], [[], []])
  await turn()
  t.strictSame([one.writes, two.writes], [['ac'], ['b']], 'one write for each')
  one.driver.onData(Buffer.from('d'))
  one.driver.onData(Buffer.alloc(5_000))
  t.strictSame(
    one.writes.slice(1),
    ['d', '\0'.repeat(5_000)],
    'long output leaves at once, behind what waits',
  )
  await turn()
  one.driver.onData(Buffer.from('e'))
  await turn()
  t.strictSame(one.writes.slice(3), ['e'])
  two.driver.onData(Buffer.from('f'))
  two.duplex.push(null)
  await turn()
  await turn()
  t.strictSame(two.writes, ['b', 'f'], 'nothing is lost at the end')
  one.driver.onData(Buffer.from('g'))
  one.duplex.destroy()
  await turn()
  await turn()
  t.equal(one.writes.length, 4, 'nor written behind it')
})

t.test('an end, a failure and a farewell come behind the output of the same read', async t => {
  const bad = LINES.through(
    map('bad', (line: string) => {
      if (line === 'bad') throw new Error('bad')
      return line
    }),
  ).through(toLines())
  const failed = serveSocket(bad)
  failed.driver.onData(Buffer.from('good\nbad\n'))
  t.strictSame(failed.writes, ['good\n'])
  t.equal(failed.duplex.writableEnded, true)
  const refused = serveSocket(LINES.through(uppercase()).through(toLines()), { farewell: () => 'bye' })
  refused.driver.onData(Buffer.from('one\n'))
  refused.driver.onData(Buffer.from(`two\n${'x'.repeat(70_000)}`))
  t.strictSame(refused.writes, ['ONE\nTWO\n', 'bye'])
  const taken = serveSocket(pipeline().through(take(1)))
  taken.driver.onData(Buffer.from('all'))
  await turn()
  t.strictSame(taken.writes, ['all'])
  t.equal(taken.duplex.writableEnded, true)
})
