import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { OutputFrames } from '../../../lib/listener/websocket/output-frames.js'
import { runs } from '../../runs.js'
import { framesOf, OPCODES } from '../../transports/websocket-client.js'

type Messages = 'lines' | 'frames' | 'bytes'

/** The messages that a client makes of chunks of output; `open` is what has no end. */
function sent(messages: Messages, isText: boolean, chunks: readonly Buffer[]) {
  const output = new OutputFrames({ messages, isText })
  const bytes = Buffer.concat([...chunks.map(chunk => output.write(chunk)), output.end()])
  const { frames, rest } = framesOf(bytes)
  if (rest.length > 0) throw new Error('a frame is not complete')
  const whole: Buffer[] = []
  let open: Buffer[] | undefined
  for (const { opcode, isFinal, payload } of frames) {
    const expected = open === undefined ? (isText ? OPCODES.text : OPCODES.binary) : OPCODES.continuation
    if (opcode !== expected) throw new Error(`opcode ${opcode} in place of ${expected}`)
    open = [...(open ?? []), payload]
    if (!isFinal) continue
    whole.push(Buffer.concat(open))
    open = undefined
  }
  return { messages: whole, open: open && Buffer.concat(open), frames }
}

/** Bytes in which borders, delimiters and cut characters are likely. */
const bytes = fc
  .array(
    fc.oneof(
      fc.constantFrom('\n', '\r\n', '\r', 'a', 'é', '€', '😀', '').map(text => Buffer.from(text)),
      fc.constantFrom(0x80, 0xc3, 0xe2, 0xf0, 0x9f, 0xed, 0xa0, 0xff).map(byte => Buffer.of(byte)),
      fc.integer({ min: 0, max: 300 }).map(length => Buffer.alloc(length, 'x')),
    ),
    { maxLength: 30 },
  )
  .map(parts => Buffer.concat(parts))

/** Bytes, and places to cut them. */
const cutBytes = fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 20 })).map(([whole, places]) => {
  const cuts = [0, ...places.map(place => place % (whole.length + 1)).sort((a, b) => a - b), whole.length]
  return { whole, chunks: cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end)) }
})

/** The lines of a text, and what stands behind the last delimiter. */
function linesOf(whole: Buffer): readonly Buffer[] {
  const lines = whole.toString('latin1').split('\n')
  const last = lines.pop() as string
  const ended = lines.map(line => line.replace(/\r$/, ''))
  return [...ended, ...(last === '' ? [] : [last])].map(line => Buffer.from(line, 'latin1'))
}

const asText = (list: readonly Buffer[]) => list.map(one => Buffer.from(one.toString()))

t.test('each line is a message, whatever the cuts', async () => {
  fc.assert(
    fc.property(cutBytes, fc.boolean(), ({ whole, chunks }, isText) => {
      const { messages, open } = sent('lines', isText, chunks)
      assert.deepEqual(messages, isText ? asText(linesOf(whole)) : linesOf(whole))
      assert.equal(open, undefined)
    }),
    { numRuns: runs(1000) },
  )
})

t.test('each frame is a message without its length, whatever the cuts', async () => {
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 5 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      fc.boolean(),
      (list, places, isText) => {
        const whole = Buffer.concat(
          list.flatMap(one => {
            const length = Buffer.alloc(4)
            length.writeUInt32BE(one.length)
            return [length, one]
          }),
        )
        const cuts = [
          0,
          ...places.map(place => place % (whole.length + 1)).sort((a, b) => a - b),
          whole.length,
        ]
        const chunks = cuts.slice(1).map((end, index) => whole.subarray(cuts[index], end))
        const { messages, open } = sent('frames', isText, chunks)
        assert.deepEqual(messages, isText ? asText(list) : list)
        assert.equal(open, undefined)
      },
    ),
    { numRuns: runs(1000) },
  )
})

t.test('bytes come in the same order, and text is cut between characters', async () => {
  fc.assert(
    fc.property(cutBytes, fc.boolean(), ({ whole, chunks }, isText) => {
      const { messages, open } = sent('bytes', isText, chunks)
      assert.deepEqual(Buffer.concat(messages), isText ? Buffer.from(whole.toString()) : whole)
      assert.equal(open, undefined)
      for (const message of messages) assert.ok(message.length > 0)
      if (isText) assert.deepEqual(asText(messages), messages)
    }),
    { numRuns: runs(1000) },
  )
})

t.test(
  'a frame that is not complete is a message without an end, so that nobody takes it for a whole one',
  async t => {
    const { messages, open } = sent('frames', false, [Buffer.of(0, 0, 0, 5, 97, 98)])
    t.strictSame({ messages, open }, { messages: [], open: Buffer.from('ab') })
    t.strictSame(sent('frames', false, [Buffer.of(0, 0)]).frames, [])
  },
)

t.test('a line leaves as it comes, and nothing is held back but what cannot be sent', async t => {
  const output = new OutputFrames({ messages: 'lines', isText: true })
  const write = (chunk: Buffer | string) =>
    framesOf(output.write(Buffer.from(chunk))).frames.map(({ isFinal, payload }) => [
      isFinal,
      String(payload),
    ])
  t.strictSame(write('abc'), [[false, 'abc']])
  t.strictSame(write('d\r'), [[false, 'd']])
  t.strictSame(write(Buffer.of(0xc3)), [[false, '\r']], 'a CR within a line')
  t.strictSame(write(Buffer.of(0xa9, 0x0d)), [[false, 'é']])
  t.strictSame(write('\n'), [[true, '']])
  t.strictSame(write(''), [])
})

t.test('the end ends a line that has no line feed, with the bytes that were held back', async t => {
  t.strictSame(sent('lines', false, [Buffer.of(0xc3, 0x0d)]).messages, [Buffer.of(0xc3, 0x0d)])
  t.strictSame(sent('lines', true, [Buffer.of(0x61, 0xc3)]).messages, [Buffer.from('a\ufffd')])
})

t.test('the header has as few bytes as the length needs', async t => {
  for (const [size, header] of [
    [0, 2],
    [125, 2],
    [126, 4],
    [65_535, 4],
    [65_536, 10],
  ] as const) {
    const output = new OutputFrames({ messages: 'lines', isText: false })
    const frames = output.write(Buffer.concat([Buffer.alloc(size, 'x'), Buffer.from('\n')]))
    t.equal(frames.length, size + header, `${size}`)
    t.equal(framesOf(frames).frames[0]?.payload.length, size)
  }
})
