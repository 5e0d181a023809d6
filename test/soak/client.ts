import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A client that knows what it must receive. */
export interface SoakClient {
  readonly socket: Socket
  /** Everything that comes is compared, byte for byte, with what is given here. */
  readonly expect: (bytes: Buffer) => void
  /** Resolves when all that was expected has come; false when the connection closed before. */
  readonly received: () => Promise<boolean>
  /** Bytes that came and were not those expected. */
  readonly wrong: () => number
  readonly closed: Promise<void>
}

export async function connectSoak(port: number): Promise<SoakClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  // How it ends is part of the fault.
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
  let awaited = Buffer.alloc(0)
  let wrong = 0
  let wake = () => {}
  socket.on('data', (chunk: Buffer) => {
    const same = Math.min(chunk.length, awaited.length)
    if (!chunk.subarray(0, same).equals(awaited.subarray(0, same)) || chunk.length > same)
      wrong += chunk.length
    awaited = awaited.subarray(same)
    wake()
  })
  socket.on('close', () => wake())
  await Promise.race([once(socket, 'connect'), closed])
  return {
    socket,
    closed,
    wrong: () => wrong,
    expect: bytes => {
      awaited = Buffer.concat([awaited, bytes])
    },
    async received() {
      while (awaited.length > 0 && !socket.closed) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      return awaited.length === 0
    },
  }
}
