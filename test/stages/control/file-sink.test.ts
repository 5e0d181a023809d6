import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import t from 'tap'
import {
  type BywashError,
  CopyError,
  type Frame,
  lines,
  pipeline,
  StageError,
  toLines,
} from '../../../lib/index.js'
import { openFileSinks } from '../../../lib/stages/control/file-sink.js'
import { fixedLength, type TeeOptions, take, tee, toFixedLength } from '../../../lib/stages/index.js'
import { connect, fakeClock, runStage } from '../../../lib/testing/index.js'
import { makeFifo, NO_FIFO, openReader } from '../../fifo.js'
import { serveLocally } from '../../listener/local-listener.js'
import { PLANS } from '../../plans.js'
import { connectTcp } from '../../tcp-client.js'

const turn = () => new Promise(resolve => setImmediate(resolve))

/** Resolves when every file is closed. */
async function allClosed(): Promise<void> {
  while (openFileSinks() > 0) await turn()
}

/** Number of descriptors of this process that are open on a path. */
function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter(name => {
    const link = `/proc/self/fd/${name}`
    return existsSync(link) && readlinkSync(link) === path
  }).length
}

/** Waits until a list is so long. */
async function filled(list: readonly unknown[], length: number): Promise<void> {
  while (list.length < length) await turn()
}

t.test('all connections and stages write to one descriptor, and no item is torn', async t => {
  const to = join(t.testdir(), 'copy')
  const server = pipeline()
    .through(lines())
    .through(tee<string>({ to }))
    .through(tee<string>({ to }))
    .through(toLines())
  const clients = Array.from({ length: 50 }, () => connect(server))
  const sent = clients.map((_, client) =>
    Array.from({ length: 20 }, (_, line) => `${client} ${line} ${'x'.repeat((client * 97) % 500)}`),
  )
  for (const [index, client] of clients.entries()) client.send(`${sent[index]?.join('\n')}\n`)
  for (const client of clients) await client.receive('\n')
  t.equal(openFileSinks(), 1)
  if (existsSync('/proc/self/fd')) t.ok(descriptorsOf(to) <= 1)
  for (const client of clients) client.end()
  for (const client of clients) t.match(await client.outcome, { reason: 'end' })
  await allClosed()
  const copied = readFileSync(to, 'utf8').trimEnd().split('\n')
  t.equal(copied.length, 2 * 50 * 20)
  for (const [client, expected] of sent.entries()) {
    const own = copied.filter(line => line.startsWith(`${client} `))
    t.strictSame(new Set(own), new Set(expected))
    t.equal(own.length, 2 * expected.length)
  }
})

t.test('items of any length are copied, and a value is refused', async t => {
  const to = join(t.testdir(), 'copy')
  const items = [0, 1, 65_535, 65_536, 65_537, 0, 200_000, 7].map((length, index) =>
    Buffer.alloc(length, 97 + index),
  )
  await runStage(tee<Frame>({ to }), items as Frame[])
  await allClosed()
  t.ok(readFileSync(to).equals(Buffer.concat(items)))
  const missed: number[] = []
  await runStage(tee<object>({ to, onDrop: count => missed.push(count) }), [{}])
  t.strictSame(missed, [1])
  await t.rejects(runStage(tee<object>({ to, onError: 'fail' }), [{}]), {
    message:
      "Stage 'tee' could not write to its sink: a file takes bytes and text; encode values first, as toJsonLines() does.",
  })
  await allClosed()
})

t.test('a path that could not be opened is tried again', async t => {
  const folder = join(t.testdir(), 'later')
  const to = join(folder, 'copy')
  const missed: number[] = []
  const client = connect(pipeline().through(tee({ to, onDrop: count => missed.push(count) })))
  client.send('lost')
  await filled(missed, 1)
  mkdirSync(folder)
  client.send('kept')
  client.end()
  t.equal(String(await client.receive()), 'lostkept')
  await client.outcome
  await allClosed()
  t.equal(readFileSync(to, 'utf8'), 'kept')
  t.strictSame(missed, [1])
})

