import { AssertionError } from 'node:assert'
import assert from 'node:assert/strict'
import { setMaxListeners } from 'node:events'
import { Duplex, PassThrough, Transform } from 'node:stream'
import { createGunzip, gzipSync } from 'node:zlib'
import t from 'tap'
import {
  asyncMap,
  type Connection,
  type Controller,
  type Frame,
  fromStream,
  InvalidFrameError,
  lines,
  map,
  pipeline,
  type Stage,
  stage,
  type Transformer,
  tap,
  toLines,
  uppercase,
} from '../../lib/index.js'
import {
  type CheckStageOptions,
  checkStage as checkWithin,
  type Example,
  runStage,
} from '../../lib/testing/index.js'
import { RUNS_ALL } from '../runs.js'

type Open<In, Out> = (connection: Connection) => Transformer<In, Out>

const lineStage = (name: string, open: Open<string, string>) =>
  stage<string, string>({ name, accepts: 'line', emits: 'line', open })
const decoder = (name: string, open: Open<Buffer, string>) =>
  stage<Buffer, string>({ name, accepts: 'bytes', emits: 'line', open })
const byteStage = (name: string, open: Open<Buffer, Buffer>) =>
  stage<Buffer, Buffer>({ name, accepts: 'bytes', emits: 'bytes', open })

/** A stage that passes lines on, but for the functions that a test replaces. */
const passing = (name: string, broken: (connection: Connection) => Transformer<string, string>) =>
  lineStage(name, connection => ({
    transform: (line, controller) => controller.enqueue(line),
    ...broken(connection),
  }))

/** A decoder that cuts at line feeds. The options break it in different ways. */
function splitter(
  name: string,
  { decode = (chunk: Buffer) => chunk.toString('latin1'), flush = true, shared = false } = {},
) {
  const common = { rest: '' }
  return decoder(name, () => {
    const state = shared ? common : { rest: '' }
    return {
      transform: (chunk, controller) => {
        const parts = (state.rest + decode(chunk)).split('\n')
        state.rest = parts.pop() as string
        for (const part of parts) controller.enqueue(part)
      },
      ...(flush && {
        flush: controller => {
          if (state.rest !== '') controller.enqueue(state.rest)
          state.rest = ''
        },
      }),
    }
  })
}

/** Checks a stage with more time than by default, which on a busy machine passes while memory is collected. */
const checkStage: typeof checkWithin = (stage, examples, options) =>
  checkWithin(stage, examples, { timeout: 60_000, ...options })

// The many runs of this file take longer than the default timeout on a busy machine.

/** Clears the timers, listeners and the like that a broken stage has left, when its test is over. */
const left: (() => void)[] = []
t.afterEach(() => {
  for (const clear of left.splice(0)) clear()
})

interface Broken {
  readonly stage: { readonly name: string }
  readonly examples: readonly unknown[]
  readonly law: string
  readonly plan?: 'fused' | 'streams'
  readonly message: RegExp | string
  readonly options?: CheckStageOptions
}

const abc = [{ input: ['a', 'b', 'c'], output: ['a', 'b', 'c'] }]
const twoLines = [{ input: 'héllo\nworld', output: ['héllo', 'world'] }]
const bytes = [{ input: 'hello', output: 'hello' }]
let total = 0

