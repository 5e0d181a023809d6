import { EventEmitter, once } from 'node:events'
import { connect, createServer, type Server, Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { type SocketEvents, setDriver } from '../../../lib/engine/drive/socket-events.js'
import { stopReadingAtPause } from '../../../lib/listener/socket-options.js'
import {
  loadReads,
  MAX_SWEPT,
  modeOf,
  ReusedReads,
  readsFor,
  readsInUse,
} from '../../../lib/net/reads/reused-reads.js'
import { findUserBuffers, proved, UserBuffers } from '../../../lib/net/reads/user-buffers.js'
import type { ChunkUse } from '../../../lib/net/socket-reader.js'
import { turn } from '../../../lib/testing/turns.js'

const LONG = 'l'.repeat(20_000)
const isWindows = process.platform === 'win32'

/** A driver that keeps every chunk as it was given. */
class Keeper extends EventEmitter implements SocketEvents {
  chunkUse: ChunkUse = 'any'
  isChunkFree = true
  readonly chunks: Buffer[] = []
  /** The text of each chunk when it came. */
  readonly texts: string[] = []
  onEnd = () => {}
  onDrain = () => {}
  onFinish = () => {}
  onError = () => {}
  onClose = () => {}

  onData(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.texts.push(String(chunk))
    this.emit('chunk')
  }
}

interface Pair {
  readonly socket: Socket
  readonly keeper: Keeper
  /** Sends a text, and resolves with the chunk that came of it; for one that comes as a whole. */
  readonly send: (text: string) => Promise<Buffer>
  readonly client: Socket
}

async function openServer(t: Test): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  return server
}

async function pairOf(t: Test, server: Server, reads: ReusedReads | undefined): Promise<Pair> {
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', noDelay: true })
  const [socket] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    client.destroy()
    socket.destroy()
  })
  const keeper = new Keeper()
  setDriver(socket, keeper)
  reads?.begin(socket)
  socket.resume()
  const send = async (text: string) => {
    const before = keeper.texts.join('').length
    const first = keeper.chunks.length
    client.write(text)
    while (keeper.texts.join('').length - before < text.length) await once(keeper, 'chunk')
    return keeper.chunks[first] as Buffer
  }
  return { socket, keeper, send, client }
}

const made = async () => (await readsFor({}, 'linux')) as ReusedReads

t.test('this version of Node reads into memory that is used again', { skip: isWindows }, async t => {
  t.equal(modeOf(undefined), 'fresh')
  await loadReads()
  t.equal(readsInUse(), process.env.BYWASH_READS ?? 'reused')
  const buffers = findUserBuffers(new Socket()) as UserBuffers
  t.equal(await proved(buffers, 'linux'), buffers)
  t.equal(await proved(buffers, 'darwin'), buffers, 'over a port of 127.0.0.1')
})

t.test('where Node has no such memory, or it works in another way, each read has fresh memory', async t => {
  t.equal(findUserBuffers({ [Symbol('kBuffer')]: null, [Symbol('kBufferCb')]: null }), undefined)
  t.equal(await readsFor({}, 'linux', {}), undefined)
  t.equal(await readsFor({}, 'win32'), undefined)
  t.equal(await readsFor({ BYWASH_READS: 'fresh' }, 'linux'), undefined)
  t.ok(await readsFor({}, 'linux', new Socket(), true), 'a thread does not try what its program has tried')
  await t.rejects(readsFor({ BYWASH_READS: 'off' }, 'linux'), {
    code: 'ERR_BYWASH_INVALID_OPTION',
    message: /BYWASH_READS is 'off'; set it to 'fresh'/,
  })
  const buffers = findUserBuffers(new Socket()) as UserBuffers
  class Other extends UserBuffers {
    constructor() {
      super({ kBuffer: Symbol(), kBufferCb: Symbol(), kBufferGen: Symbol() })
    }
  }
  class Ignoring extends Other {
    override install = () => {}
  }
  class Throwing extends Other {
    override install = () => {
      throw new TypeError('no such method')
    }
  }
  class KeepingFirst extends Other {
    override install: UserBuffers['install'] = (socket, memory, onRead) =>
      buffers.install(socket, memory, onRead, () => undefined)
  }
  class WithoutReplacing extends Other {
    override install: UserBuffers['install'] = (...given) => buffers.install(...given)
    override replace = () => {}
  }
  class Silent extends Other {
    override install: UserBuffers['install'] = (socket, memory, _onRead, next) =>
      buffers.install(socket, memory, () => true, next)
  }
  for (const made of [Ignoring, Throwing, KeepingFirst, WithoutReplacing])
    t.equal(await proved(new made()), undefined, made.name)
  t.equal(await proved(new Silent(), 'linux', 20), undefined, 'nothing comes in time')
})

t.test(
  'a chunk that may be kept is a copy, and one that is consumed is not',
  { skip: isWindows },
  async t => {
    const reads = await made()
    const server = await openServer(t)
    const [first, second] = [await pairOf(t, server, reads), await pairOf(t, server, reads)]
    for (const text of ['short', LONG]) {
      first.keeper.chunkUse = 'any'
      const kept = await first.send(text)
      await second.send(text.toUpperCase())
      await first.send('x'.repeat(text.length))
      t.ok(text.startsWith(String(kept)), 'nobody has written into it')
      t.equal(kept.buffer.byteLength, kept.length, 'and it keeps no more memory than its own')
      first.keeper.chunkUse = second.keeper.chunkUse = 'none'
      const consumed = await first.send(text)
      t.equal(consumed.buffer, (await second.send('other')).buffer)
      t.ok(String(consumed).startsWith('other'), 'the memory was used again')
      second.keeper.chunkUse = 'any'
    }
  },
)

