import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  asyncMap,
  delimited,
  type Listener,
  lengthPrefixed,
  lines,
  listen,
  map,
  type Pipeline,
  pipeline,
  stage,
  throttle,
  toDelimited,
  toLengthPrefixed,
  toLines,
  uppercase,
  upstream,
  welcome,
} from '../../../lib/index.js'
import { runs } from '../../runs.js'
import { identity } from '../../transports/certificates.js'

type Served = Pipeline<Buffer, Buffer>
const same = (text: string) => text
const upper = (text: string) => text.toUpperCase()

/** Gives each chunk only when the next one has come, and the last at the end. */
const late = stage<Buffer, Buffer>({
  name: 'late',
  accepts: 'bytes',
  emits: 'bytes',
  open: () => {
    const kept: Buffer[] = []
    return {
      transform: (chunk, controller) => {
        kept.push(chunk)
        if (kept.length > 2) controller.enqueue(kept.shift() as Buffer)
      },
      flush: controller => {
        for (const chunk of kept) controller.enqueue(chunk)
      },
    }
  },
})

/** A server behind the proxies, which echoes. */
const backend = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
  socket.on('error', () => {}).pipe(socket)
})
backend.listen(0, '127.0.0.1')
await once(backend, 'listening')
t.teardown(() => backend.close())
const BACKEND = `127.0.0.1:${(backend.address() as AddressInfo).port}`

/** Pipelines that use what they read in every way, and what they make of lines. */
const SERVED: Record<string, readonly [Served, (text: string) => string]> = {
  echo: [pipeline(), same],
  greeted: [
    pipeline().through(lines()).through(uppercase()).through(toLines()).through(welcome('hi\n')),
    text => `hi\n${upper(text)}`,
  ],
  blocks: [pipeline().through(lines()).through(uppercase()).through(toLines()), upper],
  loop: [pipeline().through(lines()).through(map('own', upper)).through(toLines()), upper],
  'promises in the loop': [
    pipeline()
      .through(lines())
      .through(map('own', async line => upper(line)))
      .through(toLines()),
    upper,
  ],
  'lines by themselves': [
    pipeline()
      .through(lines({ encoding: 'latin1' }))
      .through(asyncMap('own', async (line: string) => upper(line)))
      .through(toLines()),
    upper,
  ],
  'a stage that keeps its chunks': [pipeline().through(late), same],
  'blocks in front of one': [
    pipeline().through(lines()).through(uppercase()).through(toLines()).through(late),
    upper,
  ],
  frames: [
    pipeline()
      .through(delimited({ delimiters: '\n' }))
      .through(toDelimited('\n')),
    same,
  ],
  proxy: [pipeline().through(upstream(BACKEND)), same],
  'a proxy in front of blocks': [
    pipeline().through(upstream(BACKEND)).through(lines()).through(uppercase()).through(toLines()),
    upper,
  ],
  'a proxy behind lines': [
    pipeline().through(lines()).through(map('own', upper)).through(toLines()).through(upstream(BACKEND)),
    upper,
  ],
  throttled: [pipeline().through(throttle({ bytesPerSecond: 1_000_000_000 })), same],
  prefixed: [
    pipeline()
      .through(lines({ encoding: 'buffer' }))
      .through(toLengthPrefixed({ width: 2 }))
      .through(lengthPrefixed({ width: 2 }))
      .through(toDelimited('\n')),
    same,
  ],
}

interface Client {
  readonly name: string
  readonly letter: string
  readonly pieces: readonly number[]
  readonly ending: 'end' | 'reset'
  readonly stalls: boolean
}

const CLIENT: fc.Arbitrary<Client> = fc.record({
  name: fc.constantFrom(...Object.keys(SERVED)),
  letter: fc.constantFrom(...'abcdefghijklmnop'),
  pieces: fc.array(
    fc.oneof(fc.integer({ min: 1, max: 200 }), fc.constantFrom(8_191, 8_192, 30_000, 70_000)),
    {
      minLength: 1,
      maxLength: 6,
    },
  ),
  ending: fc.constantFrom('end' as const, 'end' as const, 'reset' as const),
  stalls: fc.boolean(),
})

