import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { pipelineFor } from '../../lib/cli/pipeline-flags.js'
import { memoryBound } from '../../lib/config/memory-bound.js'
import { builtIn } from '../../lib/config/registry.js'
import { Connection, lines, type Pipeline, pipeline, replace, throttle, toLines } from '../../lib/index.js'
import { PLANS } from '../plans.js'
import { RUNS_ALL, runs } from '../runs.js'
import { connectTcp } from '../tcp-client.js'
import { CASES } from './memory-cases.js'

type Plan = (typeof PLANS)[number]

const READ = 65_536
/** The high-water mark of a socket since Node 22; that of Node 20 is smaller. */
const MARK = 65_536

/** Pieces of input, from which short units are made. */
const ALPHABET = [
  '\n',
  '\r\n',
  ';',
  'ab;',
  'a',
  '\xff',
  '\xc0',
  '\xdb\xdc',
  '\0',
  '\x01a',
  '\0\0\0\x02',
  '0:,',
  '*0\r\n',
  '0\n',
  '1 a',
  '\v\x1c\r',
  '3:abc,',
  '1e20',
  '[]',
  '"é"',
  'é',
  'ΐ',
  'Ⱥ',
  'ß',
  '€',
  ' ',
  'QUFB',
  '4142',
].map(text =>
  /[^\0-\xff]/.test(text) || text.includes('é') || text === 'ß'
    ? Buffer.from(text)
    : Buffer.from(text, 'latin1'),
)

function line(start: string, repeated: string, end: string): Buffer {
  const middle = Buffer.alloc(READ - 1 - start.length - end.length, repeated, 'latin1')
  return Buffer.concat([Buffer.from(start), middle, Buffer.from(end)])
}

/** Longer units: lines and a frame that fill a read, and any bytes. */
const LONG_UNITS = [
  line('', 'a', '\n'),
  line('', '\xff', '\n'),
  line('[', '1e20,', '1]\n'),
  line('', 'a', ';'),
  line('', '\xc0', ';;'),
  Buffer.concat([Buffer.alloc(127, 'a'), Buffer.from(';')]),
  Buffer.from(Array.from({ length: READ }, (_, index) => (index * 7919 + (index >> 3)) % 251)),
]

function repeated(unit: Buffer, bytes: number): Buffer {
  return Buffer.alloc(bytes, unit)
}

/** Resolves when a number has not changed for some turns of the event loop. */
async function settled(look: () => number): Promise<void> {
  for (let before = -1, quiet = 0; quiet < 4; ) {
    const now = look()
    quiet = now === before ? quiet + 1 : 0
    before = now
    await new Promise(resolve => setImmediate(resolve))
  }
}

/**
 * The bytes that are held for a client that sends chunks and reads nothing: in the socket, each way, and between the stages.
 * The socket reads on until its mark is passed, as Node's own do.
 */
async function held(
  served: Pipeline<Buffer, Buffer>,
  plan: Plan,
  chunks: readonly Buffer[],
  isDone = (_output: number) => true,
) {
  const duplex = new Duplex({
    readableHighWaterMark: MARK,
    writableHighWaterMark: MARK,
    read() {},
    write() {},
  })
  const connection = new Connection(1, duplex as never)
  const handled = served.handle(duplex, { plan, connection, farewell: () => undefined })
  const { direct } = served.explain({ plan })
  do await new Promise(resolve => setImmediate(resolve))
  while (!direct && connection.counts.length === 0)
  const progress = () =>
    connection.counts.reduce((sum, { out }) => sum + out.items, duplex.writableLength + duplex.readableLength)
  let given = 0
  let most = 0
  for (const chunk of chunks) {
    given += chunk.length
    const before = duplex.writableLength
    const more = duplex.push(chunk)
    if (!direct) await settled(progress)
    most = Math.max(most, duplex.writableLength - before)
    if (!more) break
  }
  while (!isDone(duplex.writableLength)) await new Promise(resolve => setImmediate(resolve))
  const { readableLength: ahead, writableLength: output } = duplex
  // What has gone to the first stage, into it, out of it, into the next, and so on up to what has left the last.
  const passed = [
    given - ahead,
    ...connection.counts.flatMap(count => [count.in.bytes, count.out.bytes]),
    output,
  ]
  // Where more comes out than goes in, nothing waits that a difference could show.
  const waiting = passed.reduce((sum, bytes, at) => sum + Math.max(0, bytes - (passed[at + 1] ?? bytes)), 0)
  duplex.destroy()
  await handled
  return { ahead, output, most, all: ahead + output + (direct ? 0 : waiting) }
}