t.test('a socket whose reads are long is read into memory of its own', { skip: isWindows }, async t => {
  const reads = await made()
  const server = await openServer(t)
  const { keeper, send } = await pairOf(t, server, reads)
  keeper.chunkUse = 'sink'
  const short = await send('short')
  await send('other')
  t.equal(String(short), 'short', 'short ones are copied')
  await send(LONG)
  const own = await send(LONG)
  const again = await send(LONG)
  t.equal(own.buffer, again.buffer, 'it is used again')
  keeper.isChunkFree = false
  const written = await send(LONG)
  t.equal(written.buffer, own.buffer)
  const texts = String(written)
  const next = await send(LONG.toUpperCase())
  t.equal(String(written), texts, 'but not while the socket holds output')
  t.not(next.buffer, own.buffer, 'the next read has other memory')
  keeper.isChunkFree = true
  const last = await send(LONG)
  for (let count = 0; count < 4; count++) {
    const short = await send('short')
    t.not(short.buffer, last.buffer)
  }
  keeper.chunkUse = 'none'
  t.not((await send('short')).buffer, last.buffer, 'short reads go into the memory of all again')
})

t.test('a few sockets that fill their memory get more', { skip: isWindows }, async t => {
  const buffers = findUserBuffers(new Socket()) as UserBuffers
  const reads = new ReusedReads(buffers, 1)
  const server = await openServer(t)
  const open = async () => {
    const pair = await pairOf(t, server, reads)
    pair.keeper.chunkUse = 'sink'
    return pair
  }
  /** Sends in bulk, and gives the size of the memory that was read into then. */
  const sizeInBulk = async ({ keeper, send }: Pair) => {
    for (let count = 0; count < 5; count++) await send('x'.repeat(1_000_000))
    const size = Math.max(...keeper.chunks.map(chunk => chunk.buffer.byteLength))
    keeper.chunks.length = 0
    return size
  }
  const first = await open()
  t.equal(await sizeInBulk(first), 262_144)
  t.equal(await sizeInBulk(await open()), 65_536, 'others do not')
  first.socket.destroy()
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  let size = 65_536
  for (let tries = 0; tries < 50 && size === 65_536; tries++) {
    collect()
    await turn()
    size = await sizeInBulk(await open())
  }
  t.equal(size, 262_144, 'until it is free again')
})

t.test(
  'memory is taken back from a socket that has not read since the last time',
  { skip: isWindows },
  async t => {
    const reads = await made()
    const server = await openServer(t)
    const { socket, keeper, send } = await pairOf(t, server, reads)
    const { keeper: others, send: sendOther } = await pairOf(t, server, reads)
    others.chunkUse = 'none'
    const shared = (await sendOther('a')).buffer
    const owned = async () => {
      keeper.chunkUse = 'sink'
      await send(LONG)
      await send(LONG)
      keeper.chunkUse = 'none'
      return (await send(LONG)).buffer
    }
    for (let count = 0; count < MAX_SWEPT; count++) {
      if (count < 2) {
        const own = await owned()
        t.not(own, shared)
        reads.sweep()
        t.equal((await send(LONG)).buffer, own, 'not while it is read')
      } else {
        keeper.chunkUse = 'sink'
        await send(LONG)
      }
      reads.sweep()
      reads.sweep()
      keeper.chunkUse = 'none'
      t.equal((await send('b')).buffer, shared)
    }
    const own = await owned()
    reads.sweep()
    reads.sweep()
    t.equal((await send(LONG)).buffer, own, 'nor any more, after very many times')
    socket.destroy()
    reads.sweep()
    await once(socket, 'close')
    reads.sweep()
  },
)

t.test('a socket that somebody else may read is left alone', async t => {
  const server = await openServer(t)
  const others: ((socket: Socket) => void)[] = [
    socket => void socket.on('data', () => {}),
    socket => void socket.on('readable', () => {}).off('data', () => {}),
    socket => void socket.setEncoding('latin1'),
    socket => socket.unshift(Buffer.from('head')),
    socket => void Object.setPrototypeOf(socket, Object.create(Socket.prototype)),
  ]
  const installed: Socket[] = []
  class Counting extends UserBuffers {
    override install = (socket: Socket) => void installed.push(socket)
  }
  const counting = new ReusedReads(
    new Counting({ kBuffer: Symbol(), kBufferCb: Symbol(), kBufferGen: Symbol() }),
  )
  for (const change of others) {
    const { socket } = await pairOf(t, server, undefined)
    change(socket)
    counting.begin(socket)
  }
  const { socket } = await pairOf(t, server, undefined)
  socket.destroy()
  counting.begin(socket)
  t.strictSame(installed, [])
})

t.test('a socket that is paused reads once more, and hears of the end', { skip: isWindows }, async t => {
  const reads = await made()
  const server = await openServer(t)
  const { socket, keeper, client } = await pairOf(t, server, reads)
  const given: string[] = []
  stopReadingAtPause(socket)
  socket.pause()
  socket.on('data', chunk => given.push(String(chunk)))
  client.write('late')
  while (socket.readableLength === 0) await turn()
  client.write('more')
  for (let turns = 0; turns < 5; turns++) await turn()
  t.strictSame([socket.bytesRead, given, keeper.texts], [4, [], []])
  const more = once(keeper, 'chunk')
  socket.resume()
  await more
  t.strictSame([given, keeper.texts], [['late'], ['more']])
  socket.pause()
  const ended = once(socket, 'end')
  client.end()
  await ended
})
