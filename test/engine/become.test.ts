import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import {
  Connection,
  type Controller,
  decode,
  type Frame,
  fromStream,
  lengthPrefixed,
  lines,
  map,
  type Outcome,
  type Pipeline,
  pipeline,
  type Stage,
  stage,
  tap,
  toDelimited,
  toLengthPrefixed,
  toLines,
  toStream,
} from '../../lib/index.js'
import { internalStage } from '../../lib/stage.js'
import { checkStage, chunkings, connect, runStage } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'
import { runs } from '../runs.js'

type List = Pipeline<Buffer, Buffer>

/** Passes items of a kind, and becomes the next list with the item `go`; `wait` is waited for before. */
function becoming<Item extends string | Buffer>(
  accepts: 'line' | 'frame' | 'bytes',
  next: () => Stage<Buffer, Buffer>,
  wait?: () => Promise<unknown>,
): Stage<Item, Item> {
  return stage<Item, Item>({
    name: 'becoming',
    accepts: accepts as never,
    emits: accepts as never,
    upgrades: true,
    open: () => ({
      transform(item, controller) {
        if (String(item) !== 'go') {
          controller.enqueue(item)
          return undefined
        }
        if (wait === undefined) {
          controller.become(next())
          return undefined
        }
        return wait().then(() => controller.become(next()))
      },
    }),
  })
}

/** A list that shows what it gets: each chunk of bytes, with its own sign around all of it. */
const sink = (sign: string): List =>
  pipeline().through(
    stage<Buffer, Buffer>({
      name: `sink ${sign}`,
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({
        start: controller => controller.enqueue(Buffer.from(`${sign}[`)),
        transform: (chunk, controller) => controller.enqueue(chunk),
        flush: controller => controller.enqueue(Buffer.from(']')),
      }),
    }),
  )

const soon = () => new Promise(resolve => setImmediate(resolve))
const brief = ({ reason, error }: Outcome) => [reason, error?.message]

/** A decoder that nobody here has declared anything of: frames in brackets, and what stands between them is dropped. */
const brackets = decode('brackets', 'frame', function* (read) {
  yield* read.until('<')
  return yield* read.until('>')
})

/** The lists that become another one, each with its frames as bytes. */
const FRONTS: [
  name: string,
  list: (next: () => List, wait?: () => Promise<unknown>) => List,
  frame: (text: string) => string,
  plain: (text: string) => string,
][] = [
  [
    'lines',
    (next, wait) =>
      pipeline()
        .through(lines())
        .through(becoming<string>('line', next, wait))
        .through(toLines()),
    text => `${text}\r\n`,
    text => `${text}\n`,
  ],
  [
    'lengthPrefixed',
    (next, wait) =>
      pipeline()
        .through(lengthPrefixed({ width: 2 }))
        .through(becoming<Frame>('frame', next, wait))
        .through(toDelimited('\n')),
    text => `\0${String.fromCharCode(text.length)}${text}`,
    text => `${text}\n`,
  ],
  [
    'decode',
    (next, wait) =>
      pipeline()
        .through(brackets)
        .through(becoming<Frame>('frame', next, wait))
        .through(toDelimited('\n')),
    text => `-<${text}>`,
    text => `${text}\n`,
  ],
]

const word = fc.stringMatching(/^[a-f]{0,6}$/)

async function send(
  client: ReturnType<typeof connect>,
  input: Buffer,
  cuts: readonly number[],
): Promise<void> {
  let from = 0
  for (const cut of [...cuts].sort((one, other) => one - other)) {
    const to = Math.min(cut, input.length)
    if (to > from) {
      client.send(input.subarray(from, to))
      await soon()
    }
    from = Math.max(from, to)
  }
  client.end(input.subarray(from))
}

