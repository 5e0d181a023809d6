import { once } from 'node:events'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import t from 'tap'
import {
  type BywashError,
  Connection,
  type Frame,
  lines,
  pipeline,
  type Stage,
  toLines,
} from '../../../lib/index.js'
import { openFileSinks } from '../../../lib/stages/control/file-sink.js'
import { type TeeOptions, tee } from '../../../lib/stages/index.js'
import { chunkings, connect, runStage } from '../../../lib/testing/index.js'
import { serveLocally } from '../../listener/local-listener.js'
import { PLANS } from '../../plans.js'
import { exchange } from '../../tcp-client.js'

/** A Writable that keeps what it gets, and finishes a write only when it is told. */
class Sink extends Writable {
  readonly got: unknown[] = []
  readonly waiting: ((error?: Error) => void)[] = []
  isSlow = false

  override _write(chunk: unknown, _encoding: BufferEncoding, callback: (error?: Error) => void): void {
    this.got.push(chunk)
    if (this.isSlow) this.waiting.push(callback)
    else callback()
  }

  get text(): string {
    return Buffer.concat(this.got as Buffer[]).toString()
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

for (const plan of PLANS) {
  t.test(`${plan}: bytes pass unchanged and are copied, however they are cut`, async t => {
    for (const chunks of chunkings('héllo\r\n', { random: 3 })) {
      const to = new Sink()
      const output = await runStage(tee({ to }), chunks, { plan })
      t.equal(Buffer.concat(output).toString(), 'héllo\r\n')
      t.equal(to.text, 'héllo\r\n')
    }
  })

  t.test(`${plan}: lines are copied with a line feed, frames as they are, values to object mode`, async t => {
    const to = new Sink()
    t.strictSame(await runStage(tee<string>({ to }), ['é', ''], { plan }), ['é', ''])
    t.equal(to.text, 'é\n\n')
    const frames = [Buffer.from('a')] as Frame[]
    const toFrames = new Sink()
    t.strictSame(await runStage(tee<Frame>({ to: toFrames }), frames, { plan }), frames)
    t.equal(toFrames.text, 'a')
    const values = [{ a: 1 }, { a: 2 }]
    const objects = new Sink({ objectMode: true })
    t.strictSame(await runStage(tee<object>({ to: objects }), values, { plan }), values)
    await runStage(tee<string>({ to: objects }), ['line'], { plan })
    t.strictSame(objects.got, [...values, 'line'])
  })

  t.test(`${plan}: a connection that says nothing opens no file`, async t => {
    const to = join(t.testdir(), 'log.txt')
    t.strictSame(await runStage(tee<string>({ to }), [], { plan }), [])
    t.notOk(existsSync(to))
  })

  t.test(`${plan}: a file is appended to by each connection, and closed behind the last`, async t => {
    const to = join(t.testdir({ 'log.txt': 'before\n' }), 'log.txt')
    const log = tee<string>({ to })
    for (const line of ['one', 'two']) {
      await runStage(log, [line], { plan })
      t.equal(openFileSinks(), 1)
      while (openFileSinks() > 0) await turn()
    }
    t.equal(readFileSync(to, 'utf8'), 'before\none\ntwo\n')
  })

  /** Runs lines through a tee and says what came out, how it ended, and what was missed. */
  const run = async (options: TeeOptions, items: readonly string[]) => {
    const missed: string[] = []
    const onDrop = (count: number, { id }: Connection) => void missed.push(`${count} of ${id}`)
    const connection = new Connection(7)
    try {
      const output = await runStage(tee<string>({ onDrop, ...options }), items, { plan, connection })
      return { output, missed, error: undefined }
    } catch (error) {
      return { output: (error as { output: string[] }).output, missed, error: error as BywashError }
    }
  }

  t.test(
    `${plan}: an item that finds maxPending waiting is left out of the copy and counted, or fails`,
    async t => {
      const to = new Sink()
      to.isSlow = true
      const { output, missed } = await run({ to, maxPending: 4 }, ['a', 'b', 'c', 'd'])
      t.strictSame(output, ['a', 'b', 'c', 'd'])
      t.strictSame(missed, ['1 of 7', '2 of 7'])
      t.equal(to.writableLength, 4)
      const failed = await run({ to, maxPending: 5, onLag: 'fail', onError: 'drop' }, ['a', 'b', 'c'])
      t.strictSame(failed.output, ['a'], 'what is not copied does not pass')
      t.strictSame(failed.missed, [])
      t.match(failed.error, {
        code: 'ERR_BYWASH_STAGE',
        stage: 'tee',
        message: "Stage 'tee' has a sink that lags: 5 bytes wait ('maxPending').",
      })
      const objects = new Sink({ objectMode: true })
      objects.isSlow = true
      const { error } = await run({ to: objects, maxPending: 2, onLag: 'fail' }, ['a', 'b', 'c'])
      t.match(error, { message: /2 items wait/ })
    },
  )

  t.test(`${plan}: an item that is too long for maxPending is copied when nothing waits`, async t => {
    const to = new Sink()
    t.strictSame((await run({ to, maxPending: 1, onLag: 'fail' }, ['long', 'longer'])).error, undefined)
    t.equal(to.text, 'long\nlonger\n')
  })

  const waitingList = (options: TeeOptions) =>
    pipeline()
      .through(lines())
      .through(tee<string>({ onLag: 'wait', ...options }))
      .through(toLines())

  t.test(`${plan}: with wait an item passes when its copy is taken, and nothing is missing`, async t => {
    const to = new Sink({ highWaterMark: 2 })
    to.isSlow = true
    const clients = [1, 2].map(() => connect(waitingList({ to, maxPending: 2 }), { plan }))
    for (const client of clients) client.end('a\nb\nc\n')
    const [first, other] = clients as [(typeof clients)[0], (typeof clients)[0]]
    t.equal(String(await first.receive('\n')), 'a\n', 'the first copy finds room')
    for (let turns = 0; turns < 5; turns++) await turn()
    t.strictSame(to.got.map(String), ['a\n'])
    t.equal(to.writableLength, 2, 'the others wait, and not in the sink')
    const answers = Promise.all([first.receive(), other.receive()])
    to.isSlow = false
    to.waiting.shift()?.()
    t.strictSame((await answers).map(String), ['b\nc\n', 'a\nb\nc\n'])
    t.strictSame(to.text.split('\n').sort(), ['', 'a', 'a', 'b', 'b', 'c', 'c'])
    t.match(await first.outcome, { reason: 'end' })
    t.match(await other.outcome, { reason: 'end' })
  })

  t.test(`${plan}: with wait a sink that fails or is closed lets go of those that wait for it`, async t => {
    for (const end of ['fails', 'is destroyed']) {
      const to = new Sink({ highWaterMark: 2 })
      to.isSlow = true
      const client = connect(waitingList({ to, maxPending: 2, onError: 'fail' }), { plan })
      const patient = connect(waitingList({ to, maxPending: 2 }), { plan })
      client.send('a\nb\n')
      t.equal(String(await client.receive('\n')), 'a\n')
      patient.end('x\n')
      await turn()
      if (end === 'fails') to.waiting[0]?.(new Error('disk full'))
      else to.destroy()
      await client.receive()
      client.end()
      t.match(await client.outcome, { reason: 'stage-error', error: { stage: 'tee' } }, end)
      t.equal(String(await patient.receive()), 'x\n', 'with drop the item passes without a copy')
    }
  })

  t.test(`${plan}: a client that leaves while its item waits leaves no copy of it behind`, async t => {
    const to = new Sink({ highWaterMark: 2 })
    to.isSlow = true
    const errors: BywashError[] = []
    const client = connect(waitingList({ to, maxPending: 2 }), { plan, onError: error => errors.push(error) })
    client.send('a\nb\n')
    t.equal(String(await client.receive('\n')), 'a\n')
    client.reset()
    t.match(await client.outcome, { reason: 'client-reset' })
    to.isSlow = false
    to.waiting.shift()?.()
    await turn()
    t.equal(to.text, 'a\n')
    t.strictSame(errors, [])
  })

  t.test(`${plan}: with wait a file gets everything, however little may wait`, async t => {
    const to = join(t.testdir(), 'log.txt')
    const items = Array.from({ length: 300 }, (_, n) => `line ${n}`)
    t.strictSame(await runStage(tee<string>({ to, onLag: 'wait', maxPending: 1 }), items, { plan }), items)
    while (openFileSinks() > 0) await turn()
    t.equal(readFileSync(to, 'utf8'), items.map(item => `${item}\n`).join(''))
  })

  t.test(`${plan}: what a failing sink had accepted is counted too`, async t => {
    const to = new Sink()
    to.isSlow = true
    const { output, missed } = await run({ to }, ['a', 'b', 'c'])
    t.strictSame(output, ['a', 'b', 'c'])
    t.strictSame(missed, [])
    to.waiting[0]?.(new Error('disk full'))
    while (!to.closed) await turn()
    t.strictSame(missed, ['1 of 7', '2 of 7', '3 of 7'])
    const later = await run({ to }, ['d'])
    t.strictSame(later, { output: ['d'], missed: ['1 of 7'], error: undefined })
    const refused = await run({ to, onError: 'fail' }, ['d'])
    t.match(refused.error, {
      stage: 'tee',
      message: "Stage 'tee' has a sink that has ended or failed.",
      cause: { message: 'disk full' },
    })
  })

  t.test(`${plan}: with fail a sink that fails ends the connections that it serves`, async t => {
    const to = new Sink()
    to.isSlow = true
    const errors: BywashError[] = []
    const server = pipeline()
      .through(lines())
      .through(tee<string>({ to, onError: 'fail' }))
      .through(toLines())
    const client = connect(server, { plan, onError: error => errors.push(error) })
    client.send('a\n')
    t.equal(String(await client.receive('\n')), 'a\n')
    to.waiting[0]?.(new Error('disk full'))
    t.equal(String(await client.receive()), '')
    client.end()
    const { reason, error } = await client.outcome
    t.equal(reason, 'stage-error')
    t.match(error, {
      code: 'ERR_BYWASH_STAGE',
      message: "Stage 'tee' could not write to its sink: disk full.",
      cause: { message: 'disk full' },
    })
    t.strictSame(errors, [error])
  })

  t.test(`${plan}: with fail a path that cannot be opened ends the connection`, async t => {
    const to = join(t.testdir(), 'no', 'such', 'folder')
    const client = connect(pipeline().through(tee({ to, onError: 'fail' })), { plan })
    client.send('a')
    t.equal(String(await client.receive()), 'a')
    client.end()
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { stage: 'tee', cause: { code: 'ENOENT' } },
    })
  })