/**
 * The units whose repetition makes the most output: of the alphabet, of its best pieces with each other one behind, and of the
 * longer units.
 */
async function worstUnits(served: Pipeline<Buffer, Buffer>): Promise<readonly Buffer[]> {
  const best = async (units: readonly Buffer[], bytes: number, count: number) => {
    const found = await Promise.all(
      units.map(async unit => ({ unit, ...(await held(served, 'fused', [repeated(unit, bytes)])) })),
    )
    found.sort((one, other) => other.output - one.output)
    return found.slice(0, count).map(({ unit }) => unit)
  }
  const singles = await best(ALPHABET, 256, RUNS_ALL ? 6 : 1)
  const seconds = ALPHABET
  const pairs = singles.flatMap(first => seconds.map(second => Buffer.concat([first, second])))
  const count = RUNS_ALL ? 2 : 1
  return [...(await best([...singles, ...pairs], 256, count)), ...(await best(LONG_UNITS, READ, count))]
}

/** What a client sends: with output below its mark first, and with an unfinished frame first. */
function inputs(unit: Buffer): readonly (readonly Buffer[])[] {
  const units = (bytes: number) => repeated(unit, bytes - (bytes % unit.length))
  const read = units(READ - 1)
  const small = units(1000)
  return [
    [small, repeated(unit, READ), small, read],
    [read.subarray(0, -1), Buffer.concat([read.subarray(-1), read]), read],
  ]
}

/** Checks what is held against the bound, and returns the most output that was made of one read. */
async function checkHeld(t: Test, served: Pipeline<Buffer, Buffer>, plan: Plan, chunks: readonly Buffer[]) {
  const bound = memoryBound(served, plan)
  const seen = await held(served, plan, chunks)
  const numbers = `${served.name} (${plan}): ${JSON.stringify(seen)} of ${JSON.stringify(bound)}`
  t.ok(seen.all <= bound.bytes && seen.ahead < MARK + READ && seen.output < MARK + bound.output, numbers)
  return seen.most
}

for (const [name, texts] of Object.entries(CASES)) {
  t.test(
    `${name}: no more is held than is stated, and more than a quarter of the output is seen`,
    async t => {
      for (const text of texts) {
        const served = pipelineFor(text, builtIn())
        const units = await worstUnits(served)
        let most = 0
        for (const chunks of units.flatMap(inputs)) {
          most = Math.max(most, await checkHeld(t, served, 'fused', chunks))
        }
        const ofStreams = inputs(units[0] as Buffer)
        for (const chunks of RUNS_ALL ? ofStreams : text === texts[0] ? ofStreams.slice(0, 1) : []) {
          await checkHeld(t, served, 'streams', chunks)
        }
        if (!served.explain().direct) continue
        const { output } = memoryBound(served, 'fused')
        t.ok(output <= 4 * most, `${text}: ${output} stated, ${most} seen`)
      }
    },
  )
}

const LINE_STAGES = [
  'uppercase',
  'uppercase --mode unicode',
  'lowercase --mode unicode',
  'prefix xyz',
  'number',
  'replace a bcd',
  'trim',
  'skip 1',
  'counter',
  'json-lines --invalid skip | to-json-lines',
  'throttle --frames-per-second 1000000',
]
const BYTE_STAGES = [
  'to-hex',
  'to-base64',
  'welcome hi',
  'gzip',
  'throttle --bytes-per-second 1GiB --burst 1000',
  'delimited --delimiters a --overflow truncate --max-length 100 | to-netstring',
  'lines --overflow skip | number | to-lines',
]

