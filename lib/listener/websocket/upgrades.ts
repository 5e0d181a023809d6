import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { type Clock, nextTurn, type Timer } from '../../clock.js'
import { type Connection, endConnection } from '../../connection.js'
import { DeadlineWatch, deadlines } from '../../engine/drive/deadlines.js'
import type { Plan } from '../../engine/plan.js'
import { HandshakeError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import type { Outcome } from '../../outcome.js'
import { httpAnswer, type Status } from './http-answer.js'
import { isAllowedOrigin } from './origin.js'
import { PAGE, PAGE_HEADERS } from './page.js'
import { type StreamRules, streamRules } from './stream-rules.js'
import { ReadingWebSocket, WebSocketStream } from './web-socket-stream.js'
import type { WebSocketSettings } from './websocket-options.js'

/** The longest head of a request, as in Node. */
const MAX_HEAD_BYTES = 16_384

const UPGRADE_HEADERS = ['Upgrade: websocket']

/** Callbacks for the end of a handshake. */
export interface UpgradeEvents {
  readonly onOpen: (stream: WebSocketStream, connection: Connection) => void
  readonly onFailed: (outcome: Outcome, connection: Connection) => void
}

/** A connection that is no WebSocket yet, or was answered with something else. */
interface Pending {
  readonly connection: Connection
  readonly events: UpgradeEvents
  readonly openedAt: number
  readonly timer: Timer
  /** The value of `bytesRead` at its begin. */
  readonly readBefore: number
  readonly onClose: () => void
  /** Set when the request was answered, or when we end the connection ourselves. */
  end?: Pick<Outcome, 'reason' | 'error'>
}

/**
 * Makes WebSockets from a listener's sockets. Node's HTTP server reads the request, but it does not listen, since limits are
 * checked first, and so it keeps no deadline. Each connection has one request: what asks for no WebSocket is answered, and ends.
 */
export class Upgrades {
  readonly #settings: WebSocketSettings
  readonly #clock: Clock
  readonly #pending = new Map<Duplex, Pending>()
  readonly #server: Server
  readonly #webSockets: WebSocketServer
  readonly #watch: DeadlineWatch<WebSocketStream>
  #rules: StreamRules

  /** @param frameTimeout - The time in which a message has to be complete. */
  constructor(settings: WebSocketSettings, plan: Plan, frameTimeout: number, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.#rules = streamRules(settings, plan)
    this.#watch = new DeadlineWatch(
      deadlines({ idleTimeout: settings.pingInterval, frameTimeout, drainTimeout: 0 }),
      clock,
    )
    this.#server = createServer({ maxHeaderSize: MAX_HEAD_BYTES })
      .on('request', (request, response) => this.#onRequest(request, response))
      .on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
      .on('clientError', (error, socket) => this.#onInvalid(error, socket))
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      // Pongs and close frames are the stream's own.
      autoPong: false,
      WebSocket: ReadingWebSocket,
      maxPayload: settings.maxLength,
    }).on('wsClientError', ({ message }, socket) => this.#refuse(socket, 400, message))
  }

  /** Number of connections that are no WebSocket yet. */
  get size(): number {
    return this.#pending.size
  }

  /** Takes the borders of messages from another plan, for connections that open from now on. */
  follow(plan: Plan): void {
    this.#rules = streamRules(this.#settings, plan)
  }

  begin(socket: Duplex, connection: Connection, events: UpgradeEvents): void {
    const { handshakeTimeout } = this.#settings
    const timer = this.#clock.setTimeout(() => {
      const duration = formatDuration(handshakeTimeout)
      this.#end(socket, {
        reason: 'refused',
        error: failure(`the request took longer than ${duration} ('handshakeTimeout')`),
      })
    }, handshakeTimeout)
    const onClose = () => this.#onClose(socket)
    const openedAt = Math.round(this.#clock.now())
    // Bytes that were read before, such as a PROXY header, are no sign of a request.
    const readBefore = (socket as Socket).bytesRead - socket.readableLength
    this.#pending.set(socket, { connection, events, openedAt, timer, onClose, readBefore })
    socket.on('close', onClose).on('error', ignore)
    this.#server.emit('connection', socket)
    // Node's server does not read a socket that is paused, as one is behind a PROXY header.
    if (socket.readableFlowing === false) socket.resume()
  }

  /** Ends the connections that have said nothing, as a browser opens them before it needs them. */
  drain(): void {
    // By then the socket was read, if the kernel had anything for it.
    nextTurn(() =>
      nextTurn(() => {
        for (const [socket, { readBefore }] of this.#pending) {
          if ((socket as Socket).bytesRead === readBefore)
            this.#end(socket, { reason: 'shutdown', error: undefined })
        }
      }),
    )
  }

  /** Ends the connections that are no WebSocket yet; returns their number. */
  abort(): number {
    const { size } = this.#pending
    for (const socket of this.#pending.keys()) this.#end(socket, { reason: 'shutdown', error: undefined })
    return size
  }

  #end(socket: Duplex, end: Pick<Outcome, 'reason' | 'error'>): void {
    const pending = this.#pending.get(socket) as Pending
    pending.end ??= end
    socket.destroy()
  }

  #take(socket: Duplex): Pending {
    const pending = this.#pending.get(socket) as Pending
    this.#pending.delete(socket)
    socket.off('close', pending.onClose)
    this.#clock.clearTimeout(pending.timer)
    return pending
  }

  #onClose(socket: Duplex): void {
    const {
      connection,
      events,
      openedAt,
      end = { reason: 'client-reset', error: undefined },
    } = this.#take(socket)
    endConnection(connection)
    const duration = Math.round(this.#clock.now()) - openedAt
    events.onFailed({ ...end, bytesRead: 0, bytesWritten: 0, duration }, connection)
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { origin, host } = request.headers
    if (!isAllowedOrigin(origin, host, this.#settings.origins)) {
      this.#refuse(socket, 403, `pages of ${origin} may not connect`)
      return
    }
    this.#webSockets.handleUpgrade(request, socket, head, webSocket => {
      const { connection, events } = this.#take(socket)
      const stream = new WebSocketStream(webSocket as ReadingWebSocket, socket, this.#rules, closed =>
        this.#watch.delete(closed),
      )
      this.#watch.add(stream)
      events.onOpen(stream, connection)
    })
  }

  /** Answers a request that asks for no WebSocket. */
  #onRequest({ method, url, socket }: IncomingMessage, response: ServerResponse): void {
    const pending = this.#pending.get(socket) as Pending
    const isPage = this.#settings.page && url === '/'
    if (isPage && (method === 'GET' || method === 'HEAD')) {
      pending.end = { reason: 'end', error: undefined }
      response.writeHead(200, PAGE_HEADERS).end(PAGE)
    } else if (this.#settings.page) {
      this.#refuse(socket, isPage ? 405 : 404, isPage ? 'there is a page to GET' : 'the page is at /')
    } else {
      this.#refuse(socket, 426, 'this port speaks WebSocket', UPGRADE_HEADERS)
    }
  }

  /** Answers input that is not HTTP. */
  #onInvalid({ code, message }: NodeJS.ErrnoException, socket: Duplex): void {
    const isTooLong = code === 'HPE_HEADER_OVERFLOW'
    if (!code?.startsWith('HPE_')) socket.destroy()
    else if (isTooLong)
      this.#refuse(socket, 431, `the head of the request is longer than ${MAX_HEAD_BYTES} bytes`)
    else this.#refuse(socket, 400, `this port speaks HTTP: ${message}`)
  }

  /** Sends an answer, and discards what comes until the client ends its side, or time is up. */
  #refuse(socket: Duplex, status: Status, what: string, headers: readonly string[] = []): void {
    const pending = this.#pending.get(socket)
    // It was answered before: a client may send several requests at once.
    if (pending === undefined || pending.end !== undefined) return
    pending.end = { reason: 'refused', error: failure(what) }
    socket.end(httpAnswer(status, `error: ${what}`, headers))
    socket.resume()
  }
}

function ignore(): void {}

function failure(what: string): HandshakeError {
  return new HandshakeError(what, {}, 'WebSocket')
}
