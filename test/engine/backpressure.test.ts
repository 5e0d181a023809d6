import { Duplex } from 'node:stream'
import t from 'tap'
import { asyncMap, lines, map, type Pipeline, pipeline, toLines, uppercase } from '../../lib/index.js'
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
