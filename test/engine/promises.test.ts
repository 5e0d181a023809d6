import { deepEqual } from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  asyncMap,
  Connection,
  type Controller,
  FrameTooLongError,
  fromStream,
  InvalidFrameError,
  lines,
  map,
  type Outcome,
  type Pipeline,
  pipeline,
  type Stage,
  stage,
  type Transformer,
  take,
  tap,
  toLines,
} from '../../lib/index.js'
import { jsonLines, lengthPrefixed, toJsonLines } from '../../lib/stages/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { runs } from '../runs.js'
import { serveLines } from './serve-lines.js'

const LINES = { accepts: 'line', emits: 'line' } as const

function lineStage(
  name: string,
  open: (connection: Connection) => Transformer<string, string>,
): Stage<string, string> {
  return stage<string, string>({ name, ...LINES, open })
}

/** Waits for some turns of the event loop, as many as the index says. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

const boom = new Error('boom')
const fail = async () => {
  throw boom
}
const passing = map('passing', (line: string) => line)
const doubled = map('doubled', async (line: string) => line + line)

for (const plan of PLANS) {
  const serve = (stages: readonly Stage<string, string>[], text: string) => serveLines(plan, stages, text)

  for (const step of ['start', 'transform', 'flush'] as const) {
    t.test(`${plan}: a promise from ${step} is waited for, and its rejection is as a throw`, async t => {
      const notes: string[] = []
      const waiting = (settle: () => Promise<void>) =>
        lineStage('waiting', () => ({
          [step]: async (first: string | Controller<string>, second: Controller<string>) => {
            notes.push(`${step} begins`)
            await turns(3)
            await settle()
            notes.push(`${step} ends`)
            if (typeof first === 'string') second.enqueue(first)
            else first.enqueue(step)
          },
          close: ({ reason }: Outcome) => void notes.push(`close ${reason}`),
        }))
      const good = await serve([waiting(async () => {}), passing], 'x\ny\n')
      const expected = { start: 'hi\nstart\nx\ny\n', transform: 'hi\nx\ny\n', flush: 'hi\nx\ny\nflush\n' }
      t.equal(good.answer, expected[step])
      t.equal(good.outcome.reason, 'end')
      const bad = await serve([waiting(fail), passing], 'x\ny\n')
      t.equal(bad.answer, step === 'flush' ? 'hi\nx\ny\n' : 'hi\n')
      t.match(bad.outcome, {
        reason: 'stage-error',
        error: { stage: 'waiting', message: `Stage 'waiting' failed in ${step}: boom`, cause: boom },
      })
      t.strictSame(bad.errors, [bad.outcome.error])
      const once = [`${step} begins`, `${step} ends`]
      t.strictSame(notes, [
        ...once,
        ...(step === 'transform' ? once : []),
        'close end',
        `${step} begins`,
        'close stage-error',
      ])
    })
  }

  t.test(`${plan}: the items behind a promise wait, in order, through several stages that wait`, async t => {
    // Each waits for a while of its own with each line.
    const late = (name: string, divisor: number) =>
      map(name, async (line: string) => {
        await turns(line.length % divisor)
        return `${line}.`
      })
    const text = Array.from({ length: 50 }, (_, index) => 'x'.repeat(1 + (index % 7))).join('\n')
    const { answer, outcome } = await serve([late('a', 3), late('b', 2), passing, late('c', 4)], text)
    t.equal(answer, `hi\n${text.replaceAll('\n', '...\n')}...\n`)
    t.equal(outcome.reason, 'end')
  })

  t.test(`${plan}: map and tap wait for promises, of lines and of values`, async t => {
    const seen: string[] = []
    const look = tap('look', async (line: string) => {
      await turns(1)
      seen.push(line)
    })
    t.equal((await serve([look, doubled, passing], 'a\nb\n')).answer, 'hi\naa\nbb\n')
    t.strictSame(seen, ['a', 'b'])
    const length = map('length', async (line: string) => line.length, { accepts: 'line', emits: 'value' })
    t.strictSame(await runStage(length, ['a', 'bc'], { plan }), [1, 2])
    t.strictSame(await runStage(look, ['c'], { plan }), ['c'])
  })

  t.test(
    `${plan}: an async map between a decoder and an encoder counts, fails and ends as any other`,
    async t => {
      const some = map('some', async (line: string) => {
        if (line === 'bad') throw boom
        if (line === 'wrong') return 7 as never
        if (line === 'long') throw new FrameTooLongError('some', 'frame', 3)
        return line
      })
      const throws = map('throws', (line: string) => {
        if (line === 'thrown') throw boom
        return line
      })
      const wrong = map('wrong', (line: string) => (line === 'sevenseven' ? (7 as never) : line))
      for (const [line, error, farewell = ''] of [
        ['bad', "Stage 'some' failed in transform: boom"],
        ['wrong', "Stage 'some' emitted a number, but its 'emits: line' stands for a string."],
        ['thrown', "Stage 'throws' failed in transform: boom"],
        ['seven', "Stage 'wrong' emitted a number, but its 'emits: line' stands for a string."],
        ['long', /longer than 3/, 'error: frame is longer than 3 bytes\n'],
      ] as const) {
        const { answer, outcome } = await serve([passing, some, throws, doubled, wrong], `a\nb\n${line}\nc\n`)
        t.equal(answer, `hi\naa\nbb\n${farewell}`)
        t.match(outcome.error?.message, error)
      }
      const client = connect(pipeline().through(lines()).through(some).through(doubled).through(toLines()), {
        plan,
      })
      client.end('a\nbc')
      t.equal((await client.receive()).toString(), 'aa\nbcbc\n')
      t.match(await client.outcome, { reason: 'end', bytesWritten: 8 })
    },
  )

  t.test(`${plan}: what is gathered in front of a report that waits goes on before it`, async t => {
    const heard = async (served: Pipeline<Buffer, Buffer>, text: string) => {
      const codes: unknown[] = []
      const client = connect(served, { plan, onError: ({ code }) => void codes.push(code) })
      client.end(text)
      const { reason } = await client.outcome
      return [...codes, reason]
    }
    const value = { accepts: 'value', emits: 'value' } as const
    const served = pipeline()
      .through(lines())
      .through(jsonLines({ invalid: 'report' }))
      .through(map<unknown, unknown>('late', async item => item, value))
      .through(toJsonLines())
      .through(toLines())
      .through(lengthPrefixed())
      .through(toLines({ encoding: 'buffer' }))
    t.strictSame(
      await heard(served, '{"":""}\n\n'),
      ['frame-too-long'],
      'what it begins with is a length over the limit, so nobody hears of the line behind it',
    )

    /** Keeps a line until the read is complete, and waits then. */
    const gathering = lineStage('gathering', () => {
      let gathered: string[] = []
      return {
        transform: async line => void gathered.push(line),
        readComplete: async controller => {
          await turns(1)
          for (const line of gathered) controller.enqueue(line)
          gathered = []
        },
      }
    })
    const reporting = lineStage('reporting', () => ({
      transform: (line, controller) =>
        line === ''
          ? controller.report(new InvalidFrameError('reporting', 'empty'))
          : controller.enqueue(line),
    }))
    const picky = map('picky', (line: string) => {
      if (line === 'bad') throw boom
      return line
    })
    const judged = pipeline()
      .through(lines())
      .through(reporting)
      .through(gathering)
      .through(picky)
      .through(toLines())
    t.strictSame(await heard(judged, 'bad\n\n'), ['ERR_BYWASH_STAGE', 'stage-error'])
    t.strictSame(await heard(judged, 'good\n\nbad\n'), [
      'ERR_BYWASH_INVALID_FRAME',
      'ERR_BYWASH_STAGE',
      'stage-error',
    ])
  })

  t.test(`${plan}: terminate behind a promise ends in good order`, async t => {
    const first = lineStage('first', () => ({
      transform: async (line, controller) => {
        await turns(2)
        controller.enqueue(line)
        controller.terminate()
      },
    }))
    const { answer, outcome } = await serve([passing, first, doubled], 'a\nb\n')
    t.equal(answer, 'hi\naa\n')
    t.equal(outcome.reason, 'terminated')
  })

  t.test(
    `${plan}: a stage in front of one that waits may fail or terminate; what was made before arrives`,
    async t => {
      const ends = (how: 'error' | 'terminate') =>
        lineStage('ends', () => ({
          transform: (line, controller) => {
            if (line === 'end') controller[how](boom)
            else controller.enqueue(line)
          },
        }))
      const slow = map('slow', async (line: string) => {
        await turns(3)
        return line
      })
      const failed = await serve([ends('error'), slow], 'a\nb\nend\nc\n')
      t.equal(failed.answer, 'hi\na\nb\n')
      t.match(failed.outcome, { reason: 'stage-error', error: { stage: 'ends' } })
      const terminated = await serve(
        [ends('terminate'), slow, asyncMap('slower', async line => line)],
        'a\nb\nend\nc\n',
      )
      t.equal(terminated.answer, 'hi\na\nb\n')
      t.equal(terminated.outcome.reason, 'terminated')
      // Of two failures the first in the order of the lines is the cause.
      const both = await serve(
        [ends('error'), map('bad', async (line: string) => (line === 'b' ? fail() : line))],
        'a\nb\nend\n',
      )
      t.equal(both.answer, 'hi\na\n')
      t.match(both.outcome, { reason: 'stage-error', error: { stage: 'bad' } })
    },
  )

  t.test(
    `${plan}: lines that come while an async map waits are taken behind it, and it is named if it hangs`,
    async t => {
      const late = map('late', async (line: string) => {
        await turns(line.length)
        return line
      })
      const whole = pipeline().through(lines()).through(passing).through(late).through(toLines())
      const client = connect(whole, { plan })
      for (const chunk of ['ab', 'c\nd\ne', 'f\n', 'g\nh\ni']) client.send(chunk)
      client.end()
      t.equal((await client.receive()).toString(), 'abc\nd\nef\ng\nh\ni\n')

      const hanging = map('hanging', (_line: string) => new Promise<string>(() => {}))
      const clock = fakeClock()
      const stuck = connect(
        pipeline().through(lines()).through(passing).through(hanging).through(toLines()),
        {
          plan,
          connection: new Connection(1, {}, clock),
          idleTimeout: 1_000,
        },
      )
      stuck.send('a\n')
      await turns(5)
      for (let second = 0; second < 3; second++) {
        clock.advance(1_000)
        await turns(2)
      }
      stuck.end()
      t.match(await stuck.outcome, { reason: 'stage-error', error: { stage: 'hanging' } })
    },
  )

  t.test(`${plan}: a client that goes away is waited for by nobody`, async t => {
    for (const settle of ['resolve', 'reject'] as const) {
      let began = () => {}
      const begun = new Promise<void>(resolve => {
        began = resolve
      })
      let end = () => {}
      const errors: string[] = []
      const asked: string[] = []
      const promise = new Promise<string>((resolve, reject) => {
        end = () => (settle === 'resolve' ? resolve('late') : reject(boom))
      })
      const slow = map('slow', (line: string) => {
        asked.push(line)
        began()
        return promise
      })
      const client = connect(pipeline().through(lines()).through(slow).through(toLines()), {
        plan,
        onError: ({ message }) => errors.push(message),
      })
      client.send('a\nb\n')
      await begun
      client.reset()
      t.equal((await client.outcome).reason, 'client-reset')
      end()
      await turns(3)
      t.strictSame([errors, asked], [[], ['a']])
    }
  })
}