for (const plan of PLANS) {
  /** Sends lines through a tee, and says what onError heard of, once it has heard so often. */
  const heard = async (options: TeeOptions, text: string, count: number, behind = 100) => {
    const errors: BywashError[] = []
    const server = pipeline()
      .through(lines())
      .through(tee<string>(options))
      .through(take<string>(behind))
      .through(toLines())
    const client = connect(server, { plan, onError: error => errors.push(error) })
    client.send(text)
    client.end()
    const { reason } = await client.outcome
    await filled(errors, count)
    await allClosed()
    return { reason, errors }
  }

  t.test(`${plan}: a connection reports once what is missing, with its number`, async t => {
    const to = join(t.testdir(), 'no', 'such', 'folder')
    const { reason, errors } = await heard({ to }, 'a\nb\nc\n', 1)
    t.equal(reason, 'end')
    t.strictSame(
      errors.map(error => error instanceof CopyError && [error.stage, error.count]),
      [['tee', 3]],
    )
    t.match(
      errors[0]?.message,
      /^Stage 'tee' could not write to its sink: ENOENT: .*\. 3 items are missing in the copy \(.*folder\)\.$/,
    )
    const one = await heard({ to }, 'a\n', 1)
    t.match(one.errors[0]?.message, /\. 1 item is missing in the copy/)
  })

  t.test(`${plan}: with fail it is heard of once, before the end or behind it`, async t => {
    const to = join(t.testdir(), 'no', 'such', 'folder')
    for (const behind of [1, 2, 100]) {
      const { errors } = await heard({ to, onError: 'fail' }, 'a\nb\n', 1, behind)
      t.equal(errors.length, 1)
      t.ok(errors[0] instanceof StageError && !(errors[0] instanceof CopyError))
      t.match(errors[0]?.message, /^Stage 'tee' could not write to its sink: ENOENT/)
    }
  })
}

t.test(
  'a FIFO that nobody reads holds nobody up, and gets a copy when somebody does',
  { skip: NO_FIFO },
  async t => {
    const to = makeFifo(t)
    const missed: number[] = []
    const errors: BywashError[] = []
    const server = pipeline().through(tee({ to, onDrop: count => missed.push(count) }))
    const client = connect(server, { onError: error => errors.push(error) })
    client.send('nobody')
    t.equal(String(await client.receive(6)), 'nobody')
    await filled(missed, 1)
    const reader = openReader(t, to)
    client.send('somebody')
    t.equal(String(await reader.read(8)), 'somebody')
    reader.close()
    client.send('gone')
    await filled(missed, 2)
    client.end()
    t.equal(String(await client.receive()), 'somebodygone')
    await filled(errors, 1)
    t.match(errors[0]?.message, /ENXIO: nobody reads '.*fifo', or it is a socket\. 2 items are missing/)
    await allClosed()
  },
)

t.test(
  'FIFOs whose readers stall leave the thread pool alone; what they get is bounded and whole',
  { skip: NO_FIFO },
  async t => {
    const frame = 1_000
    const count = 1_000
    const maxPending = 200_000
    const fifos = Array.from({ length: 6 }, () => makeFifo(t))
    const readers = fifos.map(path => openReader(t, path))
    const dropped = fifos.map(() => 0)
    const clients = fifos.map((to, index) =>
      connect(
        pipeline()
          .through(fixedLength(frame))
          .through(
            tee<Frame>({
              to,
              maxPending,
              onDrop: missing => {
                dropped[index] = missing
              },
            }),
          )
          .through(toFixedLength(frame)),
      ),
    )
    for (const client of clients) {
      for (let sent = 0; sent < count; sent += 50) client.send(Buffer.alloc(50 * frame, 'x'))
      await client.receive(frame * count)
    }
    t.equal((await promisify(gzip)('still works')).length, 31)
    for (const [index, reader] of readers.entries()) {
      const missing = dropped[index] as number
      const copied = count - missing
      t.ok(copied * frame >= maxPending, `${copied} frames are copied`)
      t.ok(copied * frame <= maxPending + 2 * 65_536 + frame, `${copied} frames are copied, and no more wait`)
      t.ok((await reader.read(copied * frame)).equals(Buffer.alloc(copied * frame, 'x')))
      clients[index]?.end()
      t.match(await clients[index]?.outcome, { reason: 'end' })
    }
    await allClosed()
  },
)

t.test('a listener that closes waits for its copies, but not for ever', { skip: NO_FIFO }, async t => {
  const to = makeFifo(t)
  const reader = openReader(t, to)
  const clock = fakeClock()
  const errors: BywashError[] = []
  const text = 'x'.repeat(300_000)
  for (const isRead of [true, false]) {
    const server = pipeline().through(tee({ to }))
    const { listener, port, ended } = await serveLocally(t, server, {
      clock,
      onError: error => errors.push(error),
    })
    // Also where another pipeline is served meanwhile.
    const client = await connectTcp(t, port)
    const [answer] = await Promise.all([client.receive(text.length), client.send(text)])
    t.equal(answer.length, text.length)
    await listener.replace(pipeline())
    client.end()
    await ended(1)
    let isClosed = false
    const closed = listener.close({ timeout: 1_000 }).then(result => {
      isClosed = true
      return result
    })
    for (let turns = 0; turns < 20; turns++) await turn()
    t.notOk(isClosed)
    if (isRead) {
      t.equal(String(await reader.read(text.length)), text)
    } else {
      clock.advance(1_000)
      for (let turns = 0; turns < 20; turns++) await turn()
      t.notOk(isClosed)
      clock.advance(500)
    }
    t.strictSame(await closed, { forced: 0 })
    if (isRead) t.strictSame(errors, [])
    else
      t.match(errors, [
        {
          count: Number,
          message: /had not taken everything when the listener closed\. \d+ items? (is|are) missing/,
        },
      ])
    await allClosed()
  }
})
