import { duplexPair } from 'node:stream'
import type { Outcome } from '../outcome.js'
import type { HandleOptions, Pipeline } from '../pipeline.js'

/** The client's end of a connection that has no port. */
export interface TestClient {
  /** Sends text (UTF-8) or bytes as one chunk. */
  readonly send: (data: string | Uint8Array) => void
  /**
   * Resolves with the next `until` bytes, or with the bytes up to and with the text `until`, or, without it, with all
   * up to the server's end. Rejects when the server's end comes first.
   */
  readonly receive: (until?: number | string) => Promise<Buffer>
  /** Sends what is given, then FIN. */
  readonly end: (data?: string | Uint8Array) => void
  /** Goes away without FIN, as a client that crashes. */
  readonly reset: () => void
  /** How the connection ended, once it has. */
  readonly outcome: Promise<Outcome>
}

/**
 * Connects a client to a pipeline over a pair of streams in memory: the whole path of a connection, without a port.
 *
 * @param options - What `pipeline.handle()` takes.
 * @example
 * const client = connect(shout)
 * client.end('hello\n')
 * const answer = await client.receive() // HELLO
 */
export function connect(pipeline: Pipeline<Buffer, Buffer>, options: HandleOptions = {}): TestClient {
  const [near, far] = duplexPair()
  const outcome = pipeline.handle(far, options).finally(() => {
    // A pair does not show one side's destroy to the other.
    if (!far.writableEnded) near.push(null)
  })
  let held = Buffer.alloc(0)
  let over = false
  let wake = () => {}
  // Read at once, as a kernel does, so that a client that waits for nothing holds nobody up.
  near.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    wake()
  })
  for (const event of ['end', 'close']) {
    near.on(event, () => {
      over = true
      wake()
    })
  }
  return {
    send: data => void near.write(data),
    end: data => void near.end(data),
    reset: () => {
      near.destroy()
      far.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    },
    outcome,
    async receive(until) {
      for (;;) {
        const length = lengthOf(held, until)
        if (length !== undefined || (over && until === undefined)) {
          const received = held.subarray(0, length)
          held = held.subarray(received.length)
          return received
        }
        if (over) {
          throw new Error(
            `The server ended before ${JSON.stringify(until)}, after ${JSON.stringify(held.toString())}.`,
          )
        }
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}

/** How much of what is held answers a `receive`; undefined when it is not enough. */
function lengthOf(held: Buffer, until: number | string | undefined): number | undefined {
  if (typeof until === 'number') return held.length >= until ? until : undefined
  const at = until === undefined ? -1 : held.indexOf(until)
  return at === -1 ? undefined : at + Buffer.byteLength(until as string)
}