/** A stage of lines for a property, with what it makes of a list of lines. */
interface Model {
  readonly make: () => Stage<string, string>
  readonly lines: (lines: readonly string[]) => readonly string[]
}

const marked = (line: string) => `${line}'`
const MODELS: Record<string, Model> = {
  map: { make: () => map('sync', marked), lines: all => all.map(marked) },
  'async map': {
    make: () =>
      map('waits', async (line: string) => {
        await turns(line.length % 3)
        return marked(line)
      }),
    lines: all => all.map(marked),
  },
  asyncMap: {
    make: () =>
      asyncMap(
        'several',
        async line => {
          await turns((7 * line.length) % 5)
          return marked(line)
        },
        { concurrency: 3 },
      ),
    lines: all => all.map(marked),
  },
  'at once': { make: () => asyncMap('at once', async line => marked(line)), lines: all => all.map(marked) },
  tap: { make: () => tap('look', async () => turns(1)), lines: all => all },
  stream: {
    make: () => fromStream<string, string>('stream', () => new PassThrough({ objectMode: true }), LINES),
    lines: all => all,
  },
  framed: {
    make: () =>
      lineStage('framed', () => ({
        start: async controller => {
          await turns(1)
          controller.enqueue('first')
        },
        flush: async controller => {
          await turns(2)
          controller.enqueue('last')
        },
      })),
    lines: all => ['first', ...all, 'last'],
  },
  take: { make: () => take(9), lines: all => all.slice(0, 9) },
  gathering: {
    make: () =>
      lineStage('gathering', () => {
        let held: string[] = []
        return {
          transform: line => void held.push(line),
          readComplete: async controller => {
            const all = held
            held = []
            await turns(1)
            for (const line of all) controller.enqueue(line)
          },
        }
      }),
    lines: all => all,
  },
}

