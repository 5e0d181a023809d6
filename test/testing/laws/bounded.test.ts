import { Duplex, Transform } from 'node:stream'
import t from 'tap'
import { fromStream, InvalidFrameError, lines, stage, throttle } from '../../../lib/index.js'
import { BOUNDED_LAWS } from '../../../lib/testing/laws/bounded.js'
import { checkEndless } from '../../../lib/testing/laws/endless.js'
import { checkHistory } from '../../../lib/testing/laws/history.js'
import { STALLED_LAWS } from '../../../lib/testing/laws/stalled.js'
import type { Subject } from '../../../lib/testing/subject.js'
import { abc, byteStage, lineStage } from '../sound-stages.js'
import { fakeMemory, type Looks, subjectOf } from './subject-of.js'

const MUCH = 1e9
const [ABC] = abc as [(typeof abc)[0]]
const never = () => false
const always = () => true

/** Calls a law with a memory that finds what a test says, and returns its detail with the number of looks. */
async function look(
  check: (subject: Subject, isSlow: () => boolean) => Promise<{ readonly detail?: string } | undefined>,
  of: (memory: ReturnType<typeof fakeMemory>['memory']) => Subject,
  looks: Looks,
  isSlow = never,
) {
  const { memory, counts } = fakeMemory(looks)
  const breach = await check(of(memory), isSlow)
  return { detail: breach?.detail, ...counts }
}

/** A stage of bytes that gathers them, and gives or drops them at the end. */
const gathering = (give: boolean) =>
  byteStage('gathering', () => {
    const chunks: Buffer[] = []
    return {
      transform: chunk => void chunks.push(chunk),
      flush: controller => {
        if (give) for (const chunk of chunks) controller.enqueue(chunk)
      },
    }
  })
const GIVEN = { input: 'ab', output: 'ab' }
const DROPPED = { input: 'ab', output: '' }

/** A stage that drops the items that are like the last one, and gives the last one at the end. */
const dropping = lineStage('dropping', () => {
  let last = ''
  return {
    transform: line => {
      last = line
    },
    flush: controller => controller.enqueue(last),
  }
})
const LAST = { input: ['a'], output: ['a'] }

t.test('bytes that come out late are kept where the memory says so', async t => {
  const of = (memory: Subject['settings']['memory']) => subjectOf(gathering(true), GIVEN, { memory })
  t.match((await look(checkEndless, of, { held: [MUCH] })).detail, /took 18874368 bytes .* without end, kept/)
  const { detail, held } = await look(checkEndless, of, {})
  t.equal(detail, undefined, 'an expander gives more than it holds')
  t.equal(held, 4, 'of four inputs')
  t.match((await look(checkEndless, of, { isVisible: false })).detail, /kept/)
  t.equal((await look(checkEndless, of, { held: [MUCH] }, always)).held, 0, 'a slow stage is let off')
})

t.test('bytes that do not come out are kept where the memory says so', async t => {
  const of = (memory: Subject['settings']['memory']) => subjectOf(gathering(false), DROPPED, { memory })
  t.match((await look(checkEndless, of, { held: [MUCH, MUCH] })).detail, /kept/)
  t.equal((await look(checkEndless, of, { held: [MUCH, 0] })).detail, undefined)
  const { detail, held } = await look(checkEndless, of, {})
  t.equal(detail, undefined)
  t.equal(held, 2, 'of two inputs')
  t.equal((await look(checkEndless, of, { isVisible: false })).held, 0)
})

