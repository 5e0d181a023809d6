import { Transform } from 'node:stream'
import t from 'tap'
import { asyncMap, fromStream, InvalidFrameError, pipeline } from '../../../lib/index.js'
import { internalStage } from '../../../lib/stage.js'
import type { Law } from '../../../lib/testing/laws/law.js'
import { LEAK_LAWS } from '../../../lib/testing/laws/leaks.js'
import { OUTPUT_LAWS } from '../../../lib/testing/laws/output.js'
import { PROMISE_LAWS } from '../../../lib/testing/laws/promises.js'
import { UNFINISHED_LAWS } from '../../../lib/testing/laws/unfinished.js'
import { WORK_LAWS } from '../../../lib/testing/laws/work.js'
import type { Subject } from '../../../lib/testing/subject.js'
import { abc, byteStage, decoder, lineStage } from '../sound-stages.js'
import { fakeMemory, subjectOf } from './subject-of.js'

/** Checks a law, and returns what it found. */
async function check(laws: readonly Law[], name: string, subject: Subject) {
  for (const law of laws) {
    const breach = law.name === name ? await law.check(subject) : undefined
    if (breach !== undefined) return breach
  }
  return undefined
}

/** A decoder of lines that says what a test wants of the frame that has begun. */
const decoding = (unfinished: (frames: number, length: number) => unknown, { isStrict = false } = {}) =>
  decoder('decoding', () => {
    let text = ''
    let frames = 0
    return {
      transform: (chunk, controller) => {
        for (const character of chunk.toString()) {
          if (character === '!') controller.terminate()
          if (character !== '\n') text += character
          else {
            frames++
            controller.enqueue(text)
            text = ''
          }
        }
      },
      flush: controller => {
        if (text !== '' && isStrict) throw new InvalidFrameError('decoding', 'it is cut off')
        if (text !== '') controller.enqueue(text)
      },
      unfinished: () => unfinished(frames, text.length) as number,
    }
  })

const TWO = { input: 'ab\ncd\n', output: ['ab', 'cd'] }

t.test('what a stage says of frames is compared with them', async t => {
  const said = async (
    unfinished: Parameters<typeof decoding>[0],
    example: { input: string; output: string[]; error?: string } = TWO,
    strict = {},
  ) => (await check(UNFINISHED_LAWS, 'unfinished', subjectOf(decoding(unfinished, strict), example)))?.detail
  const right = (frames: number, length: number) => (length > 0 ? frames + 1 : 0)
  t.equal(await said(right), undefined)
  t.equal(await said(right, { input: 'ab\n!', output: ['ab'] }), undefined)
  t.equal(await said(right, { input: 'a', output: ['a'] }), undefined)
  t.match(await said(() => true), /no number/)
  t.match(await said(() => 1), /never 0/)
  t.match(await said((_, length) => Number(length > 0)), /for two frames/)
  const cut = { input: 'ab', output: [], error: 'ERR_BYWASH_INVALID_FRAME' }
  t.match(await said(() => 0, cut, { isStrict: true }), /front of an end that is an error/)
  t.match(await said(() => 0), /front of the last byte of a frame/)
  t.equal(
    await said(() => 0, { input: '\n\n', output: ['', ''] }),
    undefined,
    'frames of one byte never wait',
  )
  const always = (frames: number, length: number) => (frames + length === 0 ? 0 : frames + 1)
  t.match(await said(always), /not 0 behind a complete frame/)
  t.equal(await said(always, { input: 'ab\ncd', output: ['ab', 'cd'] }), undefined)
  t.equal(await said(always, { input: 'ab\n!', output: ['ab'] }), undefined)
  t.equal(await said(always, cut, { isStrict: true }), undefined)
  t.match(
    await said(() => {
      throw new Error('boom')
    }),
    /It threw: Error: boom/,
  )
})

