import t from 'tap'
import {
  type BywashError,
  Connection,
  type Controller,
  FrameTooLongError,
  InvalidFrameError,
  lines,
  map,
  type Outcome,
  pipeline,
  type Stage,
  stage,
  type Transformer,
  tap,
  toLines,
  welcome,
} from '../../lib/index.js'
import { connect, fakeClock, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { serveLines } from './serve-lines.js'

/** Makes a stage of lines with this transformer. */
function lineStage(name: string, open: () => Transformer<string, string>): Stage<string, string> {
  return stage<string, string>({ name, accepts: 'line', emits: 'line', open })
}

/** Makes a stage that notes each call of its transformer, and passes lines on. */
function noting(
  name: string,
  notes: string[],
  extra: Transformer<string, string> = {},
): Stage<string, string> {
  return lineStage(name, () => ({
    start: controller => {
      notes.push(`${name} start`)
      extra.start?.(controller)
    },
    transform: (line, controller) => {
      notes.push(`${name} transform ${line}`)
      if (extra.transform === undefined) controller.enqueue(line)
      else extra.transform(line, controller)
    },
    flush: controller => {
      notes.push(`${name} flush`)
      extra.flush?.(controller)
    },
    close: outcome => {
      notes.push(`${name} close ${outcome.reason}`)
      extra.close?.(outcome)
    },
  }))
}

function fail(): never {
  throw new Error('boom')
}

t.test('a lazy stage has no start, and fails its connection only when it is opened', async t => {
  for (const [open, message] of [
    [() => ({ start: () => {} }), "has a 'start', but is 'lazy'"],
    [fail, 'boom'],
  ] as const) {
    const lazy = stage<Buffer, Buffer>({ name: 'lazy', accepts: 'bytes', emits: 'bytes', lazy: true, open })
    const client = connect(pipeline().through(lazy).through(welcome('Hello!\n')))
    t.equal(String(await client.receive('\n')), 'Hello!\n')
    client.end('a')
    t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'lazy' }, bytesWritten: 7 })
    t.match((await client.outcome).error?.message, message)
    t.match(await idle(lazy), { reason: 'end', bytesRead: 0 })
  }
})

t.test(
  'a client that has said nothing is timed, counted and told as any other, before a lazy stage is open',
  async t => {
    const clock = fakeClock()
    const connection = new Connection(1, {}, clock)
    const greeting = 'Hello!\n'.repeat(10_000)
    const client = connect(pipeline().through(lines()).through(toLines()).through(welcome(greeting)), {
      connection,
      idleTimeout: 4_000,
      frameTimeout: 0,
    })
    t.equal((await client.receive(greeting.length)).length, greeting.length)
    for (let second = 0; second < 10; second++) {
      await new Promise(resolve => setImmediate(resolve))
      clock.advance(1_000)
    }
    client.end()
    t.match(await client.outcome, { reason: 'idle-timeout', bytesRead: 0 })
  },
)

/** The outcome of a client that says nothing. */
function idle(lazy: Stage<Buffer, Buffer>): Promise<Outcome> {
  const client = connect(pipeline().through(lazy))
  client.end()
  return client.outcome
}