for (const plan of PLANS) {
  for (const [name, front, frame, plain] of FRONTS) {
    for (const wait of [undefined, soon]) {
      t.test(
        `${plan}: behind ${name} the new list gets what came behind the frame${wait ? ', later' : ''}`,
        t =>
          fc.assert(
            fc.asyncProperty(
              fc.array(word, { maxLength: 4 }),
              fc.uint8Array({ maxLength: 12 }),
              fc.array(fc.nat(50), { maxLength: 5 }),
              async (words, rest, cuts) => {
                const client = connect(
                  front(() => sink('x'), wait),
                  { plan },
                )
                const input = [...words, 'go'].map(frame).join('')
                await send(client, Buffer.concat([Buffer.from(input), rest]), cuts)
                const expected = `${words.map(plain).join('')}x[${Buffer.from(rest).toString('latin1')}]`
                t.equal((await client.receive()).toString('latin1'), expected)
                const { reason, bytesRead, bytesWritten } = await client.outcome
                t.strictSame(
                  [reason, bytesRead, bytesWritten],
                  ['end', input.length + rest.length, expected.length],
                )
              },
            ),
            { numRuns: runs(60) },
          ),
      )
    }
  }

  t.test(`${plan}: lists of other decoders may follow each other, and a list itself`, async t => {
    const frames = () =>
      pipeline()
        .through(lengthPrefixed({ width: 1 }))
        .through(becoming<Frame>('frame', words))
        .through(toLengthPrefixed({ width: 1 }))
    const words = (): List =>
      pipeline().through(lines()).through(becoming<string>('line', frames)).through(toLines())
    const input = Buffer.from('a\ngo\n\x02bc\x02god\ngo\n\x01e', 'latin1')
    for (const chunks of chunkings(input)) {
      const client = connect(words(), { plan })
      for (const chunk of chunks) client.send(chunk)
      client.end()
      t.equal(String(await client.receive()), 'a\n\x02bcd\n\x01e')
      client.end()
      t.strictSame(brief(await client.outcome), ['end', undefined])
    }
    const own: List = pipeline()
      .through(lines())
      .through(becoming<string>('line', () => own))
      .through(toLines())
    const client = connect(own, { plan })
    client.end(`${'go\n'.repeat(20_000)}end\n`)
    t.equal(String(await client.receive()), 'end\n', 'however often in one chunk')
  })

  t.test(
    `${plan}: the old list is closed with the reason become, and the new one has its connection`,
    async t => {
      const notes: unknown[] = []
      const noting = (name: string, next?: () => Stage<Buffer, Buffer>) =>
        stage<string, string>({
          name,
          accepts: 'line',
          emits: 'line',
          upgrades: true,
          open: ({ id }) => {
            notes.push(`${name} opens for ${id}`)
            return {
              start: () => void notes.push(`${name} starts`),
              transform: (line, controller) => {
                controller.enqueue(`${name} ${line}`)
                if (line === 'go' && next !== undefined) controller.become(next())
              },
              flush: () => void notes.push(`${name} is flushed`),
              close: ({ reason, bytesRead, bytesWritten }) =>
                void notes.push([name, reason, bytesRead, bytesWritten]),
            }
          },
        })
      const second = pipeline().through(lines()).through(noting('b')).through(toLines())
      const behind = stage<string, string>({
        name: 'behind',
        accepts: 'line',
        emits: 'line',
        open: () => ({
          flush: async controller => {
            await soon()
            controller.enqueue('later')
          },
          close: ({ reason }) => void notes.push(['behind', reason]),
        }),
      })
      const connection = new Connection(7)
      const client = connect(
        pipeline()
          .through(lines())
          .through(noting('a', () => second))
          .through(behind)
          .through(toLines()),
        { plan, connection },
      )
      client.send('1\ngo\n2\n')
      t.equal(String(await client.receive('b 2\n')), 'a 1\na go\nlater\nb 2\n', 'the flush is waited for')
      t.notOk(connection.signal.aborted)
      t.strictSame(
        connection.counts.map(each => each.name),
        ['lines', 'b', 'toLines'],
        'counts are those of the list at work',
      )
      client.end('3')
      t.equal(String(await client.receive()), 'b 3\n')
      const { reason, bytesRead, bytesWritten } = await client.outcome
      t.strictSame([reason, bytesRead, bytesWritten], ['end', 8, 23])
      t.strictSame(notes, [
        'a opens for 7',
        'a starts',
        ['a', 'become', 5, 15],
        ['behind', 'become'],
        'b opens for 7',
        'b starts',
        'b is flushed',
        ['b', 'end', 8, 23],
      ])
    },
  )

  t.test(`${plan}: a FIN that comes meanwhile is the new list's`, async t => {
    const { promise, resolve } = deferred()
    const client = connect(
      pipeline()
        .through(lines())
        .through(
          becoming<string>(
            'line',
            () => sink('x'),
            () => promise,
          ),
        )
        .through(toLines()),
      { plan },
    )
    client.end('a\ngo\nrest')
    t.equal(String(await client.receive('a\n')), 'a\n')
    await soon()
    resolve()
    t.equal(String(await client.receive()), 'x[rest]')
    client.end()
    t.strictSame(brief(await client.outcome), ['end', undefined])
  })

  t.test(`${plan}: what a list gives that follows the end of the output is dropped`, async t => {
    const notes: string[] = []
    const half = stage<string, string>({
      name: 'half',
      accepts: 'line',
      emits: 'line',
      upgrades: true,
      open: () => ({
        transform: (line, controller) => {
          if (line === 'half') controller.endOutput()
          else if (line === 'both') {
            controller.endOutput()
            controller.become(next)
          } else if (line === 'go') controller.become(next)
          else controller.enqueue(line)
        },
      }),
    })
    const next = pipeline()
      .through(lines())
      .through(
        map('noting', line => {
          notes.push(line)
          return line
        }),
      )
      .through(toLines())
    for (const input of ['a\nhalf\ngo\n', 'a\nboth\n']) {
      const client = connect(pipeline().through(lines()).through(half).through(toLines()), { plan })
      client.send(input)
      t.equal(String(await client.receive()), 'a\n')
      client.end('b\nc')
      client.end()
      t.strictSame(brief(await client.outcome), ['end', undefined])
      t.strictSame(notes.splice(0), ['b', 'c'])
    }
  })

  t.test(`${plan}: a list that is no list, or of other kinds, fails the stage`, async t => {
    for (const [next, message] of [
      [pipeline().through(lines()), /takes a list from bytes to bytes, .* goes from bytes to lines/],
      [map('upper', line => line.toUpperCase()), /goes from lines to lines/],
      [{}, /takes a pipeline or a stage/],
    ] as const) {
      const client = connect(
        pipeline()
          .through(lines())
          .through(becoming<string>('line', () => next as never))
          .through(toLines()),
        { plan },
      )
      client.send('a\ngo\n')
      t.equal(String(await client.receive()), 'a\n')
      client.end()
      const { reason, error } = await client.outcome
      t.equal(reason, 'stage-error')
      t.match(error?.message, message)
    }
  })

  t.test(`${plan}: a stage that does not say that it upgrades may not`, async t => {
    const plainStage = (upgrades: boolean) =>
      stage<string, string>({
        name: 'plain',
        accepts: 'line',
        emits: 'line',
        upgrades,
        open: () => ({ transform: (_line, controller) => controller.become(sink('x')) }),
      })
    for (const list of [
      pipeline().through(lines()).through(plainStage(false)).through(toLines()),
      pipeline()
        .through(lines())
        .through(plainStage(false))
        .through(becoming<string>('line', () => sink('x')))
        .through(toLines()),
    ]) {
      const client = connect(list, { plan })
      client.send('a\n')
      await client.receive()
      client.end()
      t.match(
        (await client.outcome).error?.message,
        /'plain' called become\(\), but does not say 'upgrades: true'/,
      )
    }
  })

  t.test(
    `${plan}: a stage in front that gives more frames of the same bytes, or has the beginning of one, fails it`,
    async t => {
      const twice = stage<string, string>({
        name: 'twice',
        accepts: 'line',
        emits: 'line',
        open: () => ({
          transform: (line, controller) => {
            controller.enqueue(line)
            controller.enqueue(`${line}2`)
          },
        }),
      })
      const early = connect(
        pipeline()
          .through(lines())
          .through(twice)
          .through(becoming<string>('line', () => sink('x')))
          .through(toLines()),
        { plan },
      )
      early.send('a\ngo\nb\n')
      t.equal(String(await early.receive()), 'a\na2\n')
      early.end()
      t.match(
        (await early.outcome).error?.message,
        /'becoming' called become\(\) before it had the last frame .*'twice' gave another/,
      )

      let own: Controller<string> | undefined
      const late = stage<string, string>({
        name: 'late',
        accepts: 'line',
        emits: 'line',
        upgrades: true,
        open: () => ({
          transform: (line, controller) => {
            own = controller
            controller.enqueue(line)
          },
        }),
      })
      const list = pipeline().through(lines()).through(late).through(toLines())
      const inside = connect(list, { plan })
      inside.send('a\nhalf a li')
      await inside.receive('a\n')
      await soon()
      own?.become(sink('x'))
      await inside.receive()
      inside.end()
      t.match(
        (await inside.outcome).error?.message,
        /'late' called become\(\) inside a frame, of which 'lines' has the beginning/,
      )
      own?.become(sink('x'))

      const between = connect(list, { plan })
      between.send('a\n')
      await between.receive('a\n')
      own?.become(sink('x'))
      t.equal(String(await between.receive('x[')), 'x[', 'from outside, between two frames')
      between.end('b')
      t.equal(String(await between.receive()), 'b]')
    },
  )

  t.test(`${plan}: a later stage that fails or terminates in its flush comes first`, async t => {
    const behind = (flush: (controller: Controller<string>) => void) =>
      pipeline()
        .through(lines())
        .through(becoming<string>('line', () => sink('x')))
        .through(
          stage<string, string>({ name: 'behind', accepts: 'line', emits: 'line', open: () => ({ flush }) }),
        )
        .through(toLines())
    for (const [flush, outcome] of [
      [(controller: Controller<string>) => controller.terminate(), ['terminated', undefined]],
      [
        () => {
          throw new Error('no')
        },
        ['stage-error', "Stage 'behind' failed in flush: no"],
      ],
    ] as const) {
      const client = connect(behind(flush), { plan })
      client.send('a\ngo\nb\n')
      t.equal(String(await client.receive()), 'a\n')
      client.end()
      t.strictSame(brief(await client.outcome), outcome)
    }
  })

  t.test(`${plan}: faults of either list end the connection with their own error`, async t => {
    const failing = (where: string) =>
      pipeline().through(
        stage<Buffer, Buffer>({
          name: 'new',
          accepts: 'bytes',
          emits: 'bytes',
          open: () => {
            if (where === 'open') throw new Error('no')
            return {
              [where]: () => {
                throw new Error('no')
              },
            }
          },
        }),
      )
    for (const where of ['open', 'start', 'transform'] as const) {
      const client = connect(
        pipeline()
          .through(lines())
          .through(becoming<string>('line', () => failing(where)))
          .through(toLines()),
        { plan },
      )
      client.send('a\ngo\nb\n')
      t.equal(String(await client.receive()), 'a\n')
      client.end()
      t.strictSame(brief(await client.outcome), ['stage-error', `Stage 'new' failed in ${where}: no`])
    }
    const badClose = (close: () => unknown) =>
      stage<string, string>({
        name: 'old',
        accepts: 'line',
        emits: 'line',
        open: () => ({ close: () => void close(), ...({ close } as object) }),
      })
    const thrown = connect(
      pipeline()
        .through(lines())
        .through(
          badClose(() => {
            throw new Error('no')
          }),
        )
        .through(becoming<string>('line', () => sink('x')))
        .through(toLines()),
      { plan },
    )
    thrown.send('go\nb\n')
    await thrown.receive()
    thrown.end()
    t.strictSame(brief(await thrown.outcome), ['stage-error', "Stage 'old' failed in close: no"])
    const errors: string[] = []
    const rejected = connect(
      pipeline()
        .through(lines())
        .through(badClose(() => Promise.reject(new Error('no'))))
        .through(becoming<string>('line', () => sink('x')))
        .through(toLines()),
      { plan, onError: ({ message }) => errors.push(message) },
    )
    rejected.send('go\nb\n')
    t.equal(String(await rejected.receive('x[b\n')), 'x[b\n')
    await soon()
    rejected.end()
    t.equal(
      (await rejected.outcome).reason,
      'end',
      'a promise that rejects later is told, and the connection goes on',
    )
    t.strictSame(errors, ["Stage 'old' failed in close: no"])
    const after = connect(
      pipeline()
        .through(lines())
        .through(
          stage<string, string>({
            name: 'old',
            accepts: 'line',
            emits: 'line',
            upgrades: true,
            open: () => ({
              transform: (_line, controller) => {
                controller.become(sink('x'))
                throw new Error('no')
              },
            }),
          }),
        )
        .through(toLines()),
      { plan },
    )
    after.send('a\n')
    t.equal(String(await after.receive()), '')
    after.end()
    t.strictSame(brief(await after.outcome), ['stage-error', "Stage 'old' failed in transform: no"])
  })

  t.test(
    `${plan}: a client that goes while a later stage is waited for is the end, and no list follows`,
    async t => {
      const notes: unknown[] = []
      const waiting = stage<string, string>({
        name: 'waiting',
        accepts: 'line',
        emits: 'line',
        open: () => ({ flush: () => new Promise(() => {}), close: ({ reason }) => void notes.push(reason) }),
      })
      const next = pipeline().through(
        stage<Buffer, Buffer>({
          name: 'next',
          accepts: 'bytes',
          emits: 'bytes',
          open: () => {
            notes.push('opened')
            return {}
          },
        }),
      )
      const list = pipeline()
        .through(lines())
        .through(becoming<string>('line', () => next))
        .through(waiting)
        .through(toLines())
      const client = connect(list, { plan })
      client.send('a\ngo\nb\n')
      await client.receive('a\n')
      client.send('more')
      await soon()
      client.reset()
      t.equal((await client.outcome).reason, 'client-reset')
      t.strictSame(notes, ['client-reset'])
    },
  )

  t.test(`${plan}: the new list holds its client back, and is held back`, async t => {
    const { promise, resolve } = deferred()
    const slow = pipeline().through(
      stage<Buffer, Buffer>({
        name: 'slow',
        accepts: 'bytes',
        emits: 'bytes',
        open: () => ({
          transform: async (chunk, controller) => {
            await promise
            controller.enqueue(chunk)
          },
        }),
      }),
    )
    const list = pipeline()
      .through(lines())
      .through(becoming<string>('line', () => slow))
      .through(toLines())
    const client = connect(list, { plan })
    client.send(`go\n${'x'.repeat(100)}`)
    for (let count = 0; count < 40; count++) client.send('y'.repeat(50_000))
    const { waiting } = await client.stalled()
    t.ok(waiting > 1_500_000, 'the client waits')
    resolve()
    client.end()
    t.equal((await client.receive()).length, 100 + 40 * 50_000)
  })

  t.test(
    `${plan}: runStage() tells what a stage becomes, and goes on with a list of the same kinds`,
    async t => {
      const next = sink('x')
      const became: unknown[] = []
      const onBecome = (list: unknown) => void became.push(list)
      const list = pipeline()
        .through(lines())
        .through(becoming<string>('line', () => next))
        .through(toLines())
      const output = await runStage(list, [Buffer.from('a\ngo\nb')], { plan, onBecome })
      t.equal(String(Buffer.concat(output)), 'a\nx[b]')
      t.strictSame(
        await runStage(
          becoming<string>('line', () => next),
          ['a', 'go', 'b'],
          { plan, onBecome },
        ),
        ['a'],
      )
      t.strictSame(
        await runStage(
          becoming<string>('line', () => next),
          ['go', 'b'],
          { plan },
        ),
        [],
      )
      t.equal(became.length, 2)
      t.ok(became.every(each => each === next))
      await t.rejects(
        finished(
          toStream(
            becoming<string>('line', () => next),
            { plan },
          ),
        ),
        /takes a list from lines to lines/,
      )
    },
  )
}

