import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { type ClientOptions, WebSocket } from 'ws'
import { connectTcp, type TcpClient } from '../tcp-client.js'

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A frame, as it stands on the wire. */
export interface WireFrame {
  readonly opcode: number
  readonly isFinal: boolean
  readonly payload: Buffer
}

/** Cuts bytes of a server into frames; `rest` is what is not complete. */
export function framesOf(bytes: Buffer): { readonly frames: readonly WireFrame[]; readonly rest: Buffer } {
  const frames: WireFrame[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const [first, short] = [bytes.readUInt8(at), bytes.readUInt8(at + 1)]
    const head = short === 127 ? 10 : short === 126 ? 4 : 2
    if (at + head > bytes.length) break
    const size =
      short === 127
        ? Number(bytes.readBigUInt64BE(at + 2))
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : short
    if (at + head + size > bytes.length) break
    const payload = bytes.subarray(at + head, at + head + size)
    frames.push({ opcode: first & 0x0f, isFinal: first >= 0x80, payload })
    at += head + size
  }
  return { frames, rest: bytes.subarray(at) }
}

/** A frame of a client, which is masked unless a test says otherwise. */
export function clientFrame(
  opcode: number,
  payload: string | Buffer = '',
  { isFinal = true, isMasked = true, size = Buffer.byteLength(payload) } = {},
): Buffer {
  const mask = isMasked ? Buffer.of(1, 2, 3, 4) : Buffer.alloc(0)
  const bit = isMasked ? 0x80 : 0
  const head = Buffer.alloc(size < 126 ? 2 : size < 65_536 ? 4 : 10)
  head[0] = (isFinal ? 0x80 : 0) | opcode
  head[1] = bit | (size < 126 ? size : size < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(size, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(size), 2)
  const masked = Buffer.from(payload).map((byte, index) => byte ^ (mask[index % 4] ?? 0))
  return Buffer.concat([head, mask, masked])
}

export function closeFrame(code?: number, reason = ''): Buffer {
  const data =
    code === undefined
      ? Buffer.alloc(0)
      : Buffer.concat([Buffer.of(code >> 8, code & 255), Buffer.from(reason)])
  return clientFrame(OPCODES.close, data)
}

/** The code of a close frame; undefined where it has none. */
export function codeOf({ payload }: WireFrame): number | undefined {
  return payload.length === 0 ? undefined : payload.readUInt16BE()
}

export const REQUEST = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '',
  '',
].join('\r\n')

/** Makes a WebSocket of a TCP connection, frame by frame. */
export async function upgraded(client: TcpClient): Promise<TcpClient> {
  await client.send(REQUEST)
  const head = (await client.receive('\r\n\r\n')).toString()
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head)
  return client
}

/** Connects a client that speaks in frames, for the length of a test. */
export async function connectRaw(t: Test, port: number): Promise<TcpClient> {
  return upgraded(await connectTcp(t, port))
}

/** The next frame that a client gets. */
export async function nextFrame(client: TcpClient): Promise<WireFrame> {
  const head = await client.receive(2)
  const short = head.readUInt8(1)
  const more = await client.receive(short === 127 ? 8 : short === 126 ? 2 : 0)
  const size = short === 127 ? Number(more.readBigUInt64BE()) : short === 126 ? more.readUInt16BE() : short
  const [frame] = framesOf(Buffer.concat([head, more, await client.receive(size)])).frames
  return frame as WireFrame
}

/** The frames that a client gets up to the close frame, which it answers. */
export async function framesToClose(client: TcpClient): Promise<readonly WireFrame[]> {
  const frames: WireFrame[] = []
  for (;;) {
    const frame = await nextFrame(client)
    frames.push(frame)
    if (frame.opcode !== OPCODES.close) continue
    await client.send(clientFrame(OPCODES.close, frame.payload))
    return frames
  }
}

/** All frames that a client gets up to the FIN. */
export async function framesLeft(client: TcpClient): Promise<readonly WireFrame[]> {
  return framesOf(await client.receive()).frames
}

/** A client of ws, with what it has received. */
export interface WebSocketClient {
  readonly webSocket: WebSocket
  /** The messages that wait; a Buffer is a binary one. */
  readonly next: () => Promise<string | Buffer>
  /** The messages that are left when the connection is over, and the code of its end. */
  readonly rest: () => Promise<{ readonly messages: readonly (string | Buffer)[]; readonly code: number }>
}

/** Connects a WebSocket of ws for the length of a test. */
export async function connectWebSocket(
  t: Test,
  url: string | number,
  options: ClientOptions = {},
): Promise<WebSocketClient> {
  const webSocket = new WebSocket(typeof url === 'number' ? `ws://127.0.0.1:${url}/` : url, options)
  t.teardown(() => webSocket.terminate())
  const waiting: (string | Buffer)[] = []
  let wake = () => {}
  webSocket.on('message', (data: Buffer, isBinary) => {
    waiting.push(isBinary ? data : data.toString())
    wake()
  })
  const closed = new Promise<number>(resolve => {
    webSocket.on('close', code => resolve(code))
  })
  webSocket.on('error', () => {})
  await once(webSocket, 'open')
  return {
    webSocket,
    async next() {
      while (waiting.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      return waiting.shift() as string | Buffer
    },
    async rest() {
      const code = await closed
      return { messages: waiting.splice(0), code }
    },
  }
}

/** A WebSocket that sends and gets lines, for a bystander. */
export async function openLines(port: number): Promise<Socket> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await once(webSocket, 'open')
  const duplex = new Duplex({
    read() {},
    write: (chunk: Buffer, _encoding, callback) => webSocket.send(chunk.subarray(0, -1), callback),
    final(callback) {
      webSocket.close(1000)
      callback()
    },
  })
  webSocket
    .on('message', data => duplex.push(`${data}\n`))
    .on('close', () => duplex.push(null))
    .on('error', error => duplex.destroy(error))
  return duplex as Socket
}