const BROKEN: Record<string, Broken> = {
  'shares a count across connections': {
    stage: lineStage('numbered', () => ({
      transform: (line, controller) => controller.enqueue(`${++total}: ${line}`),
    })),
    examples: [{ input: ['a', 'b'], output: ['1: a', '2: b'] }],
    law: 'isolation',
    plan: 'fused',
    message:
      /two connections of one stage share no state\.\n\nTwo connections were fed the same.*\n\n.*\n {2}expected {2}\['1: a', '3: b'\]\n {2}actual {4}\['2: a', '4: b'\]/,
  },
  'shares an unfinished line across connections': {
    stage: splitter('shared', { shared: true }),
    examples: [{ input: 'ab\ncd', output: ['ab', 'cd'] }],
    law: 'isolation',
    message: /Two connections were fed the same/,
  },
  'drops the last unfinished line': {
    stage: splitter('dropping', { flush: false }),
    examples: [{ input: 'ab\ncd', output: ['ab', 'cd'] }],
    law: 'example',
    plan: 'fused',
    message:
      /\n\n {2}input {5}\[Buffer.from\('ab\\ncd'\)\]\n {2}expected {2}\['ab', 'cd'\]\n {2}actual {4}\['ab'\]$/,
  },
  'gives its tail in readComplete and in flush': {
    stage: passing('twice', () => ({
      readComplete: controller => controller.enqueue('tail'),
      flush: controller => controller.enqueue('tail'),
    })),
    examples: [{ input: ['a'], output: ['a', 'tail'] }],
    law: 'example',
    message: /actual {4}\['tail', 'a', 'tail'/,
  },
  'emits another kind than it says': {
    stage: lineStage('wrong', () => ({
      transform: (line, controller) => controller.enqueue(line.length as never),
    })),
    examples: [{ input: ['a'], output: ['1'] }],
    law: 'example',
    message: /actual {4}\[\], then ERR_BYWASH_STAGE \(Stage 'wrong' emitted a number, but its 'emits: line'/,
  },
  'fails with another error than the example': {
    stage: lines({ maxLength: 2 }),
    examples: [{ input: 'a\nbcd', output: ['a'], error: 'ERR_BYWASH_INVALID_FRAME' }],
    law: 'example',
    message:
      /expected {2}\['a'\], then ERR_BYWASH_INVALID_FRAME\n {2}actual {4}\['a'\], then ERR_BYWASH_FRAME_TOO_LONG \(/,
  },
  'gives something else in the streams plan': {
    stage: stage<Buffer, Buffer>({
      name: 'uneven',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({}),
      stream: () =>
        new Transform({
          transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()),
          flush: done => done(),
        }),
    }),
    examples: bytes,
    law: 'example',
    plan: 'streams',
    message: /actual {4}Buffer.from\('HELLO'\)/,
  },
  'reports where it should not': {
    stage: lineStage('lenient', () => ({
      transform: (line, controller) => {
        if (line === 'b') controller.report(new InvalidFrameError('lenient', 'it is b'))
        else controller.enqueue(line)
      },
    })),
    examples: [
      { input: ['a', 'b', 'c'], output: ['a', 'c'], reports: ['ERR_BYWASH_INVALID_FRAME'] },
      { input: ['a', 'b'], output: ['a'] },
    ],
    law: 'example',
    message: /expected {2}\['a'\]\n {2}actual {4}\['a'\], reporting ERR_BYWASH_INVALID_FRAME$/,
  },
  'decodes each chunk for itself': {
    stage: splitter('decode', { decode: chunk => chunk.toString() }),
    examples: twoLines,
    law: 'cuts',
    plan: 'fused',
    message: /input {5}\[Buffer.from\('c3', 'hex'\), Buffer.from\('a9', 'hex'\)\]\n {2}expected {2}\['é'\]/,
  },
  'looks for a delimiter in each chunk for itself': {
    stage: decoder('crlf', () => {
      let text = ''
      return {
        transform: (chunk, controller) => {
          text += chunk.toString('latin1')
          if (!chunk.includes('\r\n')) return
          const parts = text.split('\r\n')
          text = parts.pop() as string
          for (const part of parts) controller.enqueue(part)
        },
      }
    }),
    examples: [{ input: 'hello\r\nworld\r\n', output: ['hello', 'world'] }],
    law: 'cuts',
    message:
      /input {5}\[Buffer.from\('\\r'\), Buffer.from\('\\n'\)\]\n {2}expected {2}\[''\]\n {2}actual {4}\[\]/,
  },
  'stumbles over an empty chunk': {
    stage: byteStage('first', () => ({
      transform: (chunk, controller) => {
        if (chunk.length === 0) throw new Error('empty')
        controller.enqueue(chunk)
      },
    })),
    examples: bytes,
    law: 'cuts',
    message:
      /input {5}\[Buffer.from\(''\), Buffer.from\(''\)\]|then ERR_BYWASH_STAGE \(Stage 'first' failed in transform: empty\)/,
  },
  'keeps only the last line of a turn': {
    stage: lineStage('last', () => {
      let last: string | undefined
      return {
        transform: line => {
          last = line
        },
        readComplete: controller => {
          if (last !== undefined) controller.enqueue(last)
          last = undefined
        },
      }
    }),
    examples: abc,
    law: 'cuts',
    plan: 'fused',
    message: /input {5}\['.', '.'\]\n(.*\n)*.*runStage\(last, \['.', '.'\], \{ plan: 'fused', batch: 2 \}\)/,
  },
  'differs behind an error': {
    stage: byteStage('strict', () => ({
      transform: (chunk, controller) => {
        const at = chunk.indexOf('!')
        if (at === 0) controller.enqueue(Buffer.from('?'))
        if (at !== -1) throw new Error('no')
        controller.enqueue(chunk)
      },
    })),
    examples: [{ input: 'ab!', output: '', error: 'ERR_BYWASH_STAGE' }],
    law: 'cuts',
    message:
      /const \{ code, output \} = await runStage\(strict, .*\.catch\(error => error\)\n.*assert.equal\(code, 'ERR_BYWASH_STAGE'\)\n.*assert.deepEqual\(Buffer.concat\(output\), Buffer.from\(''\)\)/,
  },
  'writes into the chunk': {
    stage: byteStage('inplace', () => ({
      transform: (chunk, controller) => {
        const copy = Buffer.from(chunk)
        chunk.fill(0)
        controller.enqueue(copy)
      },
    })),
    examples: bytes,
    law: 'unchanged',
    message:
      /changed after it had been handed to the stage.\n\n {2}expected {2}\[Buffer.from\('hello'\)\]\n {2}actual {4}\[Buffer.from\('\\u0000/,
  },
  'changes a value that it was given': {
    stage: map(
      'mark',
      (value: { seen?: boolean }) => ({ ...value, ...Object.assign(value, { seen: true }) }),
      {
        accepts: 'value',
        emits: 'value',
      },
    ),
    examples: [{ input: [{ list: [Buffer.from('a')] }], output: [{ list: [Buffer.from('a')], seen: true }] }],
    law: 'unchanged',
    message: /expected {2}\[\{ list: /,
  },
  'uses a buffer again that it has handed on': {
    stage: byteStage('pooled', () => {
      const pool = Buffer.alloc(8)
      return {
        transform: (chunk, controller) => {
          controller.enqueue(pool.subarray(0, chunk.copy(pool)))
          setImmediate(() => pool.fill(0))
        },
      }
    }),
    examples: [{ input: 'a', output: 'a' }],
    law: 'unchanged',
    message: /changed after the stage had handed it on/,
  },
  'throws in close': {
    stage: passing('thrower', () => ({
      close: () => {
        throw new Error('boom')
      },
    })),
    examples: abc,
    law: 'life',
    message: /After the end of the input: Stage 'thrower' failed in close: boom/,
  },
  'throws in close after a reset only': {
    stage: passing('resets', () => ({
      close: ({ reason }) => {
        if (reason === 'client-reset') throw new Error('boom')
      },
    })),
    examples: abc,
    law: 'life',
    message: /After a reset before the first item: Stage 'resets' failed in close: boom/,
  },
  'never closes its stream': {
    stage: fromStream('endless', () => new PassThrough({ destroy: () => {} })),
    examples: bytes,
    law: 'life',
    message: /what stage 'endless' opened was started 0, flushed 0 and closed 0 times, and 'open' came last/,
    options: { timeout: 500 },
  },
  'gives its output again in close': {
    stage: passing('again', () => {
      let late: Controller<string>
      return {
        start: controller => {
          late = controller
        },
        close: () => late.enqueue('again'),
      }
    }),
    examples: abc,
    law: 'late',
    message: /After the end of the input: Stage 'again' enqueued after its end/,
  },
  'enqueues from a timer that it does not clear': {
    stage: passing('ticking', ({ clock }) => ({
      start: controller => void clock.setTimeout(() => controller.enqueue('tick'), 30_000),
    })),
    examples: abc,
    law: 'leaks',
    message: /timers of connection.clock were not cleared: 1\./,
  },
  'leaves a timer of the clock': {
    stage: passing('timed', ({ clock }) => ({ start: () => void clock.setTimeout(() => {}, 30_000) })),
    examples: abc,
    law: 'leaks',
    message:
      /no timer and no listener is left\.\n\nAfter the end of the input: timers of connection.clock were not cleared: 1\./,
  },
  'does not hand close on to the stage in it': {
    stage: lineStage('wrapper', connection => {
      const timer = connection.clock.setTimeout(() => {}, 30_000)
      const inner: Transformer<string, string> = {
        transform: (line, controller) => controller.enqueue(line),
        close: () => connection.clock.clearTimeout(timer),
      }
      return { transform: (line, controller) => inner.transform?.(line, controller) }
    }),
    examples: abc,
    law: 'leaks',
    message: /timers of connection.clock/,
  },
  'leaves a listener on the signal': {
    stage: passing('listening', ({ signal }) => ({
      start: () => signal.addEventListener('abort', () => {}),
    })),
    examples: abc,
    law: 'leaks',
    message: /After the end of the input: listeners on connection.signal were not removed: 1\./,
  },
  'listens to the signal for each item': {
    stage: lineStage('waiting', ({ signal }) => ({
      transform: (line, controller) => {
        // Node's own warning about many listeners would come first.
        setMaxListeners(0, signal)
        signal.addEventListener('abort', () => {}, { once: true })
        controller.enqueue(line)
      },
    })),
    examples: [{ input: ['a'], output: ['a'] }],
    law: 'leaks',
    message: /After much input: listeners on connection.signal had grown to 20 before\./,
  },
  'leaves a timer of the process': {
    stage: passing('real', () => {
      const timer = setTimeout(() => {}, 3_600_000)
      left.push(() => clearTimeout(timer))
      return {}
    }),
    examples: abc,
    law: 'leaks',
    message: /no handle is left\.\n\nAfter each connection one more was left: Timeout\./,
    options: { timeout: 500 },
  },
  'leaves a listener on the process': {
    stage: passing('exits', () => {
      const listener = () => {}
      process.setMaxListeners(1000).on('SIGUSR2', listener)
      left.push(() => process.off('SIGUSR2', listener))
      return {}
    }),
    examples: abc,
    law: 'leaks',
    message: /one more was left: .*SIGNALWRAP|one more was left: listener on 'SIGUSR2' of the process/i,
    options: { timeout: 500 },
  },
  'takes everything into a list, and gives it in time': {
    stage: lineStage('queue', ({ clock }) => {
      const queue: string[] = []
      let timer: unknown
      const next = (controller: Controller<string>) => {
        for (const line of queue.splice(0)) controller.enqueue(line)
        timer = undefined
      }
      return {
        transform: (line, controller) => {
          queue.push(line)
          timer ??= clock.setTimeout(() => next(controller), 100)
        },
        flush: controller => {
          clock.clearTimeout(timer)
          next(controller)
        },
        close: () => clock.clearTimeout(timer),
      }
    }),
    examples: abc,
    law: 'stalled',
    plan: 'fused',
    message: /it took 2000 bytes \(or items\) and held 2000 of them; it may hold 1000 \(option 'held'\)/,
    options: { held: 1000 },
  },
  'is a stream that takes all that it is given': {
    stage: fromStream('hoarder', () => {
      const chunks: Buffer[] = []
      return new Duplex({
        write(chunk, _, callback) {
          chunks.push(chunk)
          callback()
        },
        final(callback) {
          for (const chunk of chunks) this.push(chunk)
          this.push(null)
          callback()
        },
        read() {},
      })
    }),
    examples: bytes,
    law: 'stalled',
    message: /it may hold 131072/,
  },
  'loses what comes while nobody reads': {
    stage: fromStream('lossy', () => {
      let open = true
      return new Duplex({
        readableHighWaterMark: 1,
        write(chunk, _, callback) {
          if (open || chunk.length < 4000) open = this.push(chunk)
          setImmediate(callback)
        },
        final(callback) {
          this.push(null)
          callback()
        },
        read() {
          open = true
        },
      })
    }),
    examples: bytes,
    law: 'stalled',
    message: /A reader that stalled and went on got something else/,
  },
  'is not as lazy as it says': {
    stage: stage<Buffer, Buffer>({
      name: 'trailer',
      accepts: 'bytes',
      emits: 'bytes',
      lazy: true,
      open: () => ({ flush: controller => controller.enqueue(Buffer.from('end')) }),
    }),
    examples: [{ input: 'a', output: 'aend' }],
    law: 'lazy',
    message: /makes nothing without an item/,
  },
  'changes other characters than ASCII': {
    stage: map('upper', line => line.toUpperCase(), { bytewise: true }),
    examples: [{ input: ['a'], output: ['A'] }],
    law: 'bytewise',
    plan: 'fused',
    message:
      /in blocks and line by line', async \(\) => \{\n.*lines\(\{ delimiter: '\\n', encoding: 'utf8' \}\)\)\.through\(upper\)/,
  },
  'changes a character by its place': {
    stage: map('capital', line => line.replace(/^a/, 'A').replace(/(?<=.)A/g, 'a'), { bytewise: true }),
    examples: [{ input: ['b'], output: ['b'] }],
    law: 'bytewise',
    message: /actual {4}Buffer.from\('/,
  },
  'fails for a line that a block may have': {
    stage: map(
      'shy',
      line => {
        if (line.includes('é')) throw new TypeError('no')
        return line
      },
      { bytewise: true },
    ),
    examples: [{ input: ['a'], output: ['a'] }],
    law: 'bytewise',
    message: /input {5}Buffer.from\('é\\n'\)\n {2}expected {2}Error: Stage 'shy' failed in transform: no/,
  },
  'never ends': {
    stage: fromStream('stuck', () => new PassThrough({ flush: () => {} })),
    examples: bytes,
    law: 'end',
    message: /every run ends\.\n\nNothing had happened for 50 ms \(option 'timeout'\)/,
    options: { timeout: 50 },
  },
}

async function broken({
  stage,
  examples,
  options,
}: Broken): Promise<AssertionError & { law?: string; plan?: string }> {
  try {
    await checkStage(stage as Stage<unknown, unknown>, examples as readonly Example<unknown, unknown>[], {
      random: RUNS_ALL ? 20 : 5,
      ...options,
    })
  } catch (error) {
    return error as AssertionError
  }
  throw new Error('It obeys every law.')
}

for (const [what, each] of Object.entries(BROKEN)) {
  t.test(`a stage that ${what} breaks the law '${each.law}'`, async t => {
    const error = await broken(each)
    t.ok(error instanceof AssertionError, error.stack as string)
    t.equal(error.law, each.law, error.message)
    if (each.plan !== undefined) t.equal(error.plan, each.plan)
    t.match(error.message, each.message)
    t.ok(
      error.message.startsWith(
        `Stage '${each.stage.name}' breaks the law '${each.law}' on plan '${error.plan}': `,
      ),
    )
  })
}

t.test(
  'a law is told only where the ones before it are obeyed, with what a test runner compares',
  async t => {
    const error = await broken(BROKEN['drops the last unfinished line'] as Broken)
    t.strictSame([error.expected, error.actual], [['ab', 'cd'], ['ab']])
    t.equal(error.code, 'ERR_ASSERTION')
    t.equal(error.operator, 'checkStage')
  },
)

/** Runs the test that a message shows, with the stage at hand, and gives what its assertion says. */
async function pasted(message: string, name: string, stage: unknown): Promise<unknown> {
  const code = message.slice(message.indexOf('  import assert')).replace(/^ *import .*\n/gm, '')
  const test = (_title: string, run: () => Promise<void>) => run()
  const names = { assert, test, runStage, lines, pipeline, toLines, [name]: stage }
  return new Function(...Object.keys(names), `return ${code.trim()}`)(...Object.values(names))
}

t.test('the test in a message fails as it says, and passes with a stage that is right', async t => {
  const decode = BROKEN['decodes each chunk for itself'] as Broken
  const { message } = await broken(decode)
  await t.rejects(pasted(message, 'decode', decode.stage), { code: 'ERR_ASSERTION' })
  await pasted(message, 'decode', lines())
  const last = BROKEN['keeps only the last line of a turn'] as Broken
  const { message: other } = await broken(last)
  await t.rejects(pasted(other, 'last', last.stage), { code: 'ERR_ASSERTION' })
  await pasted(
    other,
    'last',
    map('same', line => line),
  )
  const strict = BROKEN['differs behind an error'] as Broken
  const { message: third } = await broken(strict)
  await t.rejects(pasted(third, 'strict', strict.stage), { code: 'ERR_ASSERTION' })
  const upper = BROKEN['changes other characters than ASCII'] as Broken
  const { message: fourth } = await broken(upper)
  await t.rejects(pasted(fourth, 'upper', upper.stage), { code: 'ERR_ASSERTION' })
  await pasted(fourth, 'upper', uppercase())
})

t.test('the smallest cut has no chunk and no byte that could go', async t => {
  // Fails only where a chunk ends in 'b' and the next but one begins with 'd'.
  const picky = byteStage('picky', () => {
    let before: (number | undefined)[] = []
    return {
      transform: (chunk, controller) => {
        controller.enqueue(before.at(-2) === 0x62 && chunk[0] === 0x64 ? Buffer.from('!') : chunk)
        before = [...before, chunk.at(-1)]
      },
    }
  })
  const { message } = await broken({
    ...(BROKEN['decodes each chunk for itself'] as Broken),
    stage: picky,
    examples: [{ input: 'xxaabbccddxx', output: 'xxaabbccddxx' }],
  })
  t.match(
    message,
    "input     [Buffer.from('b'), Buffer.from('c'), Buffer.from('d')]",
    'nor one that is empty',
  )
})

t.test('what makes a stage is given in parameters, which stay as they are', async t => {
  const examples = [{ input: 'a\nbcd\ne\n', output: ['a'], error: 'ERR_BYWASH_FRAME_TOO_LONG' }]
  await checkStage(lines, examples, { parameters: [{ maxLength: 2 }] })
  const greedy = (options: { list: number[] }) => {
    options.list.push(1)
    return map('greedy', line => line)
  }
  await t.rejects(checkStage(greedy, abc, { parameters: [{ list: [] }] }), {
    law: 'unchanged',
    message:
      "Stage 'greedy' breaks the law 'unchanged': the options of the caller are not changed.\n\n" +
      'What the stage was made with was changed.\n\n  expected  [{ list: [] }]\n  actual    [{ list: [ 1 ] }]',
  })
})

t.test('a stage may be a pipeline, a stream, of any kind, and take its time from the clock', async t => {
  const reverse = map('reverse', line => [...line].reverse().join(''))
  const mirror = pipeline().through(lines()).through(reverse).through(toLines())
  await checkStage(mirror, [{ input: 'abc\r\né', output: 'cba\né\n' }])
  await checkStage(pipeline(), [{ input: Buffer.from('abc'), output: 'abc' }])
  await checkStage(
    fromStream('gunzip', () => createGunzip()),
    [
      { input: gzipSync('hello'), output: 'hello' },
      { input: 'no gzip', output: '', error: 'ERR_BYWASH_STAGE' },
    ],
  )
  const seen = tap('seen', () => {})
  await checkStage(seen as Stage<string, string>, abc)
  await checkStage(seen as unknown as Stage<Buffer, Buffer>, bytes)
  await checkStage(uppercase(), [{ input: ['abc', 'é'], output: ['ABC', 'é'] }])
  await checkStage(seen as Stage<Frame, Frame>, [{ input: [Buffer.from('a')], output: [Buffer.from('a')] }])
  await checkStage(seen as Stage<Date, Date>, [{ input: [new Date(0)], output: [new Date(0)] }])
  const slow = asyncMap('slow', (line: string, { clock }) => {
    return new Promise<string>(resolve => void clock.setTimeout(() => resolve(line), 250))
  })
  // The work that is under way at a reset has a timer, which the stage could clear only if it listened to the signal.
  await t.rejects(checkStage(slow, abc), { message: /law 'leaks'.*\n\nAfter a reset/ })
})

t.test('a stage that waits for the clock, and clears its timers, obeys', async t => {
  const delayed = asyncMap('delayed', (line: string, { clock, signal }) => {
    return new Promise<string>(resolve => {
      const stop = () => clock.clearTimeout(timer)
      const timer = clock.setTimeout(() => {
        signal.removeEventListener('abort', stop)
        resolve(line)
      }, 2500)
      signal.addEventListener('abort', stop, { once: true })
    })
  })
  await checkStage(delayed, abc)
  t.pass('every run came to its end')
})

t.test('the stage sees the endpoints that are given', async () => {
  const host = map('host', (line, { remoteAddress }) => `${remoteAddress} ${line}`)
  await checkStage(host, [{ input: ['a'], output: ['192.0.2.1 a'] }], {
    endpoints: { remoteAddress: '192.0.2.1' },
  })
})

t.test('a stage that gathers by design says so', async t => {
  const gather = lineStage('gather', () => {
    const lines: string[] = []
    return {
      transform: line => void lines.push(line),
      flush: controller => controller.enqueue(lines.join(',')),
    }
  })
  const examples = [{ input: ['a', 'b'], output: ['a,b'] }]
  await t.rejects(checkStage(gather, examples, { held: 1000 }), { message: /law 'stalled'/ })
  await checkStage(gather, examples, { held: Number.POSITIVE_INFINITY })
  await checkStage(gather, [{ input: [], output: [''] }])
})

t.test('a stage that drops all, and one that ends the connection, obey', async () => {
  const none = lineStage('none', () => ({ transform: () => {} }))
  await checkStage(none, [{ input: ['a', 'b'], output: [] }], { held: 1000 })
  const first = lineStage('first', () => ({
    transform: (line, controller) => {
      controller.enqueue(line)
      controller.terminate()
    },
  }))
  await checkStage(first, [{ input: ['a', 'b'], output: ['a'] }])
})

t.test('what a timer of the stage throws comes out as it is', async t => {
  const explosive = asyncMap('explosive', (_line: string, { clock }) => {
    return new Promise<string>(() => {
      clock.setTimeout(() => {
        throw new TypeError('boom')
      }, 100)
    })
  })
  await t.rejects(checkStage(explosive, abc), new TypeError('boom'))
})

t.test('invisible characters are escaped in a message, and quotes stay quotes', async t => {
  const strip = map('strip', line => line.slice(1))
  const { message } = await broken({
    ...(BROKEN['throws in close'] as Broken),
    stage: strip,
    examples: [{ input: ['\u202e\u009b"it\'s"\u{e0001}'], output: ['x'.repeat(400)] }],
  })
  t.match(message, `input     ['\\u202e\\u009b"it\\'s"\\udb40\\udc01']`)
  t.match(message, /expected {2}\['x+… \(404 characters\)/)
})

t.test('a stage whose name is no variable is called stage', async t => {
  const wrong = splitter('split, then join', { decode: chunk => chunk.toString() })
  const { message } = await broken({ ...(BROKEN['decodes each chunk for itself'] as Broken), stage: wrong })
  t.match(message, /where splitThenJoin is the stage/)
  const digits = splitter('1', { decode: chunk => chunk.toString() })
  const { message: other } = await broken({
    ...(BROKEN['decodes each chunk for itself'] as Broken),
    stage: digits,
  })
  t.match(other, /where stage is the stage/)
})

t.test('examples and options are checked at once', async t => {
  const refused = (run: Promise<unknown>, message: RegExp) =>
    t.rejects(run, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  const same = map('same', line => line)
  await refused(checkStage(same, []), /needs at least one example/)
  await refused(
    // @ts-expect-error a stage of lines takes a list
    checkStage(same, [{ input: 'a', output: [] }]),
    /the input of an example of 'same' is a list of items of the kind 'line'; got 'a'/,
  )
  await refused(
    checkStage(same, [{ input: ['a'], output: [1 as never] }]),
    /the output of an example .* got \[1\]/,
  )
  await refused(
    checkStage(lines(), [{ input: ['a'] as never, output: [] }]),
    /is text or a Buffer; got \['a'\]/,
  )
  await refused(
    checkStage(same, [{ input: [], output: [], errors: 'x' } as never]),
    /an example has no option 'errors'/,
  )
  for (const options of [{ seed: -1 }, { random: 0.5 }, { held: 0 }, { timeout: 0 }, { sed: 1 } as object]) {
    await refused(checkStage(same, abc, options), /checkStage\(\)/)
  }
})
