import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

/** A client of a listener on 127.0.0.1. It reads only what `receive` asks for, so it can also be one that stalls. */
export interface TcpClient {
  readonly socket: Socket
  /** Its own address, as a server logs it. */
  readonly address: string
  /** Sends one chunk; resolves when the kernel has it, or the connection is gone. */
  readonly send: (data: string | Uint8Array) => Promise<void>
  /** Sends what is given, then FIN. */
  readonly end: (data?: string | Uint8Array) => void
  /** Goes away with RST. */
  readonly reset: () => void
  /** The next bytes: so many, or up to and with a text, or all up to the server's FIN. */
  readonly receive: (until?: number | string) => Promise<Buffer>
  /** Resolves when the socket is closed, with the error that closed it. */
  readonly closed: Promise<Error | undefined>
}

/** Connects a client for the length of a test. */
export async function connectTcp(t: Test, port: number): Promise<TcpClient> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  return clientOf(socket)
}

/** Makes a client of a socket, of any kind, that is connected already. */
export function clientOf(socket: Socket): TcpClient {
  const { localPort } = socket
  let error: Error | undefined
  let wake = () => {}
  const held: Buffer[] = []
  let size = 0
  socket.on('error', cause => {
    error = cause
  })
  for (const event of ['readable', 'end', 'close']) socket.on(event, () => wake())
  const closed = new Promise<Error | undefined>(resolve => socket.on('close', () => resolve(error)))

  async function more(): Promise<boolean> {
    for (;;) {
      const chunk: Buffer | null = socket.read()
      if (chunk !== null) {
        held.push(chunk)
        size += chunk.length
        return true
      }
      if (socket.readableEnded || socket.destroyed) return false
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }

  function take(length: number): Buffer {
    const bytes = Buffer.concat(held)
    held.splice(0, held.length, bytes.subarray(length))
    size = bytes.length - length
    return bytes.subarray(0, length)
  }

  return {
    socket,
    address: `127.0.0.1:${localPort}`,
    closed,
    send: data => new Promise(resolve => socket.write(data, () => resolve())),
    end: (data = '') => void socket.end(data),
    reset: () => void socket.resetAndDestroy(),
    async receive(until) {
      for (;;) {
        if (typeof until === 'number' && size >= until) return take(until)
        if (typeof until === 'string') {
          const at = Buffer.concat(held).indexOf(until)
          if (at !== -1) return take(at + Buffer.byteLength(until))
        }
        if (await more()) continue
        if (until === undefined && error === undefined) return take(size)
        throw new Error(`The server ended before ${until ?? 'its FIN'}; ${size} bytes wait.`, {
          cause: error,
        })
      }
    },
  }
}

/** Sends chunks and FIN, while it reads everything that the server sends up to its own FIN. */
export async function exchange(
  t: Test,
  port: number,
  chunks: readonly (string | Uint8Array)[],
): Promise<Buffer> {
  const client = await connectTcp(t, port)
  const received = client.receive()
  for (const chunk of chunks) await client.send(chunk)
  client.end()
  return received
}

/** Whether somebody listens on a port of 127.0.0.1: a command whose log is off does not say it. */
export async function isBound(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  const bound = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return bound
}
