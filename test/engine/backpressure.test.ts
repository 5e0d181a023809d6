import { Duplex, Readable, Transform } from 'node:stream'
import t, { type Test } from 'tap'
import {
  asyncMap,
  Connection,
  delimited,
  fixedLength,
  fromStream,
  jsonLines,
  lengthPrefixed,
  lines,
  map,
  netstring,
  type Pipeline,
  pipeline,
  type Stage,
  slip,
  toLines,
  uppercase,
} from '../../lib/index.js'
import { PLANS } from '../plans.js'

/** A duplex whose client reads nothing before `read()` is called; it counts the bytes that went in and out. */
function stalledClient(chunk: Buffer, chunks: number) {
  const counts = { read: 0, written: 0, pauses: 0, resumes: 0, writes: 0 }
  let release: (() => void) | undefined
  let reading = false
  let left = chunks
  const duplex = new Duplex({
    readableHighWaterMark: 1,
    writableHighWaterMark: 1,
    read() {
      counts.read += left > 0 ? chunk.length : 0
      this.push(left-- > 0 ? chunk : null)
    },
    write(bytes, _encoding, callback) {
      counts.writes++
      counts.written += bytes.length
      if (reading) setImmediate(callback)
      else release = callback
    },
  })
  const pause = duplex.pause
  const resume = duplex.resume
  duplex.pause = function () {
    counts.pauses++
    return pause.call(this)
  }
  duplex.resume = function () {
    counts.resumes++
    return resume.call(this)
  }
  return {
    duplex,
    counts,
    read() {
      reading = true
      release?.()
    },
  }
}

/** Resolves when nothing has been read for some turns of the event loop. */
async function stalled(counts: { read: number }): Promise<void> {
  for (let before = -1, quiet = 0; quiet < 20; quiet = counts.read === before ? quiet + 1 : 0) {
    before = counts.read
    await new Promise(resolve => setImmediate(resolve))
  }
}

const chunk = Buffer.from(`${'x'.repeat(63)}\n`.repeat(256))
const decoded = pipeline().through(lines())
const pipelines: Record<string, [Pipeline<Buffer, Buffer>, number]> = {
  // The most chunks that may be held: one whose answer is not read, and one that Node had read already.
  echo: [pipeline(), 2],
  'lines on blocks': [decoded.through(uppercase()).through(toLines()), 2],
  'line by line': [decoded.through(map('same', line => line)).through(toLines()), 2],
  // A stream may hold more: on each side a chunk, and as much as 16 lines fill.
  'a stream stage': [decoded.through(asyncMap('wait', async line => line)).through(toLines()), 8],
}

for (const plan of PLANS) {
  for (const [name, [served, direct]] of Object.entries(pipelines)) {
    t.test(
      `${plan}: ${name} holds a bounded number of chunks for a client that does not read, and loses none`,
      async t => {
        const chunks = 64
        const { duplex, counts, read } = stalledClient(chunk, chunks)
        const handled = served.handle(duplex, { plan })
        await stalled(counts)
        const held = (counts.read - counts.written) / chunk.length + 1
        const bound = plan === 'fused' ? direct : 8
        t.ok(held <= bound, `${held} chunks held`)
        t.ok(counts.read < chunks * chunk.length, 'the source is stopped')
        read()
        const { reason, bytesRead, bytesWritten } = await handled
        t.strictSame(
          { reason, bytesRead, bytesWritten },
          { reason: 'end', bytesRead: chunks * chunk.length, bytesWritten: chunks * chunk.length },
        )
      },
    )
  }
}

t.test('fused: one write for each chunk, and as many pauses as resumes', async t => {
  for (const [served] of Object.values(pipelines).slice(0, 3)) {
    const { duplex, counts, read } = stalledClient(chunk, 20)
    read()
    // The start is a resume without a pause before it. The last pause has none behind it where the source has ended by then:
    // in Node 20 it has, and in Node 26, which says 'drain' before 'end', it has not.
    await served.handle(duplex)
    t.equal(counts.writes, 20)
    t.ok(
      [0, 1].includes(counts.resumes - counts.pauses),
      `${counts.resumes} resumes, ${counts.pauses} pauses`,
    )
    t.ok(counts.pauses >= 19, 'one for each chunk')
  }
})

