import { connect, type Socket } from 'node:net'
import type { Target } from './job.js'
import { ReplyCheck, WrongReply } from './reply-check.js'
import type { Tape } from './tape.js'

/** Read buffer of all connections. They can share it, since each read is compared at once and not kept. */
const READ_BUFFER = Buffer.allocUnsafeSlow(256 * 1024)

/** Called when a run fails. */
export type Fail = (error: Error) => void

/** A client connection whose answers are checked byte by byte. */
export class Client {
  readonly socket: Socket
  readonly check: ReplyCheck
  readonly #fail: Fail
  #finishing = false

  /** Connects. `onRead` is called after each read, when its bytes have been checked. */
  constructor(target: Target, tape: Tape, firstLine: number, onRead: (client: Client) => void, fail: Fail) {
    this.#fail = fail
    this.check = new ReplyCheck(Buffer.from(target.greeting, 'latin1'), tape, firstLine)
    this.socket = connect({
      host: '127.0.0.1',
      port: target.port,
      noDelay: true,
      allowHalfOpen: true,
      onread: {
        buffer: READ_BUFFER,
        callback: length => {
          try {
            this.check.take(READ_BUFFER, length)
            onRead(this)
          } catch (error) {
            fail(error as Error)
          }
          return true
        },
      },
    })
    this.socket.on('error', fail)
    this.socket.on('end', () => {
      if (!this.#finishing) fail(new WrongReply('the server closed a connection that was in use'))
    })
  }

  /** Sends FIN and reads to the end. Fails unless the answer has as many bytes as were sent. */
  async finish(sent: number): Promise<void> {
    this.#finishing = true
    await new Promise<void>(resolve => {
      this.socket.once('end', resolve).end()
    })
    const { received, greeted } = this.check
    if (!greeted) this.#fail(new WrongReply('the server closed a connection before it had greeted'))
    if (received !== sent) this.#fail(new WrongReply(`of ${sent} bytes ${received} came back`))
  }

  /** Resets the connection: no port stays in TIME_WAIT, and data on its way is dropped. */
  reset(): void {
    this.#finishing = true
    this.socket.removeAllListeners('error').on('error', () => {})
    this.socket.resetAndDestroy()
  }
}
