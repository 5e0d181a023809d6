import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { Connection } from '../../lib/index.js'
import {
  chat,
  counter,
  echo,
  type Preset,
  type PresetOptions,
  presets,
  uppercase,
  welcome,
} from '../../lib/presets/index.js'
import { chunkings, connect, fakeClock } from '../../lib/testing/index.js'
import { serveLocally } from '../listener/local-listener.js'
import { RUNS_ALL, runs } from '../runs.js'
import { connectTcp, exchange } from '../tcp-client.js'

const WELCOME = 'Welcome to the echo server! Type anything and press Enter.\n'
const SHOUT = 'Type a line and press Enter. I will shout it back.\n'
const TOO_LONG = 'error: line is longer than 4096 bytes\n'
const BANNERS = new Map([
  [echo, ''],
  [welcome, WELCOME],
  [counter, ''],
  [uppercase, SHOUT],
])
/** The presets that answer with what they are sent. */
const ECHOES = [echo, welcome, counter, uppercase]
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
/** How many clients of `counter` are there at once. */
const CROWD = RUNS_ALL ? 1000 : 200
const PLANS = ['fused', 'streams'] as const

/** What a preset answers to an input, byte by byte as in a C program. */
function answer(
  preset: Preset,
  input: Uint8Array,
  options: PresetOptions & { maxLength?: number } = {},
): Buffer {
  const { maxLength = 4096, overflow = 'error', banner = BANNERS.get(preset) } = options
  const output = [...Buffer.from(banner ?? '')]
  if (preset !== uppercase) return Buffer.from([...output, ...input])
  let line: number[] = []
  let over = false
  const put = () => {
    if (!over || overflow === 'truncate') output.push(...line, 0x0a)
    line = []
    over = false
  }
  for (const byte of input) {
    if (byte === 0x0a) {
      put()
    } else if (line.length < maxLength) {
      line.push(byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte)
    } else if (overflow === 'error') {
      return Buffer.concat([
        Buffer.from(output),
        Buffer.from(`error: line is longer than ${maxLength} bytes\n`),
      ])
    } else {
      over = true
    }
  }
  if (line.length > 0) put()
  return Buffer.from(output)
}

function cut(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size)
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * size, (index + 1) * size))
}

t.test('the presets are echo, welcome, counter, uppercase and chat', async t => {
  t.strictSame(presets, [...ECHOES, chat])
  t.strictSame(
    presets.map(({ name }) => name),
    ['echo', 'welcome', 'counter', 'uppercase', 'chat'],
  )
})