  t.test(`${plan}: a write that throws is a failure of the sink`, async t => {
    const to = new Sink()
    to._write = () => {
      throw 'no'
    }
    t.strictSame(await run({ to }, ['a']), { output: ['a'], missed: ['1 of 7'], error: undefined })
    const values = runStage(tee<object>({ to: new Sink(), onError: 'fail' }), [{}], { plan })
    await t.rejects(values, {
      stage: 'tee',
      message: /could not write to its sink: The "chunk" argument/,
      output: [],
    })
  })

  t.test(`${plan}: an onDrop that throws fails its connection`, async t => {
    const to = new Sink()
    to.isSlow = true
    const onDrop = () => {
      throw new Error('boom')
    }
    const client = connect(pipeline().through(tee({ to, onDrop })), { plan })
    client.send('a')
    t.equal(String(await client.receive(1)), 'a')
    to.waiting[0]?.(new Error('disk full'))
    await client.receive()
    client.end()
    t.match(await client.outcome, {
      reason: 'stage-error',
      error: { stage: 'tee', cause: { message: 'boom' } },
    })
  })

  t.test(`${plan}: a Writable that 1,000 connections share gains one listener, and is not ended`, async t => {
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    t.teardown(() => process.off('warning', note))
    const to = new Sink()
    const before = to.eventNames().length
    const stages: Stage<string, string>[] = [tee<string>({ to }), tee<string>({ to })]
    for (let connection = 0; connection < 1_000; connection++) {
      await runStage(stages[connection % 2] as Stage<string, string>, ['a'], { plan })
    }
    await turn()
    t.strictSame(warnings, [])
    t.equal(to.eventNames().length, before + 1)
    t.equal(to.listenerCount('error'), 1)
    t.equal(to.got.length, 1_000)
    t.ok(to.writable)
  })

