import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { pem } from '../transports/certificates.js'
import type { Transport } from './fuzz-case.js'

/** What a client does with its connection. */
export interface Client {
  /** Whether it sends everything and reads everything, so that it must hear what any other such client hears. */
  readonly isComplete: boolean
  /** Sends the input; resolves when it has no more to do but to read. */
  readonly send: (line: Line, chunks: readonly Buffer[], leavesAt: number) => Promise<void>
}

/** A client's end of a connection. */
interface Line {
  /** What is written to and read from; with TLS above `tcp`. */
  readonly socket: Socket
  readonly tcp: Socket
  /** Whether the connection is over. */
  readonly closed: Promise<void>
}

/** The turns of the event loop that a client waits, in which the server does what it can. */
const PATIENT_TURNS = 20

/** Inputs up to this length are sent byte by byte. */
const MAX_DRIBBLE_BYTES = 200

export type ClientName = 'polite' | 'atOnce' | 'dribble' | 'lateEnd' | 'pause' | 'stall' | 'reset' | 'destroy'

/** The clients by name. */
export const CLIENTS: Readonly<Record<ClientName, Client>> = {
  polite: {
    isComplete: true,
    send: async ({ socket }, chunks) => {
      await sendEach(socket, chunks)
      socket.end()
    },
  },
  atOnce: {
    isComplete: true,
    send: async ({ socket }, chunks) => {
      socket.end(Buffer.concat(chunks))
    },
  },
  dribble: {
    isComplete: true,
    send: async ({ socket }, chunks) => {
      const input = Buffer.concat(chunks)
      await sendEach(
        socket,
        Array.from(input.subarray(0, MAX_DRIBBLE_BYTES), byte => Buffer.of(byte)),
      )
      socket.end(input.subarray(MAX_DRIBBLE_BYTES))
    },
  },
  lateEnd: {
    isComplete: true,
    send: async ({ socket }, chunks) => {
      await sendEach(socket, chunks)
      await turns(PATIENT_TURNS)
      socket.end()
    },
  },
  pause: {
    isComplete: true,
    send: async ({ socket }, chunks) => {
      socket.pause()
      await sendEach(socket, chunks)
      socket.end()
      await turns(PATIENT_TURNS)
      socket.resume()
    },
  },
  stall: {
    isComplete: false,
    send: async ({ socket }, chunks) => {
      socket.pause()
      await sendEach(socket, chunks)
      await turns(PATIENT_TURNS)
      socket.destroy()
    },
  },
  reset: {
    isComplete: false,
    send: async ({ socket, tcp }, chunks, leavesAt) => {
      await sendEach(socket, chunksUpTo(chunks, leavesAt))
      tcp.resetAndDestroy()
    },
  },
  destroy: {
    isComplete: false,
    send: async ({ socket }, chunks, leavesAt) => {
      await sendEach(socket, chunksUpTo(chunks, leavesAt))
      socket.destroy()
    },
  },
}

/** Connects a client, lets it do what it does, and returns what it has received when the connection is over. */
export async function visit(
  port: number,
  transport: Transport,
  client: Client,
  chunks: readonly Buffer[],
  leavesAt: number,
): Promise<Buffer> {
  const received: Buffer[] = []
  const tcp = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
  const tls = { socket: tcp, allowHalfOpen: true, servername: 'localhost', ca: pem('authority') }
  const socket = transport === 'tls' ? connectTls(tls) : tcp
  const closed = once(tcp, 'close').then(() => {})
  // How it ends is seen in what it has received, and in the outcome.
  for (const each of new Set([socket, tcp])) each.on('error', () => {})
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  const ready = once(socket, transport === 'tls' ? 'secureConnect' : 'connect')
  await Promise.race([ready.catch(() => {}), closed])
  await client.send({ socket, tcp, closed }, chunks, leavesAt)
  await closed
  return Buffer.concat(received)
}

async function sendEach(socket: Socket, chunks: readonly Buffer[]): Promise<void> {
  for (const chunk of chunks) {
    if (socket.destroyed) return
    socket.write(chunk)
    await turns(1)
  }
}

function chunksUpTo(chunks: readonly Buffer[], end: number): readonly Buffer[] {
  let at = 0
  return chunks.flatMap(chunk => {
    const kept = chunk.subarray(0, Math.max(0, end - at))
    at += chunk.length
    return kept.length === 0 ? [] : [kept]
  })
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}