for (const plan of PLANS) {
  const serve = (stages: readonly Stage<string, string>[], text: string) => serveLines(plan, stages, text)

  t.test(`${plan}: a life in order: start last to first, flush and close first to last`, async t => {
    const notes: string[] = []
    const { answer, outcome } = await serve([noting('a', notes), noting('b', notes)], 'x\ny')
    t.equal(answer, 'hi\nx\ny\n')
    t.equal(outcome.reason, 'end')
    t.strictSame(notes.slice(0, 2), ['b start', 'a start'])
    t.strictSame(notes.slice(-4), ['a flush', 'b flush', 'a close end', 'b close end'])
    t.strictSame(
      [...notes].sort().filter(note => note.includes('transform')),
      ['a transform x', 'a transform y', 'b transform x', 'b transform y'],
    )
  })

  t.test(`${plan}: what a start enqueues meets stages that have started`, async t => {
    const notes: string[] = []
    const first = noting('a', notes, { start: controller => controller.enqueue('from start') })
    const { answer } = await serve([first, noting('b', notes)], '')
    t.equal(answer, 'hi\nfrom start\n')
    t.strictSame(notes.slice(0, 3), ['b start', 'a start', 'b transform from start'])
  })

  t.test(`${plan}: without a transform items pass, and flush may add some`, async t => {
    const tail = lineStage('tail', () => ({ flush: controller => controller.enqueue('bye') }))
    t.equal((await serve([tail], 'x\n')).answer, 'hi\nx\nbye\n')
  })

  for (const step of ['start', 'transform', 'flush'] as const) {
    t.test(`${plan}: a throw in ${step} fails that connection, behind what was made before`, async t => {
      const notes: string[] = []
      const broken = noting('broken', notes, { [step]: fail })
      const { answer, outcome, errors } = await serve(
        [noting('a', notes), broken, noting('b', notes)],
        'x\ny\n',
      )
      t.equal(answer, step === 'flush' ? 'hi\nx\ny\n' : 'hi\n', 'and our own fault is not told to the client')
      t.equal(outcome.reason, 'stage-error')
      t.match(outcome.error, { code: 'ERR_BYWASH_STAGE', stage: 'broken', cause: { message: 'boom' } })
      t.equal(outcome.error?.message, `Stage 'broken' failed in ${step}: boom`)
      t.strictSame(errors, [outcome.error])
      t.strictSame(
        notes.filter(note => note.includes('close')),
        ['a close stage-error', 'broken close stage-error', 'b close stage-error'],
      )
      t.notOk(notes.includes('b flush'))
      t.equal(notes.filter(note => note === `broken ${step}${step === 'transform' ? ' x' : ''}`).length, 1)
    })
  }

  t.test(`${plan}: a throw in open fails the connection before anything has started`, async t => {
    const notes: string[] = []
    const opens = noting('opened', notes)
    const { answer, outcome } = await serve([lineStage('broken', fail), opens], 'x\n')
    t.equal(answer, '')
    t.match(outcome, { reason: 'stage-error', error: { message: "Stage 'broken' failed in open: boom" } })
    t.strictSame(notes, ['opened close stage-error'])
  })

  t.test(`${plan}: an open that returns nothing is named`, async t => {
    const { outcome } = await serve([lineStage('empty', () => undefined as never)], '')
    t.match(outcome.error?.message, /Stage 'empty' must return an object with functions such as 'transform'/)
  })

  t.test(`${plan}: a throw in close is reported, and every other transformer is closed`, async t => {
    const notes: string[] = []
    const stages = [noting('a', notes, { close: fail }), noting('b', notes, { close: fail })]
    const { answer, outcome, errors } = await serve(stages, 'x\n')
    t.equal(answer, 'hi\nx\n')
    t.match(outcome, { reason: 'stage-error', error: { message: "Stage 'a' failed in close: boom" } })
    t.equal(errors.length, 1)
    t.ok(notes.includes('b close end'))
  })

  t.test(`${plan}: the first cause is kept when close throws as well`, async t => {
    const { outcome, errors } = await serve([noting('a', [], { transform: fail, close: fail })], 'x\n')
    t.equal(outcome.error?.message, "Stage 'a' failed in transform: boom")
    t.equal(errors.length, 2)
  })

  t.test(`${plan}: what a stage throws need not be an Error`, async t => {
    const broken = noting('broken', [], {
      transform: () => {
        throw 'text'
      },
    })
    t.equal((await serve([broken], 'x\n')).outcome.error?.message, "Stage 'broken' failed in transform: text")
  })

  t.test(`${plan}: controller.error fails the connection, behind what the stage enqueued`, async t => {
    const broken = noting('broken', [], {
      transform: (line, controller) => {
        controller.enqueue(line)
        controller.error(new Error('enough'))
        controller.error(new Error('a second cause'))
        controller.enqueue('dropped')
      },
    })
    const { answer, outcome, errors } = await serve([broken], 'x\ny\n')
    t.equal(answer, 'hi\nx\n')
    t.equal(outcome.error?.message, "Stage 'broken' failed in its own judgement: enough")
    t.equal(errors.length, 1)
  })

  t.test(`${plan}: a FrameTooLongError of your own stage is the client's fault, and speaks`, async t => {
    const strict = map('strict', line => {
      if (line.length > 2) throw new FrameTooLongError('strict', 'frame', 2)
      return line
    })
    const { answer, outcome, errors } = await serve([strict], 'ab\nabc\nd\n')
    t.equal(answer, 'hi\nab\nerror: frame is longer than 2 bytes\n')
    t.equal(outcome.reason, 'frame-too-long')
    t.strictSame(errors, [])
  })

  t.test(
    `${plan}: terminate flushes the stages behind, tells none before, and ends in good order`,
    async t => {
      const notes: string[] = []
      const take = noting('take', notes, {
        transform: (line, controller) => {
          controller.enqueue(line)
          controller.terminate()
          controller.terminate()
        },
      })
      const behind = noting('behind', notes, { flush: controller => controller.enqueue('flushed') })
      const { answer, outcome } = await serve([noting('before', notes), take, behind], 'x\ny\nz\n')
      t.equal(answer, 'hi\nx\nflushed\n')
      t.equal(outcome.reason, 'terminated')
      t.strictSame(
        notes.filter(note => note.includes('flush')),
        ['behind flush'],
      )
      t.strictSame(
        notes.filter(note => note.includes('take transform')),
        ['take transform x'],
      )
    },
  )

  t.test(`${plan}: terminate in start serves nothing but what was made`, async t => {
    const closed = noting('closed', [], { start: controller => controller.terminate() })
    const { answer, outcome } = await serve([noting('before', [], { start: fail }), closed], 'x\n')
    t.equal(answer, 'hi\n')
    t.equal(outcome.reason, 'terminated')
  })

  t.test(`${plan}: a stage that fails while the client may still end is the outcome`, async t => {
    let fail = () => {}
    const ending = noting('ending', [], {
      transform: (line, controller) => {
        controller.enqueue(line)
        controller.terminate()
        fail = () => controller.error(new Error('late'))
      },
    })
    const client = connect(pipeline().through(lines()).through(ending).through(toLines()), { plan })
    client.send('x\n')
    t.equal(String(await client.receive()), 'x\n')
    fail()
    client.end()
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { stage: 'ending', cause: { message: 'late' } },
    })
  })

  t.test(`${plan}: terminate in flush ends as terminated`, async t => {
    const last = noting('last', [], {
      flush: controller => {
        controller.enqueue('bye')
        controller.terminate()
      },
    })
    const { answer, outcome } = await serve([last], 'x\n')
    t.equal(answer, 'hi\nx\nbye\n')
    t.equal(outcome.reason, 'terminated')
  })

  const wrong: [string, unknown, RegExp][] = [
    ['undefined', undefined, /emitted undefined, but its 'emits: line' stands for a string/],
    ['null', null, /emitted null/],
    ['a Buffer', Buffer.from('x'), /emitted an object \(Buffer\)/],
    ['an object without a prototype', Object.create(null), /emitted an object \(no prototype\)/],
    ['a number', 7, /emitted a number/],
  ]
  for (const [what, item, message] of wrong) {
    t.test(`${plan}: a stage that emits ${what} for a line is named`, async t => {
      const { outcome, answer } = await serve(
        [map('wrong', line => (line === 'x' ? (item as never) : line))],
        'a\nx\n',
      )
      t.equal(answer, 'hi\na\n')
      t.match(outcome, { reason: 'stage-error', error: { stage: 'wrong', message } })
    })
  }

  t.test(`${plan}: a promise that is enqueued is named`, async t => {
    const wrong = lineStage('wrong', () => ({
      transform: (line, controller) => controller.enqueue(Promise.resolve(line) as never),
    }))
    t.match((await serve([wrong], 'x\n')).outcome.error?.message, /emitted a promise \(wait for it first/)
  })

  t.test(`${plan}: a transform may return what is not a promise`, async t => {
    const chatty = lineStage('chatty', () => ({
      transform: (line, controller) => [controller.enqueue(line)] as never,
    }))
    t.equal((await serve([chatty], 'x\n')).answer, 'hi\nx\n')
  })

  t.test(`${plan}: an enqueue from outside a call goes out at once`, async t => {
    let later: Controller<string> | undefined
    const ticker = lineStage('ticker', () => ({
      start: controller => {
        later = controller
      },
      close: () => {},
    }))
    const client = connect(pipeline().through(lines()).through(ticker).through(toLines()), { plan })
    client.send('x\n')
    await client.receive('x\n')
    later?.enqueue('tick')
    t.equal((await client.receive('tick\n')).toString(), 'tick\n')
    later?.terminate()
    client.end()
    t.equal((await client.outcome).reason, 'terminated')
  })

  t.test(`${plan}: an error from outside a call fails the connection`, async t => {
    let later: Controller<string> | undefined
    const ticker = lineStage('ticker', () => ({
      transform: (line, controller) => {
        later = controller
        controller.enqueue(line)
      },
    }))
    const client = connect(pipeline().through(lines()).through(ticker).through(toLines()), { plan })
    client.send('x\n')
    await client.receive('x\n')
    later?.error(new Error('tick'))
    client.end()
    t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'ticker' } })
  })

  t.test(
    `${plan}: an enqueue from outside after the end is dropped, and an error then is reported once`,
    async t => {
      const errors: string[] = []
      let late: Controller<string> | undefined
      const ticker = lineStage('ticker', () => ({
        transform: (line, controller) => {
          late = controller
          controller.enqueue(line)
        },
      }))
      const whole = pipeline().through(lines()).through(ticker).through(toLines())
      const client = connect(whole, { plan, onError: ({ message }) => errors.push(message) })
      client.end('x\n')
      t.equal((await client.receive()).toString(), 'x\n')
      t.match(await client.outcome, { reason: 'end', bytesWritten: 2 })
      late?.enqueue('late')
      late?.terminate()
      t.strictSame(errors, [])
      late?.error(new Error('too late'))
      late?.error(new Error('again'))
      t.strictSame(errors, ["Stage 'ticker' failed in its own judgement: too late"])
    },
  )

  t.test(`${plan}: an enqueue after terminate is an error of the stage`, async t => {
    const broken = noting('broken', [], {
      transform: (line, controller) => {
        controller.terminate()
        controller.enqueue(line)
      },
    })
    const { outcome } = await serve([broken], 'x\n')
    t.match(outcome, { reason: 'stage-error', error: { message: "Stage 'broken' enqueued after its end." } })
  })

  t.test(`${plan}: an enqueue soon after terminate, from outside a call, is dropped`, async t => {
    const hasty = stage<string, string>({
      name: 'hasty',
      accepts: 'line',
      emits: 'line',
      open: () => ({
        transform: (line, controller) => {
          controller.terminate()
          process.nextTick(() => controller.enqueue(line))
        },
      }),
    })
    const { answer, outcome, errors } = await serveLines(plan, [hasty], 'a\n')
    t.equal(answer, 'hi\n')
    t.match(outcome, { reason: 'terminated' })
    t.strictSame(errors, [])
  })

  t.test(`${plan}: tap looks at items of any kind with their connection`, async t => {
    const seen: unknown[] = []
    const look = tap('look', (item: string, { id }) => seen.push([id, item]))
    t.strictSame(await runStage(look, ['a', 'b'], { plan }), ['a', 'b'])
    t.strictSame(seen, [
      [1, 'a'],
      [1, 'b'],
    ])
  })

  t.test(`${plan}: two connections of one stage share nothing`, async t => {
    const numbered = stage<string, string>({
      name: 'numbered',
      accepts: 'line',
      emits: 'line',
      open: () => {
        let n = 0
        return { transform: (line, controller) => controller.enqueue(`${++n}: ${line}`) }
      },
    })
    const both = [runStage(numbered, ['a', 'b'], { plan }), runStage(numbered, ['c'], { plan })]
    t.strictSame(await Promise.all(both), [['1: a', '2: b'], ['1: c']])
  })

  t.test(`${plan}: a failure keeps what later stages have gathered`, async t => {
    const outcomes: Outcome['reason'][] = []
    const gather = lineStage('gather', () => {
      const held: string[] = []
      return {
        transform: line => void held.push(line),
        readComplete: controller => {
          for (const line of held.splice(0)) controller.enqueue(line)
        },
        close: ({ reason }) => outcomes.push(reason),
      }
    })
    const third = map('third', line => (line === 'c' ? fail() : line))
    const { answer } = await serve([third, gather], 'a\nb\nc\nd\n')
    t.equal(answer, 'hi\na\nb\n')
    t.strictSame(outcomes, ['stage-error'])
  })
}

