import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/**
 * Below the ports that systems give to clients: a client could be given such a port before the server of a test has it, and one that
 * dials it while nobody listens can be connected to itself.
 */
const FIRST_PORT = 12_000
const LAST_PORT = 31_999

/** Listens at a port of 127.0.0.1 that nobody else has. */
async function takePort(): Promise<[server: Server, port: number]> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1))
    const server = createServer()
    const isTaken = await new Promise(resolve => {
      server.once('error', () => resolve(true)).listen(port, '127.0.0.1', () => resolve(false))
    })
    if (!isTaken) return [server, port]
  }
}

/** Ports of 127.0.0.1 that nobody listens at, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const taken = await Promise.all(Array.from({ length: count }, takePort))
  for (const [server] of taken) {
    server.close()
    await once(server, 'close')
  }
  return taken.map(([, port]) => port)
}

/** A port of 127.0.0.1 that nobody listens at, for programs that have to be told one. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}