for (const plan of PLANS) {
  t.test(`plan ${plan}`, async t => {
    t.test('echo, welcome and counter send back every byte value, then FIN after FIN', async t => {
      for (const preset of [echo, welcome, counter]) {
        const { port, ended } = await serveLocally(t, preset.pipeline(), { plan })
        const client = await connectTcp(t, port)
        client.end(ALL_BYTES)
        const expected = Buffer.concat([Buffer.from(BANNERS.get(preset) ?? ''), ALL_BYTES])
        t.strictSame(await client.receive(), expected, preset.name)
        t.equal(await client.closed, undefined, 'without a reset')
        t.match(await ended(1), [{ reason: 'end', bytesRead: 256, bytesWritten: expected.length }])
      }
    })

    t.test('echo, welcome and counter send back several MiB', async t => {
      const sent = randomBytes(5 * 1024 * 1024 + 1)
      for (const preset of [echo, welcome, counter]) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        const received = await exchange(t, port, cut(sent, 100_003))
        const banner = Buffer.from(BANNERS.get(preset) ?? '')
        t.equal(received.length, banner.length + sent.length)
        t.ok(received.equals(Buffer.concat([banner, sent])), preset.name)
      }
    })

    t.test('a client that sends everything and FIN before it reads anything gets everything', async t => {
      const sent = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(64))
      for (const preset of ECHOES) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        const client = await connectTcp(t, port)
        await client.send(sent)
        client.end()
        t.ok((await client.receive()).equals(answer(preset, sent)), preset.name)
      }
    })

    t.test('a client that sends nothing but FIN gets the banner alone, then FIN', async t => {
      for (const preset of ECHOES) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        t.equal((await exchange(t, port, [])).toString(), BANNERS.get(preset), preset.name)
      }
    })

    t.test('a megabyte in one write is answered', async t => {
      const sent = Buffer.from(`${'paste me '.repeat(100)}\n`.repeat(1164))
      t.ok(sent.length >= 1024 * 1024)
      for (const preset of ECHOES) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        t.ok((await exchange(t, port, [sent])).equals(answer(preset, sent)), preset.name)
      }
    })

    t.test('single bytes are answered one by one, and line by line', async t => {
      const sent = Buffer.from('h\u00e9llo\r\n\n\0world')
      for (const preset of ECHOES) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        const client = await connectTcp(t, port)
        await client.receive(Buffer.byteLength(BANNERS.get(preset) ?? ''))
        for (const byte of sent) {
          await client.send(Buffer.from([byte]))
          if (preset !== uppercase) t.strictSame(await client.receive(1), Buffer.from([byte]))
        }
        if (preset === uppercase) t.strictSame(await client.receive(9), Buffer.from('H\u00e9LLO\r\n\n'))
        client.end()
        const rest = (await client.receive()).toString()
        t.equal(rest, preset === uppercase ? '\0WORLD\n' : '', `${preset.name} after FIN`)
      }
    })

    t.test('welcome and uppercase greet before any input', async t => {
      for (const [preset, banner] of [
        [welcome, WELCOME],
        [uppercase, SHOUT],
      ] as const) {
        const { port } = await serveLocally(t, preset.pipeline(), { plan })
        const client = await connectTcp(t, port)
        t.equal((await client.receive('\n')).toString(), banner)
      }
    })

    t.test('welcome and uppercase greet with the text that they are given', async t => {
      for (const preset of [welcome, uppercase]) {
        for (const banner of ['gr\u00fc\u00dfe\n', '']) {
          const { port } = await serveLocally(t, preset.pipeline({ banner }), { plan })
          t.equal((await exchange(t, port, ['A\n'])).toString(), `${banner}A\n`)
        }
      }
    })

    t.test('counter logs the real address of a client, and how many were served', async t => {
      const log: string[] = []
      const { port, ended } = await serveLocally(t, counter.pipeline({ log: line => log.push(line) }), {
        plan,
      })
      for (const number of [1, 2, 3]) {
        const client = await connectTcp(t, port)
        await client.send('x')
        await client.receive(1)
        t.strictSame(log.splice(0), [`[conn #${number}] new client from ${client.address}`])
        client.end()
        await ended(number)
        t.strictSame(log.splice(0), [`[server] client disconnected (total served: ${number})`])
      }
    })

    t.test(`counter numbers ${CROWD} clients at once from 1 to ${CROWD}`, async t => {
      const log: string[] = []
      const { port, ended } = await serveLocally(t, counter.pipeline({ log: line => log.push(line) }), {
        plan,
      })
      const clients = await Promise.all(Array.from({ length: CROWD }, () => connectTcp(t, port)))
      for (const client of clients) await client.send(client.address)
      for (const { address, receive } of clients) {
        t.equal((await receive(address.length)).toString(), address)
      }
      const opened = log.splice(0).map(line => /^\[conn #(\d+)\] new client from (\S+)$/.exec(line) ?? [])
      t.strictSame(
        opened.map(([, number]) => Number(number)),
        Array.from({ length: CROWD }, (_, index) => index + 1),
      )
      t.strictSame(
        opened.map(([, , address]) => address).sort(),
        clients.map(({ address }) => address).sort(),
      )
      for (const client of clients) client.end()
      await ended(CROWD)
      t.strictSame(log, Array(CROWD).fill(`[server] client disconnected (total served: ${CROWD})`))
    })

    t.test('counter logs the end of a client that resets', async t => {
      const log: string[] = []
      const { port, ended } = await serveLocally(t, counter.pipeline({ log: line => log.push(line) }), {
        plan,
      })
      const client = await connectTcp(t, port)
      await client.send('x')
      await client.receive(1)
      client.reset()
      await ended(1)
      t.strictSame(log, [
        `[conn #1] new client from ${client.address}`,
        '[server] client disconnected (total served: 1)',
      ])
    })

    t.test('uppercase changes a to z and no other byte', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline(), { plan })
      const sent = Buffer.concat([ALL_BYTES, Buffer.from('\u00e9 \u00df \u00b5 \u00ff mixed\r\n'), ALL_BYTES])
      const received = await exchange(t, port, [sent])
      const expected = Buffer.from([...sent].map(byte => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte)))
      t.strictSame(received, Buffer.concat([Buffer.from(SHOUT), expected, Buffer.from('\n')]))
    })

    t.test('uppercase answers an unfinished last line at FIN', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline(), { plan })
      t.equal((await exchange(t, port, ['one\ntwo'])).toString(), `${SHOUT}ONE\nTWO\n`)
    })

    t.test('uppercase answers a line of 4,096 bytes, finished or not', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline(), { plan })
      const line = 'x'.repeat(4096)
      const sent = `${line}\n${line}\n${line}`
      t.equal((await exchange(t, port, [sent])).toString(), `${SHOUT}${sent.toUpperCase()}\n`)
    })

    t.test('uppercase answers the lines before one of 4,097 bytes, says why, and closes', async t => {
      const line = 'x'.repeat(4096)
      const bytes = Buffer.from(`one\n\n${line}\n${line}y\nnever\n`)
      const oneChunk = [bytes]
      const perLine = [bytes.subarray(0, 5), bytes.subarray(5, 4102), bytes.subarray(4102)]
      for (const chunks of [oneChunk, perLine, cut(bytes, 1000)]) {
        const { port, ended } = await serveLocally(t, uppercase.pipeline(), { plan })
        const client = await connectTcp(t, port)
        for (const chunk of chunks) await client.send(chunk)
        t.equal(
          (await client.receive()).toString(),
          `${SHOUT}ONE\n\n${line.toUpperCase()}\n${TOO_LONG}`,
          `${chunks.length} chunks`,
        )
        client.end()
        t.equal(await client.closed, undefined, 'without a reset')
        t.match(await ended(1), [{ reason: 'frame-too-long' }])
      }
    })

    t.test('uppercase does not wait for the end of a line that is too long', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline(), { plan })
      const client = await connectTcp(t, port)
      await client.send('one\n')
      t.equal((await client.receive(SHOUT.length + 4)).toString(), `${SHOUT}ONE\n`)
      for (let byte = 0; byte < 4097; byte++) await client.send('x')
      t.equal((await client.receive()).toString(), TOO_LONG)
    })

    t.test('uppercase tells a client that goes on sending what was wrong', async t => {
      const clock = fakeClock()
      const { port, ended } = await serveLocally(t, uppercase.pipeline(), { plan, clock })
      const client = await connectTcp(t, port)
      client.end(Buffer.concat([Buffer.from('one\n'), Buffer.alloc(4 * 1024 * 1024, 'x')]))
      t.equal((await client.receive()).toString(), `${SHOUT}ONE\n${TOO_LONG}`)
      clock.advance(2000)
      t.match(await ended(1), [{ reason: 'frame-too-long' }])
    })

    t.test('uppercase with overflow truncate answers the first bytes of a longer line', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline({ overflow: 'truncate' }), { plan })
      const long = 'x'.repeat(4096)
      t.equal(
        (await exchange(t, port, [`a\n${long}yz\nb\n${long}y`])).toString(),
        `${SHOUT}A\n${long.toUpperCase()}\nB\n${long.toUpperCase()}\n`,
      )
    })

    t.test('uppercase with overflow skip leaves longer lines out', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline({ overflow: 'skip' }), { plan })
      const long = 'x'.repeat(4097)
      t.equal((await exchange(t, port, [`a\n${long}\nb\n${long}`])).toString(), `${SHOUT}A\nB\n`)
    })

    t.test('uppercase names the limit that it was given', async t => {
      const { port } = await serveLocally(t, uppercase.pipeline({ maxLength: 3 }), { plan })
      t.equal(
        (await exchange(t, port, ['abc\nabcd\n'])).toString(),
        `${SHOUT}ABC\nerror: line is longer than 3 bytes\n`,
      )
    })

    t.test('a client keeps a correct echo while another resets', async t => {
      const sent = Buffer.from(`${'b'.repeat(99)}\n`.repeat(1000))
      for (const preset of ECHOES) {
        const { port, ended } = await serveLocally(t, preset.pipeline(), { plan })
        const bystander = await connectTcp(t, port)
        const received = bystander.receive()
        await bystander.send(sent)
        const other = await connectTcp(t, port)
        await other.send('other\n')
        await other.receive('\n')
        if (BANNERS.get(preset)) await other.receive('\n')
        other.reset()
        t.match(await ended(1), [{ reason: 'client-reset' }])
        await bystander.send(sent)
        bystander.end()
        t.ok((await received).equals(answer(preset, Buffer.concat([sent, sent]))), preset.name)
        t.match(await ended(2), [{ reason: 'client-reset' }, { reason: 'end' }])
      }
    })

    t.test('a client keeps a correct echo while another sends a line that is too long', async t => {
      const { port, ended } = await serveLocally(t, uppercase.pipeline(), { plan })
      const bystander = await connectTcp(t, port)
      await bystander.send('half a ')
      t.equal((await exchange(t, port, ['x'.repeat(4097)])).toString(), `${SHOUT}${TOO_LONG}`)
      t.match(await ended(1), [{ reason: 'frame-too-long' }])
      bystander.end('line\n')
      t.equal((await bystander.receive()).toString(), `${SHOUT}HALF A LINE\n`)
    })

    t.test('every preset gives the same bytes however its input is cut', async t => {
      const input = Buffer.concat([Buffer.from('h\u00e9llo\r\n\nw\0rld\n'), Buffer.from([0x61, 0x80, 0xff])])
      for (const preset of ECHOES) {
        for (const chunks of chunkings(input)) {
          const client = connect(preset.pipeline(), { plan })
          for (const chunk of chunks) client.send(chunk)
          client.end()
          t.strictSame(
            await client.receive(),
            answer(preset, input),
            `${preset.name}, ${chunks.length} chunks`,
          )
          t.match(await client.outcome, { reason: 'end', bytesRead: input.length })
        }
      }
    })
  })
}