/** Decoders of the smallest items, with the bytes of one. */
const SMALLEST_ITEMS = {
  lines: [lines(), '\n'],
  'exact lines': [lines({ profile: 'go' }), '\n'],
  'lines as frames': [lines({ encoding: 'buffer' }), '\n'],
  delimited: [delimited({ delimiters: [';'] }), ';'],
  slip: [slip(), 'a\xc0'],
  netstring: [netstring(), '0:,'],
  'length-prefixed': [lengthPrefixed({ width: 1 }), '\0'],
  'fixed-length': [fixedLength(1), 'x'],
  'JSON lines': [pipeline().through(lines()).through(jsonLines()), '1\n'],
  'a decoder that is a stream': [
    fromStream<Buffer, unknown>('bytewise', () => bytewise(), { accepts: 'bytes', emits: 'value' }),
    'x',
  ],
}

/** A Transform that makes an item of each byte. */
function bytewise() {
  return new Transform({
    readableObjectMode: true,
    transform(chunk: Buffer, _encoding, callback) {
      for (const byte of chunk) this.push({ byte })
      callback()
    },
  })
}

/** Counts the items that streams of Node push for as long as the test runs, or until `restore()`. */
function pushedItems(t: Test) {
  const original = Readable.prototype.push
  const pushed = {
    count: 0,
    restore() {
      Readable.prototype.push = original
    },
  }
  t.teardown(pushed.restore)
  Readable.prototype.push = function (item, encoding) {
    if (this.readableObjectMode) pushed.count++
    return original.call(this, item, encoding)
  }
  return pushed
}

for (const plan of PLANS) {
  for (const [name, [decoder, unit]] of Object.entries(
    SMALLEST_ITEMS as unknown as Record<string, [Stage<Buffer, unknown>, string]>,
  )) {
    t.test(`${plan}: ${name} in front of a stream that is full stops in the middle of a read`, async t => {
      const whole = Math.floor(16_384 / unit.length)
      const chunk = Buffer.from(unit.repeat(whole), 'latin1')
      let taken = 0
      let release = () => {}
      const released = new Promise<void>(resolve => {
        release = resolve
      })
      // Takes one item, and holds it.
      const hold = new Transform({
        objectMode: true,
        highWaterMark: 1,
        transform(_item, _encoding, callback) {
          taken++
          if (taken === 1) released.then(() => callback())
          else callback()
        },
      })
      const served = pipeline()
        .through(decoder)
        .through(
          fromStream<unknown, Buffer>('hold', () => hold, {
            accepts: decoder.emits,
            emits: 'bytes',
          } as never),
        )
      const { duplex, counts } = stalledClient(chunk, 2)
      const connection = new Connection(1, duplex as never)
      const pushed = pushedItems(t)
      const handled = served.handle(duplex, { plan, connection })
      await stalled(counts)
      // A stage counts what it enqueues; of a decoder that is a stream it counts what has left it, and not what it holds.
      const made = Math.max(connection.counts.at(-2)?.out.items ?? 0, pushed.count)
      t.ok(made > 0 && made <= 600, `${made} items of ${whole} were made`)
      pushed.restore()
      release()
      await handled
      t.equal(taken, 2 * whole, 'all come in the end')
    })
  }
}

t.test('a socket gets one listener for each event that it is driven by', async t => {
  const { duplex } = stalledClient(chunk, 9)
  const before = duplex.eventNames().length
  const handled = pipeline().handle(duplex)
  await new Promise(resolve => setImmediate(resolve))
  const counts = ['data', 'drain', 'error', 'close'].map(event => duplex.listenerCount(event))
  t.strictSame(counts, [1, 1, 1, 1])
  t.ok(duplex.eventNames().length - before <= 6)
  duplex.destroy()
  t.equal((await handled).reason, 'client-reset')
})