t.test('an input is answered by an output, a report, a failure, or in time', async t => {
  const weights: unknown[] = ['a', Buffer.of(1), new Map([[1, 2]]), new Set([3]), { a: [1] }, null, 4]
  const deep = [[[[[['too deep']]]]]]
  for (const value of [...weights, deep]) {
    const giving = stage<Buffer, unknown>({
      name: 'giving',
      accepts: 'bytes',
      emits: 'value',
      open: () => ({
        transform: (chunk, controller) => {
          if (chunk.length >= 256) for (let n = 0; n < 9; n++) controller.enqueue(value)
        },
      }),
    })
    const of = () => subjectOf(giving as never, { input: 'a', output: [] } as never)
    t.equal((await look(checkEndless, of, { held: [MUCH] })).held, 0)
  }
  const failing = byteStage('failing', () => {
    let size = 0
    return {
      transform: (chunk, controller) => {
        size += chunk.length
        if (size > 8000) throw new InvalidFrameError('failing', 'it is too long')
        if (size > 400) controller.report(new InvalidFrameError('failing', 'it is long'))
      },
    }
  })
  for (const held of [4096, 20_000]) {
    const of = () => subjectOf(failing, { input: 'ab', output: '' }, { held })
    t.equal((await look(checkEndless, of, {})).held, 0)
  }
  let calls = 0
  const slowNow = () => ++calls > 2
  const of = (memory: Subject['settings']['memory']) => subjectOf(gathering(true), GIVEN, { memory })
  t.equal((await look(checkEndless, of, { held: [MUCH] }, slowNow)).held, 0)
})

t.test('items are looked at quickly, then surely, then at length', async t => {
  const of = (memory: Subject['settings']['memory']) => subjectOf(dropping, LAST, { memory })
  const growth = [-MUCH]
  t.strictSame(await look(checkEndless, of, {}), { detail: undefined, looks: 2, growth: 1, held: 0 })
  t.match(await look(checkEndless, of, { growth }), { detail: undefined, held: 1 })
  t.match((await look(checkEndless, of, { growth, held: [MUCH, MUCH] })).detail, /took 65536 items/)
  t.match((await look(checkEndless, of, { growth, held: [300_000, MUCH] })).detail, /took 16384 items/)
})

t.test('a stream is given a shorter input, and time to answer', async t => {
  const stream = fromStream('gathering', () => {
    const chunks: Buffer[] = []
    return new Transform({
      transform(chunk, _encoding, callback) {
        chunks.push(chunk)
        callback()
      },
      flush(callback) {
        callback(null, Buffer.concat(chunks))
      },
    })
  })
  const of = (memory: Subject['settings']['memory']) => subjectOf(stream, GIVEN, { memory, plan: 'streams' })
  t.match((await look(checkEndless, of, { held: [MUCH] })).detail, /took 1081344 bytes/)
})

const passing = lineStage('passing', () => ({ transform: (line, controller) => controller.enqueue(line) }))

t.test('history is looked at quickly, and surely where it seems to grow', async t => {
  const of = (memory: Subject['settings']['memory']) => subjectOf(passing, ABC, { memory })
  const unsure = { bytes: 9, isSure: false }
  const grows = { growth: [MUCH] }
  t.strictSame(await look(checkHistory, of, {}), { detail: undefined, looks: 2, growth: 1, held: 0 })
  t.match(await look(checkHistory, of, { growth: [unsure, -9, unsure] }), { growth: 3, held: 0 })
  t.match(await look(checkHistory, of, { growth: [unsure, MUCH] }), { growth: 2, held: 1 })
  t.match(await look(checkHistory, of, grows), { detail: undefined, held: 1 }, 'held by others')
  t.match(await look(checkHistory, of, { ...grows, held: [MUCH, 5, 5000] }), { detail: undefined, held: 3 })
  t.match(await look(checkHistory, of, { ...grows, held: [MUCH, 0, MUCH] }), { detail: undefined })
  t.match(await look(checkHistory, of, { ...grows, held: [MUCH, 5, MUCH] }), {
    detail: /grew by 999999995 bytes from piece 2048 to piece 4096/,
  })
  t.match(await look(checkHistory, of, { ...grows, held: [300_000, 5, MUCH] }), {
    detail: /from piece 4096 to piece 8192/,
  })
  t.match(await look(checkHistory, of, { ...grows, isVisible: false }), { growth: 0 })
  t.match(await look(checkHistory, of, {}, always), { looks: 0, growth: 1 })
})

t.test('history is none where there is no input, and short where the connection ends', async t => {
  const empty = () => subjectOf(passing, { input: [], output: [] })
  t.match(await look(checkHistory, empty, {}), { growth: 0 })
  const failing = lineStage('failing', () => {
    let count = 0
    return {
      transform: () => {
        if (++count === 5000) throw new InvalidFrameError('failing', 'it is enough')
      },
    }
  })
  const of = (memory: Subject['settings']['memory']) =>
    subjectOf(failing, { input: ['a'], output: [] }, { memory })
  t.match(await look(checkHistory, of, {}), { looks: 1 })
  t.match(await look(checkHistory, of, { growth: [MUCH], held: [MUCH] }), { held: 1, detail: undefined })
})

