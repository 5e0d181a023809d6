import t from 'tap'
import {
  clientFrame,
  closeFrame,
  codeOf,
  framesToClose,
  nextFrame,
  OPCODES,
  openLines,
  upgraded,
} from '../transports/websocket-client.js'
import { mostMemory } from './memory.js'
import { underFault } from './oracle.js'
import { MIB } from './pipelines.js'

const target = {
  pipeline: 'lines',
  options: { websocket: { messages: 'lines', maxLength: MIB } },
  open: openLines,
} as const
const GIB = 1024 * MIB

/** What a client may send after its first message, and how the server ends that. */
const VIOLATIONS = [
  ['an unmasked frame', clientFrame(OPCODES.text, 'x', { isMasked: false }), 1002, 'invalid-frame'],
  ['a length of 1 GiB', clientFrame(OPCODES.text, 'x', { size: GIB }), 1009, 'frame-too-long'],
  ['a length beyond 2^53', clientFrame(OPCODES.text, 'x', { size: 2 ** 60 }), 1009, 'frame-too-long'],
  ['text that is not UTF-8', clientFrame(OPCODES.text, Buffer.of(0xff)), 1007, 'invalid-utf8'],
  ['an opcode that does not exist', clientFrame(3, 'x'), 1002, 'invalid-frame'],
  ['a continuation of nothing', clientFrame(OPCODES.continuation, 'x'), 1002, 'invalid-frame'],
  ['a ping in fragments', clientFrame(OPCODES.ping, 'x', { isFinal: false }), 1002, 'invalid-frame'],
  ['a close frame with a code that is not allowed', closeFrame(1005), 1002, 'invalid-frame'],
] as const

for (const [name, frame, code, reason] of VIOLATIONS) {
  t.test(`47: ${name}`, t =>
    underFault(t, { ...target, reasons: { [reason]: 1 } }, async ({ client, ended }) => {
      const one = await upgraded(await client())
      await one.send(Buffer.concat([clientFrame(OPCODES.text, 'good'), frame]))
      const [answer, farewell, close] = await framesToClose(one)
      t.equal(String(answer?.payload), 'good', 'what came before it is answered')
      t.match(String(farewell?.payload), /^error: /)
      t.equal(close && codeOf(close), code)
      one.end()
      await ended(1)
    }),
  )
}

t.test('47: a close frame without a code is a clean end', t =>
  underFault(t, { ...target, reasons: { end: 1 } }, async ({ client, ended }) => {
    const one = await upgraded(await client())
    await one.send(Buffer.concat([clientFrame(OPCODES.text, 'tail'), closeFrame()]))
    t.equal(String((await nextFrame(one)).payload), 'tail')
    const close = await nextFrame(one)
    t.strictSame([close.opcode, codeOf(close)], [OPCODES.close, undefined])
    t.equal((await one.receive()).length, 0, 'FIN behind it')
    await ended(1)
  }),
)

t.test('47: half a message, then RST or FIN', t =>
  underFault(t, { ...target, reasons: { 'client-reset': 2 } }, async ({ client, ended }) => {
    for (const [index, end] of (['reset', 'end'] as const).entries()) {
      const one = await upgraded(await client())
      await one.send(clientFrame(OPCODES.text, 'half', { isFinal: false }))
      one[end]()
      await ended(index + 1)
    }
  }),
)

t.test('47: a flood of pings from a client that does not read', t =>
  underFault(t, { ...target, apart: true }, async ({ client, server }) => {
    const one = await upgraded(await client())
    const pings = Buffer.concat(Array(64 * 1024).fill(clientFrame(OPCODES.ping, 'x'.repeat(100))))
    // Some of it stays in the sockets, since the server may stop to read.
    const sent = Promise.race([one.send(Buffer.concat([pings, pings, pings, pings])), one.closed])
    const grown = await mostMemory(server, sent)
    t.ok(grown < 8 * MIB, `it grew by ${(grown / MIB).toFixed(1)} MiB`)
  }),
)

t.test('47: a client that sends 32 MiB of lines and reads nothing', t => {
  const options = { websocket: { messages: 'lines' }, drainTimeout: 1000 } as const
  return underFault(
    t,
    { ...target, options, apart: true, reasons: { 'drain-timeout': 1 } },
    async ({ client, ended, server }) => {
      const one = await upgraded(await client())
      const messages = Buffer.concat(Array(1024).fill(clientFrame(OPCODES.text, 'x'.repeat(1023))))
      void one.send(Buffer.concat(Array(32).fill(messages)))
      const grown = await mostMemory(server, ended(1))
      t.ok(grown < 8 * MIB, `it grew by ${(grown / MIB).toFixed(1)} MiB`)
    },
  )
})