t.test(
  'both plans of every preset do what a byte-by-byte program does, for random bytes and cuts',
  async t => {
    const byte = fc.oneof(
      fc.constant(0x0a),
      fc.integer({ min: 0x61, max: 0x7a }),
      fc.integer({ min: 0, max: 255 }),
    )
    const chunks = fc.array(fc.array(byte, { maxLength: 20 }).map(bytes => Buffer.from(bytes)))
    const options = fc.record({
      banner: fc.string(),
      maxLength: fc.integer({ min: 1, max: 12 }),
      overflow: fc.constantFrom('error' as const, 'truncate' as const, 'skip' as const),
    })
    for (const preset of ECHOES) {
      await fc.assert(
        fc.asyncProperty(chunks, options, async (chunks, options) => {
          const given = preset.definition.options.banner === undefined ? { ...options, banner: '' } : options
          for (const plan of PLANS) {
            const client = connect(preset.pipeline(given), { plan })
            for (const chunk of chunks) client.send(chunk)
            client.end()
            const received = await client.receive()
            const expected = answer(preset, Buffer.concat(chunks), given)
            if (!received.equals(expected)) {
              throw new Error(
                `Plan ${plan} gave ${received.toString('latin1')}, not ${expected.toString('latin1')}.`,
              )
            }
            await client.outcome
          }
        }),
        { numRuns: runs(100) },
      )
      t.pass(preset.name)
    }
  },
)

t.test('counter writes an IPv6 address in brackets, and says when there is no address', async t => {
  const log: string[] = []
  const pipeline = counter.pipeline({ log: line => log.push(line) })
  for (const endpoints of [{ remoteAddress: '::1', remotePort: 53012 }, { remoteAddress: '::1' }, {}]) {
    const client = connect(pipeline, { connection: new Connection(1, endpoints) })
    client.end()
    await client.receive()
    await client.outcome
  }
  t.match(
    log.filter(line => line.startsWith('[conn')),
    [
      '[conn #1] new client from [::1]:53012',
      '[conn #2] new client from an unknown address',
      '[conn #3] new client from an unknown address',
    ],
  )
})

t.test('counter without a log counts in silence', async t => {
  const client = connect(counter.pipeline())
  client.end('x')
  t.equal((await client.receive()).toString(), 'x')
  t.match(await client.outcome, { reason: 'end' })
})