/** Lines of one letter, each with the number of the line, in one piece. */
function textOf({ letter, pieces }: Client): string {
  const length = pieces.reduce((sum, size) => sum + size, 0)
  let text = ''
  for (let line = 0; text.length < length; line++) text += `${letter.repeat(1 + (line % 97))}${line}\n`
  return text
}

/** Sends a client's text in its pieces, and resolves with all that comes back. */
async function converse(socket: Socket, client: Client): Promise<string> {
  let received = ''
  const text = textOf(client)
  socket.setEncoding('latin1').on('error', () => {})
  if (client.stalls) socket.pause()
  socket.on('data', (data: string) => {
    received += data
  })
  const closed = once(socket, 'close')
  let from = 0
  for (const size of client.pieces) {
    socket.write(text.slice(from, from + size))
    from += size
    await new Promise(resolve => setImmediate(resolve))
  }
  if (client.ending === 'reset') {
    socket.resetAndDestroy()
  } else {
    socket.end(text.slice(from))
    if (client.stalls) setImmediate(() => socket.resume())
  }
  await closed
  return received
}

async function serveAll(t: Test, options: { readonly path?: string } = {}): Promise<Map<string, Listener>> {
  const listeners = new Map<string, Listener>()
  for (const [name, [served]] of Object.entries(SERVED)) {
    const { path } = options
    const address =
      path === undefined ? { host: '127.0.0.1', port: 0 } : { path: `${path}-${listeners.size}` }
    const listener = await listen(served, { ...address, onError: () => {} })
    listeners.set(name, listener)
    t.teardown(() => listener.close({ timeout: 0 }))
  }
  return listeners
}

t.test('each of many connections gets what belongs to it, and nothing else', async t => {
  const listeners = await serveAll(t)
  await fc.assert(
    fc.asyncProperty(fc.array(CLIENT, { minLength: 1, maxLength: 8 }), async clients => {
      await Promise.all(
        clients.map(async client => {
          const { port } = (listeners.get(client.name) as Listener).address
          const received = await converse(connect({ port, host: '127.0.0.1', noDelay: true }), client)
          const expected = SERVED[client.name]?.[1](textOf(client)) as string
          if (client.ending === 'end' ? received !== expected : !expected.startsWith(received))
            throw new Error(`${client.name}: ${received.length} of ${expected.length} characters`)
        }),
      )
    }),
    { numRuns: runs(100) },
  )
})

const CLIENTS: readonly Client[] = Object.keys(SERVED).map((name, index) => ({
  name,
  letter: 'abcdefghijklmnop'[index] as string,
  pieces: [10, 9_000, 70_000, 5],
  ending: 'end',
  stalls: index % 2 === 0,
}))

t.test('so does each of a unix socket', { skip: process.platform === 'win32' }, async t => {
  const path = join(tmpdir(), `bywash-reads-${process.pid}`)
  const listeners = await serveAll(t, { path })
  await Promise.all(
    CLIENTS.map(async client => {
      const socket = connect((listeners.get(client.name) as Listener).address.address)
      t.equal(await converse(socket, client), SERVED[client.name]?.[1](textOf(client)), client.name)
    }),
  )
  for (const { address } of listeners.values()) rmSync(address.address, { force: true })
})

t.test('and each with TLS', async t => {
  const [served, expected] = SERVED.blocks as (typeof SERVED)[string]
  const listener = await listen(served, { host: '127.0.0.1', port: 0, tls: identity('server') })
  t.teardown(() => listener.close({ timeout: 0 }))
  await Promise.all(
    CLIENTS.map(async client => {
      const socket = connectTls({ port: listener.address.port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      t.equal(await converse(socket, client), expected(textOf(client)))
    }),
  )
})