t.test('lists of stages that wait give the same lines, however the input is cut, on both plans', async () => {
  const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'é', ' '), maxLength: 5 }), {
    maxLength: 10,
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...Object.keys(MODELS)), { maxLength: 5 }),
      text,
      fc.integer({ min: 1, max: 700 }),
      fc.integer({ min: 1, max: 200 }),
      async (names, once, size, times) => {
        const all = Array.from({ length: times }, () => once).flat()
        const models = names.map(name => MODELS[name] as Model)
        let expected: readonly string[] = all
        let reason = 'end'
        for (const [index, model] of models.entries()) {
          if (names[index] === 'take' && expected.length >= 9) reason = 'terminated'
          expected = model.lines(expected)
        }
        const input = Buffer.from(all.map(line => `${line}\n`).join(''))
        const served = models.reduce((made, { make }) => made.through(make()), pipeline().through(lines()))
        for (const plan of PLANS) {
          const client = connect(served.through(toLines()), { plan })
          for (let at = 0; at < input.length; at += size) client.send(input.subarray(at, at + size))
          client.end()
          const answer = (await client.receive()).toString()
          const outcome = await client.outcome
          const answered = [answer, outcome.reason, outcome.error]
          deepEqual(answered, [expected.map(line => `${line}\n`).join(''), reason, undefined], plan)
        }
      },
    ),
    { numRuns: runs(60) },
  )
})

t.test(
  'a stage that waits holds back the peer, and a decoder makes no more than a piece of its lines',
  async t => {
    for (const plan of PLANS) {
      let made = 0
      let open = () => {}
      const opened = new Promise<void>(resolve => {
        open = resolve
      })
      const counted = map('counted', (line: string) => {
        made++
        return line
      })
      for (const kind of ['async map', 'asyncMap'] as const) {
        made = 0
        let asked = 0
        const wait = async (line: string) => {
          asked++
          await opened
          return line
        }
        const waiting = kind === 'asyncMap' ? asyncMap('wait', wait, { concurrency: 2 }) : map('wait', wait)
        const served = pipeline().through(lines()).through(counted).through(waiting)
        // A list is known to wait from the first promise on.
        for (const count of [1, 65_536]) {
          const client = connect(served.through(toLines()), { plan })
          client.send('\n'.repeat(count))
          await client.stalled().catch(() => {})
          await turns(3)
          client.reset()
          await client.outcome
        }
        t.ok(made <= 600, `${plan}, ${kind}: ${made} lines`)
        t.ok(asked <= 4, `${asked} calls`)
      }
      open()
    }
  },
)
