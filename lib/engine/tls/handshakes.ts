import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Clock, Timer } from '../../clock.js'
import { type Connection, endConnection, secureWith } from '../../connection.js'
import { HandshakeError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import type { TlsOptions } from '../../options/tls-options.js'
import type { Outcome } from '../../outcome.js'
import { LINGER_BYTES, LINGER_MS } from '../drive/close-state.js'
import { certificateAlert } from './certificate-alert.js'
import { nodeTlsOptions, type TlsSettings, tlsSettings } from './tls-settings.js'

/** Callbacks for the end of a handshake. */
export interface HandshakeEvents {
  readonly onSecure: (socket: TLSSocket, connection: Connection) => void
  readonly onFailed: (outcome: Outcome, connection: Connection) => void
}

/** A handshake that is under way. */
interface Pending {
  readonly connection: Connection
  readonly events: HandshakeEvents
  readonly openedAt: number
  readonly timer: Timer
  /** Set when we end the handshake ourselves: what #failed() then reports. */
  failure?: Failure
  /** The secret of what we send after a handshake of TLS 1.3, where a client has to show a certificate. */
  trafficSecret?: Buffer
}

type Failure = Pick<Outcome, 'reason'> & { readonly error?: Error }

/** A TLS socket, with the plain socket that it was made from. */
type HandshakeSocket = TLSSocket & { readonly _parent: Socket; _rejectUnauthorized: boolean }

/** Refused clients that may linger behind an alert; any more are closed at once. */
const MAX_LINGERING = 8

/**
 * Makes TLS sockets from a listener's sockets. Node's TLS server does the handshake, but it does not listen, since limits
 * are checked first (a handshake costs more than a refusal), and it does not keep the deadline, since Node's own is the
 * socket's idle timer, which each byte renews.
 */
export class Handshakes {
  readonly #pending = new Map<Socket, Pending>()
  /** Refused clients that may still read why. */
  readonly #lingering = new Set<HandshakeSocket>()
  #settings: TlsSettings
  #server: Server

  constructor(owner: string, options: TlsOptions) {
    this.#settings = tlsSettings(owner, options)
    this.#server = this.#serverOf(this.#settings)
  }

  /** Number of handshakes under way. */
  get size(): number {
    return this.#pending.size
  }

  /** Replaces the options for handshakes that start from now on. */
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
    // A FIN of the client in the middle of the handshake closes the connection.
    socket.allowHalfOpen = false
    this.#server.emit('connection', socket)
  }

  /** Closes the connections of refused clients, whether they have read why or not. */
  dismiss(): void {
    for (const socket of this.#lingering) socket.destroy()
  }

  /** Ends the handshakes that are under way; returns their number. */
  abort(): number {
    let count = 0
    this.dismiss()
    for (const [socket, pending] of this.#pending) {
      if (socket.destroyed) continue
      this.#end(socket, pending, { reason: 'shutdown' })
      count++
    }
    return count
  }

  /** Destroys the socket; its 'close' makes the TLS server report a failed handshake, and so calls #failed(). */
  #end(socket: Socket, pending: Pending, failure: Failure): void {
    pending.failure = failure
    socket.destroy()
  }

  #serverOf(settings: TlsSettings): Server {
    const server = createServer(nodeTlsOptions(settings))
      .on('secureConnection', socket => this.#secured(socket as HandshakeSocket, settings))
      .on('tlsClientError', (error, socket) => this.#failed(error, socket as HandshakeSocket))
    if (settings.ca !== undefined) {
      server.on('keylog', (line, socket) => this.#onSecret(String(line), socket as HandshakeSocket))
    }
    return server
  }

  /**
   * Takes the certificate's refusal over from Node, which closes the connection without a word. Each handshake has one of
   * these lines before it is over; without it, Node refuses.
   */
  #onSecret(line: string, socket: HandshakeSocket): void {
    const [, name, secret = ''] = /^(SERVER_TRAFFIC_SECRET_0|CLIENT_RANDOM) \w+ (\w+)/.exec(line) ?? []
    if (name === undefined) return
    socket._rejectUnauthorized = false
    if (name === 'CLIENT_RANDOM') return
    const pending = this.#pending.get(socket._parent) as Pending
    pending.trafficSecret = Buffer.from(secret, 'hex')
  }

  #secured(socket: HandshakeSocket, { ca }: TlsSettings): void {
    if (ca !== undefined && !socket.authorized) {
      this.#refuse(socket)
      return
    }
    const { connection, events } = this.#take(socket)
    socket.allowHalfOpen = true
    secureWith(connection, socket)
    events.onSecure(socket, connection)
  }

  /**
   * Sends the alert below TLS, with a FIN behind it at once: so the session tickets, which OpenSSL writes next and would
   * encrypt with the same number, cannot leave.
   */
  #refuse(socket: HandshakeSocket): void {
    const pending = this.#pending.get(socket._parent) as Pending
    const problem = String(socket.authorizationError)
    socket._parent.end(certificateAlert(socket, problem, pending.trafficSecret))
    this.#linger(socket, pending.connection.clock)
    this.#failed(new Error(problem), socket)
  }

  /** Reads until the client's FIN, but not for long, and closes the socket. */
  #linger(socket: HandshakeSocket, clock: Clock): void {
    const close = () => socket.destroy()
    const timer = clock.setTimeout(close, LINGER_MS)
    let discarded = 0
    this.#lingering.add(socket)
    socket
      .on('error', close)
      .on('close', () => {
        clock.clearTimeout(timer)
        this.#lingering.delete(socket)
      })
      .on('data', (chunk: Buffer) => {
        discarded += chunk.length
        if (discarded > LINGER_BYTES) close()
      })
    if (this.#lingering.size > MAX_LINGERING) close()
  }

  /** Called for every handshake that does not finish, whatever the cause. */
  #failed(cause: NodeJS.ErrnoException, socket: HandshakeSocket): void {
    const { connection, events, openedAt, failure = failureOf(cause, socket) } = this.#take(socket)
    endConnection(connection)
    if (isPlain(cause)) socket._parent.end(PLAIN_CLIENT)
    const duration = Math.round(connection.clock.now()) - openedAt
    const { reason, error } = failure
    events.onFailed({ reason, error, bytesRead: 0, bytesWritten: 0, duration }, connection)
  }

  #take({ _parent: socket }: HandshakeSocket): Pending {
    const pending = this.#pending.get(socket) as Pending
    this.#pending.delete(socket)
    pending.connection.clock.clearTimeout(pending.timer)
    return pending
  }
}

/** The answer to a client that does not speak TLS: without it the connection would end without a word. */
const PLAIN_CLIENT = 'error: this port speaks TLS\n'

function isPlain({ code }: NodeJS.ErrnoException): boolean {
  return code === 'ERR_SSL_HTTP_REQUEST' || code === 'ERR_SSL_WRONG_VERSION_NUMBER'
}

function failureOf(cause: NodeJS.ErrnoException, socket: HandshakeSocket): Failure {
  const what = socket.authorizationError
    ? `the client's certificate is not accepted: ${socket.authorizationError}`
    : clientMistake(cause)
  return what === undefined
    ? { reason: 'client-reset', error: cause }
    : { reason: 'refused', error: new HandshakeError(what, { cause }) }
}

/** Says what the client did wrong; undefined if it only went away. */
function clientMistake({ code, reason }: NodeJS.ErrnoException & { reason?: string }): string | undefined {
  switch (code) {
    case 'ERR_SSL_HTTP_REQUEST':
      return 'the client spoke HTTP without TLS'
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'the client did not speak TLS'
    case 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE':
      return 'the client showed no certificate'
    default:
      // Only errors of OpenSSL have a reason; others mean that the connection was lost.
      return reason
  }
}
