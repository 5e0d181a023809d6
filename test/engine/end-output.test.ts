import t from 'tap'
import {
  asyncMap,
  Connection,
  type Controller,
  lines,
  map,
  type Outcome,
  type PlanMode,
  pipeline,
  type Stage,
  StageError,
  stage,
  type Transformer,
  take,
  toLines,
  toStream,
} from '../../lib/index.js'
import { FakeSocket } from '../../lib/testing/fake-socket.js'
import { connect, fakeClock } from '../../lib/testing/index.js'
import { PLANS } from '../plans.js'

const LINES = { accepts: 'line', emits: 'line' } as const

/** What a stage has seen, in order. */
type Notes = string[]

/**
 * A stage of lines: `end` ends the output, `fail` fails, `reset` fails with a reset, `stop` terminates, and any other line is
 * noted and comes back.
 */
function obeying(name: string, notes: Notes, more: Transformer<string, string> = {}): Stage<string, string> {
  return stage<string, string>({
    name,
    ...LINES,
    open: () => ({
      transform: (line, controller) => {
        notes.push(line)
        controller.enqueue(line)
        if (line === 'end') controller.endOutput()
        if (line === 'fail') controller.error(new Error('asked to'))
        if (line === 'reset') controller.error(new Broken(name, 'was asked to.'))
        if (line === 'stop') controller.terminate()
      },
      ...more,
    }),
  })
}

/** An error of a stage that ends a connection with a reset and a reason of its own. */
class Broken extends StageError {
  override readonly reason = 'upstream-error'
  override readonly resets = true
}

/** Serves stages between a decoder and an encoder. */
function serve(plan: PlanMode, stages: readonly Stage<string, string>[], clock = fakeClock()) {
  let list = pipeline().through(lines())
  for (const each of stages) list = list.through(each)
  const errors: string[] = []
  const client = connect(list.through(toLines()), {
    plan,
    connection: new Connection(1, {}, clock),
    onError: ({ message }) => errors.push(message),
  })
  return { client, errors, clock }
}

const brief = ({ reason, error }: Outcome) => [reason, error?.message]

/** Waits until something is noted. */
async function noted(notes: Notes, what: string): Promise<void> {
  while (!notes.includes(what)) await new Promise(resolve => setImmediate(resolve))
}

