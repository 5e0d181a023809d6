import { type AddressInfo, createServer, type Socket } from 'node:net'
import { report } from './report.js'

/** Serves without bywash, with the socket options and the backlog that `listen()` uses by default. */
export function serveSockets(serve: (socket: Socket) => void): void {
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 },
    serve,
  )
  server.listen({ host: '127.0.0.1', port: 0, backlog: 65_535 }, () => {
    report((server.address() as AddressInfo).port)
  })
}
