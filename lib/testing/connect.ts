import type { Outcome } from '../outcome.js'
import type { HandleOptions, Pipeline } from '../pipeline.js'
import { FakeSocket } from './fake-socket.js'
import { quiet } from './turns.js'

/** The bytes that are held up while the client does not read. */
export interface Stalled {
  /** Sent by the client, and not yet taken by the pipeline. */
  readonly waiting: number
  /** Handed by the pipeline to the transport, and not yet taken by the client. */
  readonly unread: number
}

/** The client's end of a connection in memory. */
export interface TestClient {
  /** Sends text (UTF-8) or bytes as one chunk. */
  readonly send: (data: string | Uint8Array) => void
  /**
   * Resolves with the next `until` bytes, or with the bytes up to and with the text `until`, or, without it, with all
   * up to the server's end. Rejects when the server's end comes first.
   */
  readonly receive: (until?: number | string) => Promise<Buffer>
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
 * Connects a client to a pipeline in memory. Everything runs as for a connection of a listener, without a port.
 *
 * @param options - The options of `pipeline.handle()`. For a stage that looks at its client, give a `connection` such as
 * `new Connection(7, { remoteAddress: '192.0.2.1', remotePort: 4711 }, fakeClock())`.
 * @example
 * const client = connect(shout)
 * client.end('hello\n')
 * const answer = await client.receive() // HELLO
 */
export function connect(pipeline: Pipeline<Buffer, Buffer>, options: HandleOptions = {}): TestClient {
  const socket = new FakeSocket()
  const outcome = pipeline.handle(socket, options).finally(() => socket.over())
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
    async receive(until) {
      socket.stall(false)
      for (;;) {
        const { received, isOver } = socket
        const length = answerLength(received, until)
        if (length !== undefined || (isOver && until === undefined)) {
          return socket.takeReceived(length ?? received.length)
        }
        if (isOver) {
          throw new Error(
            `The server ended before ${JSON.stringify(until)}, after ${JSON.stringify(received.toString())}.`,
          )
        }
        await socket.changed()
      }
    },
  }
}

/** The number of received bytes that a call of `receive` returns; undefined when not enough has come. */
function answerLength(received: Buffer, until: number | string | undefined): number | undefined {
  if (typeof until === 'number') return received.length >= until ? until : undefined
  const at = until === undefined ? -1 : received.indexOf(until)
  return at === -1 ? undefined : at + Buffer.byteLength(until as string)
}