t.test('no more is held than is stated by lists of several stages', async t => {
  const some = (from: readonly string[]) => fc.array(fc.constantFrom(...from), { maxLength: 3 })
  const decoder = fc.constantFrom(
    'lines',
    'lines --encoding latin1',
    'lines --max-length 99 --overflow truncate',
  )
  const unit = fc.array(fc.constantFrom(...ALPHABET), { minLength: 1, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(
      decoder,
      some(LINE_STAGES),
      some(BYTE_STAGES),
      unit,
      fc.constantFrom(...PLANS),
      async (first, ofLines, ofBytes, parts, plan) => {
        const served = pipelineFor([first, ...ofLines, 'to-lines', ...ofBytes].join(' | '), builtIn())
        for (const chunks of inputs(Buffer.concat(parts))) await checkHeld(t, served, plan, chunks)
      },
    ),
    { numRuns: runs(25) },
  )
})

t.test('a throttle cuts bytes into pieces, of which one waits', async t => {
  const [small, large] = [{ burst: 1 }, {}].map(options =>
    memoryBound(pipeline().through(throttle({ bytesPerSecond: 65_536, ...options })), 'fused'),
  )
  t.strictSame(small, large)
})

t.test('a stream of bytes stops at its own mark', async t => {
  const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024))
  const noise = randomBytes(2 * READ)
  for (const [text, chunk] of [
    ['gunzip', bomb],
    ['gunzip | to-hex', bomb],
    ['gzip', noise],
  ] as const) {
    for (const plan of PLANS) {
      const served = pipelineFor(text, builtIn())
      const { output } = memoryBound(served, plan)
      const seen = await held(served, plan, Array(9).fill(chunk), total => total >= MARK)
      t.ok(
        seen.output >= MARK && seen.output < MARK + output,
        `${text} (${plan}): ${seen.output}, ${output} stated`,
      )
    }
  }
})

t.test(
  'long lines in front of a stage that is a stream: more than a quarter of the bound is seen',
  async t => {
    const served = pipelineFor('lines | throttle --frames-per-second 1 --burst 1 | to-lines', builtIn())
    const long = line('', 'a', '\n')
    for (const plan of PLANS) {
      const { bytes } = memoryBound(served, plan)
      const { all } = await held(served, plan, Array(99).fill(long))
      // A string may take two bytes for each character.
      t.ok(all <= bytes && bytes <= 8 * all, `${plan}: ${all} characters of ${bytes} bytes`)
    }
  },
)

t.test('of chunks of one byte, 2 KiB wait in front of gzip', async t => {
  const duplex = new Duplex({ read() {}, write() {} })
  const connection = new Connection(1, duplex as never)
  const handled = pipelineFor('gzip', builtIn()).handle(duplex, { connection })
  while (connection.counts.length === 0) await new Promise(resolve => setImmediate(resolve))
  // In one turn of the event loop, so that zlib answers none of them.
  for (let count = 0; count < 20_000; count++) duplex.push('x')
  t.equal(connection.counts[0]?.in.items, 2048)
  duplex.destroy()
  await handled
})

t.test('a real socket holds more than one read, and no more than is stated', async t => {
  const served = pipeline()
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const { socket: client } = await connectTcp(t, (server.address() as AddressInfo).port)
  const [socket] = await accepted
  const handled = served.handle(socket)
  // More than the kernel takes. The client reads nothing.
  client.write(Buffer.alloc(64 * 1024 * 1024))
  while (!socket.writableNeedDrain || socket.readableLength < socket.readableHighWaterMark) {
    await new Promise(resolve => setImmediate(resolve))
  }
  const all = socket.readableLength + socket.writableLength
  const { bytes } = memoryBound(served, 'fused')
  t.ok(all > READ && all <= bytes, `${all} of ${bytes}`)
  client.destroy()
  await handled
})

t.test('half a character may leave its other half, which takes more bytes alone', async t => {
  const half = pipeline().through(lines()).through(replace('\ud83d', 'abcd')).through(toLines())
  const unit = Buffer.from('😀')
  const most = await checkHeld(
    t,
    half,
    'fused',
    inputs(Buffer.concat([unit, Buffer.from('\n')]))[0] as Buffer[],
  )
  t.ok(most > READ)
})
