import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { clientOf, type TcpClient } from '../../tcp-client.js'

/** A server behind the one that is tested; the test says what it does with each connection. */
export interface Backend {
  /** Its address as `upstream()` takes it. */
  readonly address: string
  /** The next connection to it, which reads only what the test asks for. */
  readonly accept: () => Promise<TcpClient>
  /** The connections that are open. */
  readonly open: () => number
}

/** Serves for the length of a test. */
export async function serveBackend(
  t: Test,
  where: { readonly path: string } | { readonly port: 0; readonly host: string } = {
    port: 0,
    host: '127.0.0.1',
  },
  server: Server = createServer({ allowHalfOpen: true, noDelay: true }),
  event = 'connection',
): Promise<Backend> {
  const events = new EventEmitter()
  const waiting: TcpClient[] = []
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)))
  })
  server.on(event, (socket: Socket) => {
    waiting.push(clientOf(socket))
    events.emit('accepted')
  })
  server.listen(where)
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    address: 'path' in where ? where.path : `127.0.0.1:${(server.address() as AddressInfo).port}`,
    open: () => sockets.size,
    async accept() {
      while (waiting.length === 0) await once(events, 'accepted')
      return waiting.shift() as TcpClient
    },
  }
}
