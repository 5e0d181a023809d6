import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Timer } from '../../clock.js'
import { type Connection, endConnection } from '../../connection.js'
import { HandshakeError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import type { Outcome } from '../../outcome.js'
import type { TlsOptions } from './tls-options.js'
import { nodeTlsOptions, type TlsSettings, tlsSettings } from './tls-settings.js'

/** What comes of handshakes. */
export interface HandshakeEvents {
  readonly onSecure: (socket: TLSSocket, connection: Connection) => void
  readonly onFailed: (outcome: Outcome, connection: Connection) => void
}

/** A client that has not finished its handshake. */
interface Pending {
  readonly connection: Connection
  readonly events: HandshakeEvents
  readonly openedAt: number
  readonly timer: Timer
  /** Why we end it, when we do. */
  failure?: Failure
}

type Failure = Pick<Outcome, 'reason'> & { readonly error?: Error }

/** A TLS socket knows the socket that it was made of. */
type Secured = TLSSocket & { readonly _parent: Socket }

/**
 * Makes TLS sockets of a listener's sockets. Node's TLS server does it, but it neither listens (limits come first: a
 * handshake costs more than a refusal) nor keeps the time (its deadline is the socket's idle timer).
 */
export class Handshakes {
  readonly #pending = new Map<Socket, Pending>()
  #settings: TlsSettings
  #server: Server

  constructor(owner: string, options: TlsOptions) {
    this.#settings = tlsSettings(owner, options)
    this.#server = this.#serverOf(this.#settings)
  }

  /** How many are under way. */
  get size(): number {
    return this.#pending.size
  }

  /** What begins from now on goes by these settings. */
  replace(owner: string, options: TlsOptions): void {
    this.#settings = tlsSettings(owner, options)
    this.#server = this.#serverOf(this.#settings)
  }

  begin(socket: Socket, connection: Connection, events: HandshakeEvents): void {
    const { clock } = connection
    const { handshakeTimeout } = this.#settings
    const timer = clock.setTimeout(() => {
      const duration = formatDuration(handshakeTimeout)
      const error = new HandshakeError(`it took longer than ${duration} ('handshakeTimeout')`)
      this.#end(socket, pending, { reason: 'refused', error })
    }, handshakeTimeout)
    const pending: Pending = { connection, events, openedAt: Math.round(clock.now()), timer }
    this.#pending.set(socket, pending)
    // A client that ends its side in the middle of the handshake is closed.
    socket.allowHalfOpen = false
    this.#server.emit('connection', socket)
  }

  /** Ends those that are under way; returns how many. */
  abort(): number {
    let count = 0
    for (const [socket, pending] of this.#pending) {
      if (socket.destroyed) continue
      this.#end(socket, pending, { reason: 'shutdown' })
      count++
    }
    return count
  }

  /** Its 'close' comes later, as a failed handshake. */
  #end(socket: Socket, pending: Pending, failure: Failure): void {
    pending.failure = failure
    socket.destroy()
  }

  #serverOf(settings: TlsSettings): Server {
    return createServer(nodeTlsOptions(settings))
      .on('secureConnection', socket => this.#secured(socket as Secured))
      .on('tlsClientError', (error, socket) => this.#failed(error, socket as Secured))
  }

  #secured(socket: Secured): void {
    const { connection, events } = this.#take(socket)
    socket.allowHalfOpen = true
    events.onSecure(socket, connection)
  }

  /** Comes for every handshake that is not finished, whatever ended it. */
  #failed(cause: NodeJS.ErrnoException, socket: Secured): void {
    const { connection, events, openedAt, failure = failureOf(cause, socket) } = this.#take(socket)
    endConnection(connection)
    const duration = Math.round(connection.clock.now()) - openedAt
    const { reason, error } = failure
    events.onFailed({ reason, error, bytesRead: 0, bytesWritten: 0, duration }, connection)
  }

  #take({ _parent: socket }: Secured): Pending {
    const pending = this.#pending.get(socket) as Pending
    this.#pending.delete(socket)
    pending.connection.clock.clearTimeout(pending.timer)
    return pending
  }
}

function failureOf(cause: NodeJS.ErrnoException, socket: Secured): Failure {
  const what = socket.authorizationError
    ? `the client's certificate is not accepted: ${socket.authorizationError}`
    : mistakeOf(cause)
  return what === undefined
    ? { reason: 'client-reset', error: cause }
    : { reason: 'refused', error: new HandshakeError(what, { cause }) }
}

/** What the client did wrong; undefined when it only went away. */
function mistakeOf({ code, reason }: NodeJS.ErrnoException & { reason?: string }): string | undefined {
  switch (code) {
    case 'ERR_SSL_HTTP_REQUEST':
      return 'the client spoke HTTP without TLS'
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'the client did not speak TLS'
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'the client showed no certificate'
    default:
      // Only the errors of TLS have one.
      return reason
  }
}