/** Reads a stream of which one item is written, and rejects with its error. */
async function finished(stream: NodeJS.ReadWriteStream): Promise<void> {
  stream.write('go')
  for await (const _item of stream);
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}

t.test(
  'a list with such a stage runs without streams on both plans, and refuses stages that are streams',
  t => {
    const list = pipeline()
      .through(lines())
      .through(becoming<string>('line', () => sink('x')))
      .through(toLines())
    for (const plan of PLANS) {
      const explained = list.explain({ plan })
      t.equal(explained.direct, true)
      t.match(
        String(explained),
        /fused \(in pieces that end with a frame: a stage may change the connection\)/,
      )
      const stream = fromStream('deflate', () => new PassThrough())
      t.throws(() => pipeline().through(stream).through(list).explain({ plan }), {
        code: 'ERR_BYWASH_STAGE_ORDER',
        message: /'deflate' is a stream, and cannot stand in a list with stage 'becoming'/,
      })
    }
    t.throws(
      () => stage({ name: 'x', accepts: 'line', emits: 'line', upgrades: 1 as never, open: () => ({}) }),
      { code: 'ERR_BYWASH_INVALID_OPTION' },
    )
    t.end()
  },
)

t.test(
  'a list of streams is loaded before the change, and one that cannot be loaded is an error',
  async t => {
    const through = pipeline().through(fromStream('through', () => new PassThrough()))
    const client = connect(
      pipeline()
        .through(lines())
        .through(becoming<string>('line', () => through))
        .through(toLines()),
    )
    client.send('a\ngo\nb')
    await client.receive('a\n')
    client.end('c')
    t.equal(String(await client.receive()), 'bc')
    const unloadable = internalStage<Buffer, Buffer>({
      name: 'unloadable',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => ({}),
      stream: () => new PassThrough(),
      load: () => Promise.reject(new Error('no such module')),
    })
    const lost = connect(
      pipeline()
        .through(lines())
        .through(becoming<string>('line', () => pipeline().through(unloadable)))
        .through(toLines()),
      { plan: 'streams' },
    )
    lost.send('go\n')
    await lost.receive()
    lost.end()
    t.match((await lost.outcome).error?.message, /no such module/)
  },
)

