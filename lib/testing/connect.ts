import { Connection } from '../connection.js'
import { CONNECTION_OPTIONS } from '../engine/connection-options.js'
import { checkInteger, checkNames } from '../options/check-option.js'
import type { Outcome } from '../outcome.js'
import type { HandleOptions, Pipeline } from '../pipeline.js'
import { nextConnectionId } from './connection-ids.js'
import { FakeSocket } from './fake-socket.js'
import { after, quiet } from './turns.js'

/** The bytes that are held up while the client does not read. */
export interface Stalled {
  /** Sent by the client, and not yet taken by the pipeline. */
  readonly waiting: number
  /** Handed by the pipeline to the transport, and not yet taken by the client. */
  readonly unread: number
}

/** Received bytes that a message shows. */
const MAX_SHOWN_BYTES = 300

/** Options of `receive()`. */
export interface ReceiveOptions {
  /** The milliseconds of real time without a byte in either direction after which the wait is given up. @default 4000 */
  readonly timeout?: number
}

/** The client's end of a connection in memory. */
export interface TestClient {
  /** Sends text (UTF-8) or bytes as one chunk. */
  readonly send: (data: string | Uint8Array) => void
  /**
   * Resolves with the next `until` bytes, or with the bytes up to and with the text `until`, or, without it, with all
   * up to the server's end. Rejects when the server's end comes first, when the server resets the connection, or when
   * nothing moves for `timeout`; the message says what came. What came stays for the next `receive`.
   */
  readonly receive: (until?: number | string, options?: ReceiveOptions) => Promise<Buffer>
  /**
   * Stops reading at once, and resolves when nothing moves any more. The next `receive` reads on. This shows backpressure:
   * bytes that the pipeline does not take stay `waiting`.
   */
  readonly stalled: () => Promise<Stalled>
  /** Sends the data, if any, then FIN. */
  readonly end: (data?: string | Uint8Array) => void
  /** Ends the connection with an error and without FIN, as a client does that crashes. */
  readonly reset: () => void
  /** Resolves with the outcome when the connection is over. */
  readonly outcome: Promise<Outcome>
}

/**
 * Connects a client to a pipeline in memory. Everything runs as for a connection of a listener, without a port. The first
 * client of a pipeline has the connection id 1, the next one 2.
 *
 * @param options - The options of `pipeline.handle()`. For a stage that looks at its client, give a `connection` such as
 * `new Connection(7, { remoteAddress: '192.0.2.1', remotePort: 4711 }, fakeClock())`.
 * @throws InvalidOptionError for an option that does not exist.
 * @example
 * const client = connect(shout)
 * client.end('hello\n')
 * const answer = await client.receive() // HELLO
 */
export function connect(pipeline: Pipeline<Buffer, Buffer>, options: HandleOptions = {}): TestClient {
  checkNames('connect()', options, ['plan', 'connection', ...Object.keys(CONNECTION_OPTIONS)])
  const socket = new FakeSocket()
  const { connection = new Connection(nextConnectionId(pipeline)) } = options
  const outcome = pipeline.handle(socket, { ...options, connection }).finally(() => socket.over())
  return {
    send: data => socket.send(data),
    end: data => {
      if (data !== undefined) socket.send(data)
      socket.send(null)
    },
    reset: () => {
      socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    },
    async stalled() {
      socket.stall(true)
      await quiet(() => socket.moved)
      return { waiting: socket.waiting, unread: socket.writableLength }
    },
    outcome,
    receive: (until, receiveOptions) => receive(socket, until, receiveOptions),
  }
}

async function receive(
  socket: FakeSocket,
  until: number | string | undefined,
  options: ReceiveOptions = {},
): Promise<Buffer> {
  checkNames('receive()', options, ['timeout'])
  const { timeout = 4000 } = options
  checkInteger('receive()', 'timeout', timeout, 1, 2_147_483_647)
  socket.stall(false)
  let isLate = false
  let moved = socket.moved
  let cancel = after(timeout, onTimeout)
  function onTimeout(): void {
    isLate = moved === socket.moved
    if (isLate) socket.wake()
    else cancel = after(timeout, onTimeout)
    moved = socket.moved
  }
  try {
    let searched = 0
    for (;;) {
      const { received, isOver } = socket
      const length = answerLength(received, until, searched)
      if (length !== undefined) return socket.takeReceived(length)
      if (isOver && until === undefined && !socket.wasReset) return socket.takeReceived(received.length)
      if (socket.wasReset) throw new Error(`The server reset the connection, after ${came(received)}.`)
      if (isOver)
        throw new Error(`The server ended before ${JSON.stringify(until)}, after ${came(received)}.`)
      if (isLate) throw new Error(lateMessage(until, timeout, received))
      searched = received.length
      await socket.changed()
    }
  } finally {
    cancel()
  }
}

/** The received bytes as text, cut when it is very long. */
function came(received: Buffer): string {
  const rest = received.length > MAX_SHOWN_BYTES ? ` and ${received.length - MAX_SHOWN_BYTES} bytes more` : ''
  return `${JSON.stringify(received.toString('utf8', 0, MAX_SHOWN_BYTES))}${rest}`
}

function lateMessage(until: number | string | undefined, timeout: number, received: Buffer): string {
  const what =
    until === undefined ? 'the end' : typeof until === 'number' ? `${until} bytes` : JSON.stringify(until)
  return (
    `receive() waited ${timeout} ms (option 'timeout') for ${what} from the server, ` +
    `and got only ${came(received)}.`
  )
}

/** The number of received bytes that a call of `receive` returns; undefined when not enough has come. */
function answerLength(
  received: Buffer,
  until: number | string | undefined,
  searched: number,
): number | undefined {
  if (typeof until === 'number') return received.length >= until ? until : undefined
  if (until === undefined) return undefined
  // What was searched may end with the beginning of the text.
  const at = received.indexOf(until, Math.max(searched - Buffer.byteLength(until), 0))
  return at === -1 ? undefined : at + Buffer.byteLength(until)
}