t.test('history of bytes, and of a stream that lets its peer wait', async t => {
  const bytes = byteStage('passing', () => ({ transform: (chunk, controller) => controller.enqueue(chunk) }))
  const grows = { growth: [MUCH], held: [MUCH, 1, MUCH] }
  const ofBytes = (memory: Subject['settings']['memory']) => subjectOf(bytes, GIVEN, { memory })
  t.match((await look(checkHistory, ofBytes, grows)).detail, /grew by/)
  const stream = fromStream('stream', () => {
    return new Transform({
      writableHighWaterMark: 1,
      transform: (chunk, _encoding, callback) => void setImmediate(callback, null, chunk),
    })
  })
  const ofStream = (memory: Subject['settings']['memory']) =>
    subjectOf(stream, GIVEN, { memory, held: 2048, plan: 'streams' })
  t.match((await look(checkHistory, ofStream, grows)).detail, /from piece 1024 to piece 2048/)
})

const [BOUNDED] = BOUNDED_LAWS as [(typeof BOUNDED_LAWS)[0]]

t.test('a stage that may hold all, or has no code of its own on plan streams, is not looked at', async t => {
  const { memory, counts } = fakeMemory()
  t.equal(await BOUNDED.check(subjectOf(passing, ABC, { memory, held: Number.POSITIVE_INFINITY })), undefined)
  t.equal(await BOUNDED.check(subjectOf(passing, ABC, { memory, plan: 'streams' })), undefined)
  t.equal(counts.growth, 0)
  t.equal(await BOUNDED.check(subjectOf(passing, ABC, { memory })), undefined)
  t.equal(counts.growth, 1, 'the endless input comes out')
  const both = { input: 'a\nb', output: ['a', 'b'] }
  t.equal(await BOUNDED.check(subjectOf(lines(), both, { memory, plan: 'streams' })), undefined)
  t.equal(counts.growth, 2)
})

t.test('a stage that waits for many turns is let off', async t => {
  const { memory, counts } = fakeMemory({ growth: Array(9).fill(MUCH), held: Array(9).fill(MUCH) })
  const slow = throttle({ bytesPerSecond: 10 })
  t.equal(await BOUNDED.check(subjectOf(slow as never, GIVEN as never, { memory })), undefined)
  t.ok(counts.growth <= 1)
})

const [STALLED] = STALLED_LAWS as [(typeof STALLED_LAWS)[0]]

t.test('what comes out late is held where the memory says so', async t => {
  const check = (looks: Looks, held: number) =>
    STALLED.check(subjectOf(gathering(true), GIVEN, { held, memory: fakeMemory(looks).memory }))
  const grows = [MUCH, 0]
  t.match(await check({}, 4096), { detail: /held \d+ of them/ }, 'little is not looked at')
  t.match(await check({ isVisible: false }, 65_536), { detail: /held/ })
  t.equal(await check({}, 65_536), undefined, 'an expander gives more than it holds')
  t.equal(await check({ held: [...grows, 0, 0] }, 65_536), undefined, 'by chance')
  t.match(await check({ held: [...grows, ...grows] }, 65_536), { detail: /held/ })
})

t.test('a stream that works on what it was given is waited for', async t => {
  const late = fromStream('late', () => {
    const chunks: Buffer[] = []
    return new Duplex({
      writableHighWaterMark: 1_000_000,
      write(chunk, _encoding, callback) {
        let turns = 0
        const wait = () => {
          if (turns++ < 3) return void setImmediate(wait)
          chunks.push(chunk)
          callback()
        }
        wait()
      },
      final(callback) {
        for (const chunk of chunks) this.push(chunk)
        this.push(null)
        callback()
      },
      read() {},
    })
  })
  t.match(await STALLED.check(subjectOf(late, GIVEN, { held: 65_536, plan: 'streams' })), undefined)
})