t.test('a stage of other kinds, one in a list, and a stream are asked too', async t => {
  const numbering = lineStage('numbering', () => ({
    transform: (line, controller) => controller.enqueue(line),
    unfinished: () => 0,
  }))
  const [example] = abc as [(typeof abc)[0]]
  t.equal(await check(UNFINISHED_LAWS, 'unfinished', subjectOf(numbering, example)), undefined)
  const list = pipeline()
    .through(decoding(() => 1))
    .through(numbering)
  t.match(await check(UNFINISHED_LAWS, 'unfinished', subjectOf(list, TWO)), { detail: /never 0/ })
  const bytes = byteStage('bytes', () => ({
    transform: (chunk, controller) => controller.enqueue(chunk),
    unfinished: () => 0,
  }))
  t.equal(
    await check(UNFINISHED_LAWS, 'unfinished', subjectOf(bytes, { input: 'a', output: 'a' })),
    undefined,
  )
  const stream = fromStream('stream', () =>
    Object.assign(new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) }), {
      unfinished: () => 2,
    }),
  )
  t.match(
    await check(
      UNFINISHED_LAWS,
      'unfinished',
      subjectOf(stream, { input: 'ab', output: 'ab' }, { plan: 'streams' }),
    ),
    { detail: /never 0/ },
  )
  // A frame that comes out when it is not complete tells nothing of its end.
  const progress = decoder('progress', () => {
    let length = 0
    return {
      transform: (chunk, controller) => {
        for (const byte of chunk) controller.enqueue(`${length++}: ${byte}`)
      },
      unfinished: () => Math.min(length, 1),
    }
  })
  const shown = { input: 'ab', output: ['0: 97', '1: 98'] }
  t.equal(await check(UNFINISHED_LAWS, 'unfinished', subjectOf(progress, shown)), undefined)
})

t.test('a stage may tell the id of its connection', async t => {
  const telling = lineStage('telling', ({ id }) => ({
    transform: (line, controller) => controller.enqueue(`${id} ${line}`),
  }))
  const right = { input: ['a'], output: ['1 a'] }
  t.equal(await check(OUTPUT_LAWS, 'isolation', subjectOf(telling, right)), undefined)
  const subject = subjectOf(telling, right)
  await subject.run(['x'])
  t.equal(await check(OUTPUT_LAWS, 'example', subject), undefined)
  t.match(await check(OUTPUT_LAWS, 'example', subjectOf(telling, { input: ['a'], output: ['a'] })), {
    expected: { output: ['a'] },
  })
  let count = 0
  const counting = lineStage('counting', () => ({
    transform: (line, controller) => controller.enqueue(`${++count} ${line}`),
  }))
  t.match(await check(OUTPUT_LAWS, 'isolation', subjectOf(counting, right)), { detail: /in turn/ })
  // The first connection that is alone is as it was among two, and the second one is not.
  let opened = 0
  const third = lineStage('third', () => {
    const at = ++opened
    return { transform: (line, controller) => controller.enqueue(at === 2 ? 'second' : line) }
  })
  t.match(await check(OUTPUT_LAWS, 'isolation', subjectOf(third, right)), { detail: /in turn/ })
})

