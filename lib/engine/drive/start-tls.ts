import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Connection } from '../../connection.js'
import { dropRejection } from '../../kind.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Outcome, Reason } from '../../outcome.js'
import type { Handshakes } from '../tls/handshakes.js'

/** Callbacks of a driver, of which the last three are the end. */
interface StartTlsEvents {
  /** The handshake begins: what happens on the duplex is no business of the driver's any more. */
  readonly onBegin: () => void
  readonly onSecure: (socket: Duplex) => void
  readonly onFailed: (reason: Reason, error: Outcome['error']) => void
  /** The options cannot be used. */
  readonly onRefused: (cause: unknown) => void
}

type WithReadableState = Duplex & { readonly _readableState: { readonly ended: boolean } }

/** The handshakes for each object with options, so that certificates are read once. */
const handshakesOf = new WeakMap<TlsOptions, Handshakes>()

const NOTHING = Buffer.alloc(0)

/** The change of one connection from plaintext to TLS. */
export class StartTls {
  /** Resolves when the handshake is over; rejects when there will be none. */
  readonly promise: Promise<void>
  isHandshaking = false
  #resolve!: () => void
  #reject!: (cause: unknown) => void
  #isOver = false
  readonly #duplex: Duplex
  readonly #connection: Connection
  readonly #options: TlsOptions

  constructor(duplex: Duplex, connection: Connection, options: TlsOptions) {
    this.#duplex = duplex
    this.#connection = connection
    this.#options = options
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // The connection has the error too.
    dropRejection(this.promise)
  }

  /** Makes the handshake, once the kernel has all output from before. */
  run(events: StartTlsEvents): void {
    const duplex = this.#duplex
    const hasLeft = new Promise<void>(resolve => {
      if (duplex.writableLength === 0) resolve()
      else duplex.write(NOTHING, () => resolve())
    })
    Promise.all([this.#handshakes(), hasLeft]).then(
      ([handshakes]) => this.#begin(handshakes, events),
      cause => {
        if (!this.#isOver) events.onRefused(cause)
      },
    )
  }

  async #handshakes(): Promise<Handshakes> {
    const { Handshakes } = await import('../tls/handshakes.js')
    const known = handshakesOf.get(this.#options)
    if (known !== undefined) return known
    const made = new Handshakes('connection.startTls()', this.#options)
    handshakesOf.set(this.#options, made)
    return made
  }

  #begin(handshakes: Handshakes, events: StartTlsEvents): void {
    const socket = this.#duplex
    if (this.#isOver || socket.destroyed) return
    // Of a socket that is paused, Node does not say that its peer has sent FIN.
    if ((socket as WithReadableState)._readableState.ended) {
      socket.destroy()
      events.onFailed('client-reset', undefined)
      return
    }
    events.onBegin()
    this.isHandshaking = true
    handshakes.begin(socket as Socket, this.#connection, {
      onSecure: secure => {
        this.isHandshaking = false
        events.onSecure(secure)
        this.#resolve()
      },
      onFailed: ({ reason, error }) => {
        this.isHandshaking = false
        events.onFailed(reason, error)
      },
    })
  }

  /** Called when the connection is over. */
  end(cause: Error | undefined): void {
    this.#isOver = true
    this.#reject(cause ?? new Error('the connection ended before the TLS handshake was over'))
  }
}