  t.test(`${plan}: a file that is given as a Writable stays open for the next connection`, async t => {
    const path = join(t.testdir(), 'log.txt')
    const to = createWriteStream(path)
    for (const line of ['one', 'two']) await runStage(tee<string>({ to }), [line], { plan })
    to.end()
    await once(to, 'close')
    t.equal(readFileSync(path, 'utf8'), 'one\ntwo\n')
  })
}

t.test('options are checked at once, and neither they nor chunks are changed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => tee(options as never), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  const to = new Sink()
  refused({}, /tee\(\): 'to' is a Writable or the path of a file; got undefined/)
  refused({ to: '' }, /'to' is a Writable or the path of a file; got ""/)
  refused({ to: null }, /got null/)
  refused({ to: 1 }, /got 1/)
  refused({ to, onLag: 'skip' }, /'onLag' is one of "drop", "fail", "wait"; got "skip"/)
  refused({ to, onError: true }, /'onError' is one of "drop", "fail"; got true/)
  refused({ to, maxPending: 0 }, /'maxPending' is a whole number, from 1/)
  refused({ to, onDrop: 1 }, /'onDrop' is a function; got 1/)
  refused({ to, onLost: () => {} }, /tee\(\) has no option 'onLost'/)
  const chunk = Buffer.from('a')
  t.strictSame(await runStage(tee(Object.freeze({ to })), [chunk]), [Buffer.from('a')])
  t.equal(chunk.toString(), 'a')
})

t.test('a copy of a pipeline that has replaced another is waited for too', async t => {
  const folder = t.testdir()
  const { port, listener } = await serveLocally(t, pipeline())
  await listener.replace(pipeline().through(tee({ to: join(folder, 'copy') })))
  t.equal(String(await exchange(t, port, ['hello'])), 'hello')
  await listener.close()
  t.equal(readFileSync(join(folder, 'copy'), 'utf8'), 'hello')
})