t.test('work is looked at for the example, and for endless inputs that nothing comes of', async t => {
  /** Looks at the memory for the first pieces whose work is counted. */
  const LOOKS = 66
  /** The memory in use grows with each look by so much. */
  const bytes = (growth: (looks: number) => number) => {
    let looks = 0
    let sum = 0
    return { ...fakeMemory().memory, inUse: () => (sum += growth(looks++)) }
  }
  const passing = byteStage('passing', () => ({
    transform: (chunk, controller) => controller.enqueue(chunk),
  }))
  const silent = byteStage('silent', () => ({ transform: () => {} }))
  const example = { input: 'ab', output: 'ab' }
  const work = (growth: (looks: number) => number, of = passing, plan: 'fused' | 'streams' = 'fused') =>
    check(
      WORK_LAWS,
      'work',
      subjectOf(of, { ...example, output: of === silent ? '' : 'ab' }, { memory: bytes(growth), plan }),
    )
  t.equal(await work(() => 0), undefined)
  t.equal(await work(() => 0, silent), undefined)
  t.equal(await work(() => 0, passing, 'streams'), undefined)
  t.match(await work(looks => looks * 1000), { detail: /Behind 512 pieces .* copied or searched \d+ bytes/ })
  t.equal(await work(looks => (looks < LOOKS ? 0 : 10_000)), undefined, 'what is bounded stops to grow')
  t.equal(await work(looks => looks * -1000), undefined, 'V8 has collected garbage')
  const ending = byteStage('ending', () => {
    let count = 0
    return {
      transform: (_chunk, controller) => {
        if (++count === 100) controller.terminate()
      },
    }
  })
  t.equal(await work(() => 0, ending), undefined)
  const failing = (at: number) =>
    byteStage('failing', () => {
      let count = 0
      return {
        transform: () => {
          if (++count === at) throw new InvalidFrameError('failing', 'it is enough')
        },
      }
    })
  t.equal(await work(() => 0, failing(800)), undefined)
  t.equal(await work(() => 0, failing(3700)), undefined)
  t.match(await work(looks => (looks < LOOKS ? 0 : 10_000), failing(7000)), {
    detail: /behind 3584 pieces 1250/,
  })
})

t.test('what each connection leaves behind is a leak', async t => {
  const passing = lineStage('passing', () => ({ transform: (line, controller) => controller.enqueue(line) }))
  const [example] = abc as [(typeof abc)[0]]
  /** Checks with descriptors and active resources that grow with each look. */
  const leaks = (
    descriptors: (looks: number) => [string, string | undefined][],
    active: (looks: number) => number,
  ) => {
    let files = 0
    let types = 0
    const resources = {
      pending: () => 0,
      descriptors: () => new Map(descriptors(files++).map(([name, file]) => [name, file])),
      active: () => new Map([['TCPWrap', active(types++)]]),
    }
    return check(LEAK_LAWS, 'leaks', subjectOf(passing, example, { resources, timeout: 1 }))
  }
  const none = () => []
  t.equal(await leaks(none, () => 3), undefined)
  t.match(await leaks(none, looks => looks * 1000), { detail: /one more was left: TCPWrap/ })
  const open = Array.from({ length: 99 }, (_, at): [string, string | undefined] => [
    String(at),
    at > 50 ? '/a' : undefined,
  ])
  t.match(
    await leaks(
      looks => open.slice(0, looks * 99),
      () => 0,
    ),
    { detail: /an open descriptor, \/a\.$/ },
  )
  t.equal(
    await leaks(
      looks => open.slice(0, looks === 1 ? 9 : 0),
      () => 0,
    ),
    undefined,
    'it was closed later',
  )
})

t.test('while the system has work to do, the time of the clock stands still', async t => {
  let looks = 0
  // The subjects of both plans have a look when they are made.
  const pending = () => (++looks === 3 ? 1 : 0)
  const waiting = asyncMap('waiting', (line: string, { clock }) => {
    return new Promise<string>(resolve => void clock.setTimeout(() => resolve(`${line} ${looks}`), 10))
  })
  const resources = { pending, descriptors: () => new Map(), active: () => new Map() }
  const example = { input: ['a'], output: ['a 4'] }
  t.match(await subjectOf(waiting, example, { resources }).run(['a']), { output: ['a 4'] })
})

t.test('a greeting is all that a stage gives before its input', async t => {
  const greeter = (greeting: string, said = greeting) =>
    internalStage<Buffer, Buffer>({
      name: 'greeter',
      accepts: 'bytes',
      emits: 'bytes',
      greeting: Buffer.from(greeting),
      open: () => ({
        start: controller => controller.enqueue(Buffer.from(said)),
        transform: (chunk, controller) => controller.enqueue(chunk),
      }),
    })
  const example = { input: 'a', output: 'hi a' }
  t.equal(await check(PROMISE_LAWS, 'greeting', subjectOf(greeter('hi '), example)), undefined)
  t.match(await check(PROMISE_LAWS, 'greeting', subjectOf(greeter('hi ', 'ho '), example)), { input: [] })
})