t.test('the first list that a stage becomes counts, and a stage of any items is a list too', async t => {
  const twice = stage<Buffer, Buffer>({
    name: 'twice',
    accepts: 'bytes',
    emits: 'bytes',
    upgrades: true,
    open: () => ({
      transform(_item, controller) {
        controller.become(tap<Buffer>('look', () => {}))
        controller.become(sink('b'))
      },
    }),
  })
  t.equal(String(Buffer.concat(await runStage(pipeline().through(twice), [Buffer.from('abc')]))), 'bc')
})

t.test('a stage behind one that has failed does not become another list any more', async t => {
  const failing = stage<Buffer, Buffer>({
    name: 'failing',
    accepts: 'bytes',
    emits: 'bytes',
    open: () => ({
      transform(chunk, controller) {
        controller.enqueue(chunk)
        throw new Error('broken')
      },
    }),
  })
  const late = stage<Buffer, Buffer>({
    name: 'late',
    accepts: 'bytes',
    emits: 'bytes',
    upgrades: true,
    open: () => {
      let hasTaken = false
      return {
        transform(chunk, controller) {
          hasTaken = true
          controller.enqueue(chunk)
        },
        readComplete(controller) {
          if (hasTaken) controller.become(sink('a'))
        },
      }
    },
  })
  const client = connect(pipeline().through(failing).through(late))
  client.send('x')
  t.equal(String(await client.receive()), 'x')
  client.end()
  t.match(brief(await client.outcome), ['stage-error', /'failing'.*broken/])
})

t.test('a stage that becomes another list keeps the laws', async () => {
  const becomes = becoming<string>('line', () => sink('x'))
  await checkStage(becomes, [{ input: ['a', 'go', 'b'], output: ['a'] }])
})
