import { once } from 'node:events'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { clientOf, connectTcp, type TcpClient } from '../tcp-client.js'
import { pem } from './certificates.js'

export interface TlsClient extends TcpClient {
  readonly socket: TLSSocket
  /** The TCP client below. */
  readonly tcp: TcpClient
}

/** Connects a client of TLS for the length of a test; rejects when the handshake fails. */
export async function connectTls(t: Test, port: number, options: ConnectionOptions = {}): Promise<TlsClient> {
  return secure(await connectTcp(t, port), options)
}

/** The handshake on a connected client that has sent nothing yet. */
export async function secure(tcp: TcpClient, options: ConnectionOptions = {}): Promise<TlsClient> {
  const defaults = { allowHalfOpen: true, servername: 'localhost', ca: pem('authority') }
  const socket = connect({ ...defaults, ...options, socket: tcp.socket })
  await once(socket, 'secureConnect')
  return { ...clientOf(socket), socket, tcp, reset: tcp.reset }
}

/** Why a client does not get in: the code of the error in which its handshake, or its first read, ends. */
export async function refusalOf(client: Promise<TlsClient>): Promise<string | undefined> {
  try {
    const { receive, end, closed } = await client
    await receive()
    end()
    return ((await closed) as NodeJS.ErrnoException | undefined)?.code
  } catch (error) {
    const { code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException }
    return code ?? cause?.code
  }
}