t.test('a definition that is incomplete is refused at once', async t => {
  const invalid = (make: () => unknown, message: RegExp) =>
    t.throws(make, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  const open = () => ({})
  invalid(
    () => stage<string, string>({ name: '', accepts: 'line', emits: 'line', open }),
    /needs a 'name' that is text/,
  )
  invalid(
    () => stage<string, string>({ name: 'x', accepts: 'text' as never, emits: 'line', open }),
    /'accepts: text'. Use bytes, line/,
  )
  invalid(
    () => stage<string, string>({ name: 'x', accepts: 'line', emits: 'text' as never, open }),
    /'emits: text'/,
  )
  invalid(
    () => stage<string, string>({ name: 'x', accepts: 'line', emits: 'line', open: null as never }),
    /'open' function; got null/,
  )
  invalid(() => map('x', 7 as never), /a function that maps an item; got number/)
  invalid(() => map('x', line => line, { bytewise: 7 as never }), /'bytewise' is true or false; got 7/)
  invalid(() => map('x', line => line, { bytwise: 7 } as object), /no option 'bytwise'/)
  invalid(() => tap('x', undefined as never), /a function that looks at an item/)
  invalid(() => pipeline().through({} as never), /through\(\) takes a stage/)
  invalid(() => pipeline().through(lines as never), /Call the function that makes it/)
  invalid(() => pipeline('text' as never), /'accepts' is one of/)
  invalid(
    () => pipeline().explain({ plan: 'x' as never }),
    /explain\(\): 'plan' is one of "fused", "streams"; got "x"/,
  )
  invalid(() => pipeline().explain({ mode: 'x' } as object), /explain\(\) has no option 'mode'/)
})

t.test('bytes and frames are Buffers', async t => {
  for (const plan of PLANS) {
    const text = map('text', (_chunk: Buffer) => 'x' as never as Buffer, { accepts: 'bytes', emits: 'bytes' })
    await t.rejects(runStage(text, [Buffer.from('a')], { plan }), {
      message: "Stage 'text' emitted a string, but its 'emits: bytes' stands for a Buffer.",
    })
  }
})

t.test('a value is anything but nothing', async t => {
  for (const plan of PLANS) {
    for (const item of [undefined, null]) {
      const wrong = map('wrong', (_line: string) => item as unknown, { accepts: 'line', emits: 'value' })
      await t.rejects(runStage(wrong, ['a'], { plan }), {
        code: 'ERR_BYWASH_STAGE',
        message: /its 'emits: value' stands for a value that is not null or undefined/,
      })
    }
    const right = map('right', (line: string) => line.length, { accepts: 'line', emits: 'value' })
    t.strictSame(await runStage(right, ['a', ''], { plan }), [1, 0])
  }
})

t.test('a stage reports a fault of the peer to onError, and goes on', async t => {
  const lenient = stage<string, string>({
    name: 'lenient',
    accepts: 'line',
    emits: 'line',
    open: () => ({
      transform: (line, controller) => {
        if (line === 'bad') controller.report(new InvalidFrameError('lenient', 'it is bad'))
        else controller.enqueue(line)
      },
    }),
  })
  for (const plan of PLANS) {
    const errors: string[] = []
    const onError = ({ message }: BywashError) => errors.push(message)
    const client = connect(pipeline().through(lines()).through(lenient).through(toLines()), { plan, onError })
    client.end('a\nbad\nb\n')
    t.equal((await client.receive()).toString(), 'a\nb\n')
    t.equal((await client.outcome).reason, 'end')
    t.strictSame(await runStage(lenient, ['a', 'bad', 'b'], { plan, onError }), ['a', 'b'])
    const message = "Stage 'lenient' received an invalid frame: it is bad."
    t.strictSame(errors, [message, message])
  }
})

t.test("a stage throws a fault of the peer, which is the outcome and the peer's farewell", async t => {
  const strict = map('strict', line => {
    if (line === 'bad') throw new InvalidFrameError('strict', 'it is bad')
    return line
  })
  for (const plan of PLANS) {
    const client = connect(pipeline().through(lines()).through(strict).through(toLines()), { plan })
    client.end('a\nbad\nb\n')
    t.equal((await client.receive()).toString(), 'a\nerror: invalid frame: it is bad\n')
    t.match(await client.outcome, {
      reason: 'invalid-frame',
      error: { code: 'ERR_BYWASH_INVALID_FRAME', stage: 'strict' },
    })
  }
})