for (const plan of PLANS) {
  t.test(`${plan}: the end of the output reaches the client, whose input goes on`, async t => {
    const notes: Notes = []
    const { client, errors } = serve(plan, [map('before', line => line), obeying('half', notes)])
    client.send('a\nend\n')
    t.equal((await client.receive()).toString(), 'a\nend\n')
    client.send('b\n')
    client.end('c')
    t.strictSame(brief(await client.outcome), ['end', undefined])
    t.strictSame(notes, ['a', 'end', 'b', 'c'], 'all input went through both')
    t.strictSame(errors, [])
  })

  t.test(`${plan}: stages behind the end of the output are flushed, and waited for`, async t => {
    const notes: Notes = []
    let answer = () => {}
    const slow = asyncMap(
      'slow',
      (line: string) =>
        new Promise<string>(resolve => {
          answer = () => resolve(line.toUpperCase())
        }),
    )
    const last = obeying('last', notes, { flush: controller => controller.enqueue('flushed') })
    const { client } = serve(plan, [obeying('half', notes), slow, last])
    client.send('end\nmore\n')
    await noted(notes, 'more')
    answer()
    t.equal((await client.receive()).toString(), 'END\nflushed\n')
    client.end()
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: output may end from outside of a call, and nothing comes behind it`, async t => {
    let own: Controller<string> | undefined
    const half = obeying('half', [], {
      start: controller => {
        own = controller
      },
    })
    const { client } = serve(plan, [half])
    await client.stalled()
    const late = new Promise<void>(resolve => {
      own?.enqueue('first')
      own?.endOutput()
      own?.endOutput()
      own?.enqueue('dropped')
      resolve(own?.ready)
    })
    t.equal((await client.receive()).toString(), 'first\n')
    await late
    t.equal(own?.desiredSize, 0)
    client.end()
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: a stage that works on when both sides have ended is waited for`, async t => {
    let finish = () => {}
    const seen: Notes = []
    const half = obeying('half', seen, {
      flush: () => {
        seen.push('flush')
        return new Promise<void>(resolve => {
          finish = resolve
        })
      },
      close: ({ reason }) => {
        seen.push(reason)
      },
    })
    const { client } = serve(plan, [half])
    client.send('end\n')
    await client.receive()
    client.end()
    await noted(seen, 'flush')
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    t.strictSame(seen, ['end', 'flush'], 'not closed yet')
    finish()
    t.strictSame(brief(await client.outcome), ['end', undefined])
    t.strictSame(seen, ['end', 'flush', 'end'])
  })

  t.test(`${plan}: such a stage is named at halfCloseTimeout, and ends when it is aborted`, async t => {
    const never = (notes: Notes, name = 'half') =>
      obeying(name, notes, {
        flush: () => {
          notes.push('flush')
          return new Promise<void>(() => {})
        },
      })
    const notes: Notes = []
    const late = serve(plan, [never(notes)])
    late.client.send('end\n')
    await late.client.receive()
    late.client.end()
    await noted(notes, 'flush')
    late.clock.advance(10_000)
    t.match(brief(await late.client.outcome), ['stage-error', /'half' has not answered for 10 s/])

    const others: Notes = []
    const socket = new FakeSocket()
    const abort = new AbortController()
    const list = pipeline().through(lines()).through(never(others)).through(toLines())
    const outcome = list.handle(socket, { plan, signal: abort.signal })
    socket.send('end\n')
    while (!socket.isOver) await socket.changed()
    socket.send(null)
    while (!socket.closed) await new Promise(resolve => setImmediate(resolve))
    abort.abort()
    t.equal((await outcome).reason, 'shutdown')
  })

  t.test(`${plan}: what fails or terminates behind the end of the output ends the connection`, async t => {
    for (const [command, expected] of [
      ['fail', 'stage-error'],
      ['reset', 'upstream-error'],
      ['stop', 'terminated'],
    ] as const) {
      for (const where of ['before', 'half'] as const) {
        const notes: Notes = []
        const before = obeying('before', where === 'before' ? notes : [])
        const ends = stage<string, string>({
          name: 'ends',
          ...LINES,
          open: () => ({
            transform: (line, controller) => {
              controller.enqueue(line)
              if (line === 'now') controller.endOutput()
              if (where === 'half' && line === 'fail') controller.error(new Error('asked to'))
              if (where === 'half' && line === 'reset') controller.error(new Broken('ends', 'was asked to.'))
              if (where === 'half' && line === 'stop') controller.terminate()
            },
          }),
        })
        const { client } = serve(plan, where === 'before' ? [before, ends] : [ends])
        client.send('now\n')
        t.equal((await client.receive()).toString(), 'now\n')
        client.send(`${command}\n`)
        if (command !== 'reset') client.end()
        t.equal((await client.outcome).reason, expected, `${command} ${where}`)
      }
    }
  })

  t.test(`${plan}: a later stage that fails or terminates as it is flushed comes first`, async t => {
    const failing = obeying('failing', [], {
      flush: () => {
        throw new Error('no end')
      },
    })
    const { client, errors } = serve(plan, [obeying('half', []), failing])
    client.send('end\n')
    t.equal((await client.receive()).toString(), 'end\n')
    client.end()
    t.match(brief(await client.outcome), ['stage-error', /'failing' failed in flush: no end/])
    t.equal(errors.length, 1)
    const taking = serve(plan, [obeying('half', []), take(1)])
    taking.client.send('end\n')
    t.equal((await taking.client.receive()).toString(), 'end\n')
    taking.client.end()
    t.equal((await taking.client.outcome).reason, 'terminated')
  })

  t.test(`${plan}: two stages may end the output, in either order`, async t => {
    for (const order of [
      ['one', 'other'],
      ['other', 'one'],
    ]) {
      const notes: Notes = []
      const ends = (name: string) =>
        stage<string, string>({
          name,
          ...LINES,
          open: () => ({
            transform: (line, controller) => {
              notes.push(`${name} ${line}`)
              controller.enqueue(line)
              if (line === name) controller.endOutput()
            },
          }),
        })
      const { client } = serve(plan, [ends('one'), ends('other')])
      client.send(`${order[0]}\n`)
      t.equal((await client.receive()).toString(), `${order[0]}\n`)
      client.send(`${order[1]}\n`)
      client.end('last\n')
      t.equal((await client.outcome).reason, 'end')
      t.equal(notes.includes('one last'), true, 'the first takes all input')
    }
  })

  t.test(`${plan}: an error may end a connection with a reset, behind the output from before it`, async t => {
    const { client, errors } = serve(plan, [obeying('half', [])])
    client.send('a\nreset\nb\n')
    t.equal((await client.receive('reset\n')).toString(), 'a\nreset\n')
    await t.rejects(client.receive(), { message: 'The server reset the connection, after "".' })
    t.match(brief(await client.outcome), ['upstream-error', "Stage 'half' was asked to."])
    t.strictSame(errors, [], 'it is in the outcome')
  })

  t.test(`${plan}: a reset waits for a client that does not read, up to halfCloseTimeout`, async t => {
    const { client, clock } = serve(plan, [obeying('half', [])])
    const stalled = client.stalled()
    client.send(`${'x'.repeat(60_000)}\nreset\n`)
    await stalled
    t.equal((await client.receive(60_001)).length, 60_001)
    t.equal((await client.outcome).reason, 'upstream-error')
    const other = serve(plan, [obeying('half', [])], clock)
    const stays = other.client.stalled()
    other.client.send(`${'x'.repeat(60_000)}\nreset\n`)
    await stays
    clock.advance(10_000)
    // Where each stage is a stream, the error waits behind the output.
    const expected = plan === 'fused' ? 'upstream-error' : 'half-close-timeout'
    t.equal((await other.client.outcome).reason, expected)
  })

  t.test(`${plan}: a reset waits for output whose end is on its way`, async t => {
    const { client } = serve(plan, [obeying('half', [])])
    const stalled = client.stalled()
    client.send(`${'x'.repeat(60_000)}\nend\n`)
    await stalled
    client.send('reset\n')
    t.ok((await client.receive(60_005)).length > 0)
    t.equal((await client.outcome).reason, 'upstream-error')
  })

  t.test(`${plan}: toStream() ends the side that is read, and goes on with the other`, async t => {
    const notes: Notes = []
    const stream = toStream(obeying('half', notes), { plan })
    stream.write('a')
    stream.write('end')
    const given: string[] = []
    stream.on('data', line => given.push(line))
    await new Promise(resolve => stream.on('end', resolve))
    t.strictSame(given, ['a', 'end'])
    stream.end('b')
    await new Promise(resolve => stream.on('close', resolve))
    t.strictSame(notes, ['a', 'end', 'b'])
    t.equal(stream.errored, null)
  })
}

t.test('a failure in the same turn comes before the end of the output', async t => {
  const both = stage<string, string>({
    name: 'both',
    ...LINES,
    open: () => ({
      transform: (line, controller) => {
        controller.enqueue(line)
        controller.endOutput()
        controller.error(new Error('asked to'))
      },
    }),
  })
  const { client } = serve('fused', [both])
  client.send('a\n')
  t.equal(String(await client.receive()), 'a\n')
  client.end()
  t.match(await client.outcome, { reason: 'stage-error' })
})

t.test('a reset behind the end of both sides ends what is closed already', async t => {
  let fail = () => {}
  const late = stage<string, string>({
    name: 'late',
    ...LINES,
    open: () => ({
      transform: (_line, controller) => controller.endOutput(),
      flush: () =>
        new Promise((_, reject) => {
          fail = () => reject(new Broken('late', 'was asked to.'))
        }),
    }),
  })
  const { client } = serve('fused', [late])
  client.send('a\n')
  await client.receive()
  client.end()
  for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
  fail()
  t.match(await client.outcome, { reason: 'upstream-error' })
})
