import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Server, Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { map, pipeline } from '../../lib/index.js'
import { setInheritedOptions, setOptions } from '../../lib/listener/socket-options.js'
import { connectTcp } from '../tcp-client.js'
import { identity } from '../transports/certificates.js'
import { connectTls } from '../transports/tls-client.js'
import { serveLocally } from './local-listener.js'

const OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_999 }

const isLinux = process.platform === 'linux'

/** The timers of the connections that a port has accepted, as the kernel lists them: kind and seconds. */
function timersOf(port: number): { kind: number; seconds: number }[] {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const established = '01'
  // A table that changes while it is read shows a row twice, or not at all.
  const rows = [1, 2].flatMap(() => readFileSync('/proc/net/tcp', 'utf8').split('\n'))
  const timers = new Map<string, { kind: number; seconds: number }>()
  for (const row of rows) {
    const [, address, peer = '', state, , timer = ''] = row.trim().split(/\s+/)
    if (address !== local || state !== established) continue
    const [kind = 0, ticks = 0] = timer.split(':').map(field => Number.parseInt(field, 16))
    timers.set(peer, { kind, seconds: ticks / 100 })
  }
  return [...timers.values()]
}

const KEEP_ALIVE = 2

t.test(
  'a connection has the options of the socket that accepted it',
  { skip: !isLinux && 'needs Linux' },
  async t => {
    for (const keepAlive of [true, false]) {
      const { port, listener } = await serveLocally(t, pipeline(), {
        keepAlive,
        keepAliveInitialDelay: 50_000,
      })
      for (const again of [false, true]) {
        if (again) {
          await listener.suspend()
          await listener.resume()
        }
        const client = await connectTcp(t, port)
        await client.send('a')
        await client.receive(1)
      }
      const timers = timersOf(port)
      t.equal(timers.length, 2)
      for (const { kind, seconds } of timers) {
        t.equal(kind === KEEP_ALIVE, keepAlive)
        if (keepAlive) t.ok(seconds > 30 && seconds <= 51, `${seconds} s`)
      }
    }
  },
)

t.test('options that a listening socket does not take are set on each connection', async t => {
  const calls: unknown[] = []
  const handle = (result: number) => ({
    setNoDelay: (on: boolean) => {
      calls.push(['setNoDelay', on])
      return 0
    },
    setKeepAlive: (on: boolean, seconds: number) => {
      calls.push(['setKeepAlive', on, seconds])
      return result
    },
  })
  const inherited = (_handle: unknown) => setInheritedOptions({ _handle } as unknown as Server, OPTIONS)
  t.equal(inherited(handle(0)), isLinux)
  if (isLinux)
    t.strictSame(calls, [
      ['setNoDelay', true],
      ['setKeepAlive', true, 60],
    ])
  t.equal(inherited(handle(-22)), false, 'EINVAL')
  t.equal(inherited({}), false, 'a unix socket, or a server of which the primary of a cluster has the socket')
  t.equal(inherited(null), false)

  calls.length = 0
  const socket = new Socket()
  socket.setNoDelay = on => {
    calls.push(['setNoDelay', on])
    return socket
  }
  socket.setKeepAlive = (on, delay) => {
    calls.push(['setKeepAlive', on, delay])
    return socket
  }
  setOptions(socket, OPTIONS)
  t.strictSame(calls, [
    ['setNoDelay', true],
    ['setKeepAlive', true, 60_999],
  ])
})

for (const tls of [undefined, identity('server')]) {
  t.test(
    `a socket that is paused holds one chunk more, ${tls === undefined ? 'without' : 'with'} TLS`,
    async t => {
      const given = new EventEmitter()
      const stalled = pipeline().through(
        map<Buffer, Buffer>('stall', chunk => new Promise(() => given.emit('chunk', chunk)), {
          accepts: 'bytes',
          emits: 'bytes',
        }),
      )
      const sockets: Socket[] = []
      const onSocket = (message: unknown) => void sockets.push((message as { socket: Socket }).socket)
      subscribe('net.server.socket', onSocket)
      t.teardown(() => unsubscribe('net.server.socket', onSocket))
      const { port } = await serveLocally(t, stalled, { ...(tls && { tls }) })
      const client = tls === undefined ? await connectTcp(t, port) : await connectTls(t, port)
      const first = once(given, 'chunk')
      await client.send('a')
      await first
      const socket = sockets.at(-1) as Socket
      const before = socket.bytesRead
      await client.send('b')
      while (socket.bytesRead === before) await turn()
      const withOneMore = socket.bytesRead
      for (let count = 0; count < 20; count++) {
        await client.send('c')
        await turn()
      }
      t.equal(socket.bytesRead, withOneMore)
    },
  )
}
