import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { Connection } from '../../../lib/connection.js'
import type { Frame } from '../../../lib/kind.js'
import type { Controller, Transformer } from '../../../lib/stage.js'
import { frameEncoder, writeDecimal } from '../../../lib/stages/frames/frame-encoder.js'
import { runs } from '../../runs.js'

const END = 0x3b

/** Encodes each frame with its length in front, in as many bytes as `maxSize` announces or fewer, and refuses that of one byte. */
const encoder = frameEncoder('encode', {
  maxSize: frame => {
    if (frame.length === 1) throw new Error('a frame of one byte')
    return frame.length + 12
  },
  write: (frame, to, at) => {
    if (frame.includes(END)) throw new Error('a frame with an end in it')
    const from = writeDecimal(frame.length, to, at)
    to.set(frame, from)
    to[from + frame.length] = END
    return from + frame.length + 1
  },
})

const encoded = (frame: Buffer) => Buffer.concat([Buffer.from(String(frame.length)), frame, Buffer.of(END)])

function open() {
  const transformer = encoder.open?.(new Connection(0)) as Transformer<Frame, Buffer>
  const chunks: Buffer[] = []
  const controller = { enqueue: (chunk: Buffer) => chunks.push(chunk) } as unknown as Controller<Buffer>
  return {
    chunks,
    give: (frame: Buffer) => transformer.transform?.(frame, controller),
    complete: () => transformer.readComplete?.(controller),
  }
}

const frames = fc.array(
  fc
    .tuple(
      fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(9, 10, 99, 100, 20_000, 65_524, 65_525, 70_000)),
      fc.nat(57),
    )
    .filter(([length]) => length !== 1)
    .map(([length, byte]) => Buffer.alloc(length, byte)),
  { maxLength: 12 },
)

t.test('what several connections encode in one turn is theirs, whole and in order', async () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 3 }), fc.array(fc.nat(2)), (lists, order) => {
      const connections = lists.map(list => ({ list, ...open() }))
      const queues = connections.map(({ list }) => [...list])
      for (const index of [...order, ...queues.flatMap((queue, index) => queue.map(() => index))]) {
        const frame = queues[index % queues.length]?.shift()
        if (frame !== undefined) connections[index % queues.length]?.give(frame)
      }
      for (const { list, chunks, complete } of connections) {
        complete()
        assert.deepEqual(Buffer.concat(chunks), Buffer.concat(list.map(encoded)))
      }
    }),
    { numRuns: runs(500) },
  )
})

t.test('the frames of a turn are one chunk, and those of another turn leave it as it is', async t => {
  const { chunks, give, complete } = open()
  for (const text of ['one', 'two', 'three']) give(Buffer.from(text))
  t.equal(chunks.length, 0)
  complete()
  complete()
  t.equal(chunks.join(), '3one;3two;5three;')
  for (const text of ['four', 'five', 'six']) give(Buffer.from(text))
  complete()
  t.equal(chunks.join(' '), '3one;3two;5three; 4four;4five;3six;')
})

t.test(
  'a turn of more than 64 KiB is more than one chunk, and none is longer than its frame or that',
  async t => {
    const { chunks, give, complete } = open()
    for (let count = 0; count < 30; count++) give(Buffer.alloc(5_000))
    give(Buffer.alloc(100_000))
    complete()
    t.strictSame(
      chunks.map(({ length }) => length),
      [13 * 5_005, 13 * 5_005, 4 * 5_005, 100_007],
    )
  },
)

t.test('the frames before one that cannot be sent leave', async t => {
  for (const bad of ['x', 'a;b']) {
    for (const count of [0, 1, 2]) {
      const { chunks, give } = open()
      for (let index = 0; index < count; index++) give(Buffer.from('good'))
      t.throws(() => give(Buffer.from(bad)))
      t.equal(chunks.join(), '4good;'.repeat(count))
    }
  }
})

t.test('a frame is copied, so that its memory may be used again', async t => {
  const { chunks, give, complete } = open()
  const memory = Buffer.from('one')
  give(memory)
  memory.fill('x')
  complete()
  t.equal(chunks.join(), '3one;')
})

t.test('a length has as many digits as it needs', async t => {
  const to = Buffer.alloc(12)
  for (const value of [0, 1, 9, 10, 99, 100, 12_345, 999_999_999, 2 ** 32]) {
    t.equal(to.toString('latin1', 1, writeDecimal(value, to, 1)), String(value))
  }
})
