import { connect, type Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Clock, Timer } from '../../clock.js'
import { OPEN_FILES } from '../../open-files.js'
import { formatDuration } from '../../options/format-duration.js'
import type { ServerCounts } from './server-counts.js'
import type { Server } from './server-list.js'
import { systemText } from './system-text.js'
import { serverNameOf } from './upstream-tls.js'

/** Bytes that a socket takes before it is slow: more than one read, or each long chunk would have to wait for the one before. */
const WRITE_MARK_BYTES = 131_072
/** The silence before the first probe of a server, as of a client. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** How a server is connected to. */
export interface DialSettings {
  readonly servers: readonly Server[]
  /** Milliseconds for each server. */
  readonly connectTimeout: number
  /** The options of `tls.connect()`; undefined without TLS, unless the address asks for it. */
  readonly tls: ConnectionOptions | undefined
}

type Tls = typeof import('node:tls')

/** Callbacks of a dial: one of them is called, and neither once the dial was cancelled. */
export interface Dialled {
  readonly connected: (socket: Socket, server: Server) => void
  /** No server could be connected to. `why` says what happened with each of them. */
  readonly failed: (why: string, cause: Error) => void
}

/** Connects to the first of several servers that can be connected to. They are tried in turn, each for `connectTimeout`. */
export class Dial {
  readonly #settings: DialSettings
  /** The bytes to send in front of everything, also of TLS; undefined for none. */
  readonly #header: Buffer | undefined
  readonly #clock: Clock
  readonly #dialled: Dialled
  readonly #failures: string[] = []
  #index = 0
  #tls: Tls | undefined
  /** The socket that is being connected. */
  #socket: Socket | undefined
  #timer: Timer
  /** A server is connected, or nobody waits for one any more. */
  #isOver = false

  constructor(settings: DialSettings, header: Buffer | undefined, clock: Clock, dialled: Dialled) {
    this.#settings = settings
    this.#header = header
    this.#clock = clock
    this.#dialled = dialled
    if (settings.servers.every(server => this.#tlsOf(server) === undefined)) this.#begin()
    else void this.#beginWithTls()
  }

  /** Loads TLS where it is used, since that takes long. */
  async #beginWithTls(): Promise<void> {
    this.#tls = await import('node:tls')
    if (!this.#isOver) this.#begin()
  }

  /** Gives up, where no server is connected yet. */
  cancel(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#socket !== undefined) this.#counts.connecting--
    this.#clock.clearTimeout(this.#timer)
    this.#socket?.destroy()
  }

  get #counts(): ServerCounts {
    return (this.#settings.servers[this.#index] as Server).counts
  }

  #begin(): void {
    const { servers, connectTimeout } = this.#settings
    const server = servers[this.#index] as Server
    const socket = connect({
      ...server.address,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      ...{ writableHighWaterMark: WRITE_MARK_BYTES },
    })
    this.#socket = socket
    OPEN_FILES.hold()
    this.#counts.connecting++
    const index = this.#index
    // A socket that was given up may still say why.
    const onError = (cause: Error) => {
      if (index === this.#index) this.#failed(server, systemText(cause), cause)
    }
    socket
      .once('close', () => OPEN_FILES.release())
      .on('error', onError)
      .once('connect', () => {
        if (this.#header !== undefined) socket.write(this.#header)
        if (this.#tlsOf(server) === undefined) this.#connected(socket, server)
        else this.#secure(socket, server, onError)
      })
    this.#timer = this.#clock.setTimeout(() => {
      const limit = formatDuration(connectTimeout)
      onError(new Error(`no connection within ${limit} ('connectTimeout')`))
    }, connectTimeout)
  }

  #tlsOf({ isTls }: Server): ConnectionOptions | undefined {
    return this.#settings.tls ?? (isTls ? {} : undefined)
  }

  /** Speaks TLS on a socket that is connected. */
  #secure(socket: Socket, server: Server, onError: (cause: Error) => void): void {
    const tls = this.#tls as Tls
    const servername = 'host' in server.address ? serverNameOf(server.address.host) : undefined
    try {
      const secured = tls.connect({
        ...(servername === undefined ? {} : { servername }),
        ...this.#tlsOf(server),
        socket,
      })
      this.#socket = secured
      secured.on('error', onError).once('secureConnect', () => this.#connected(secured, server))
    } catch (cause) {
      // Options that tls.connect() does not take.
      onError(cause as Error)
    }
  }

  #connected(socket: Socket, server: Server): void {
    this.#isOver = true
    this.#clock.clearTimeout(this.#timer)
    this.#counts.connected(socket)
    this.#dialled.connected(socket, server)
  }

  #failed({ name }: Server, why: string, cause: Error): void {
    if (this.#isOver) return
    this.#clock.clearTimeout(this.#timer)
    this.#socket?.destroy()
    this.#failures.push(`${name}: ${why}`)
    this.#counts.failed(why)
    this.#index++
    if (this.#index < this.#settings.servers.length) {
      this.#begin()
      return
    }
    this.#isOver = true
    this.#dialled.failed(this.#failures.join('; '), cause)
  }
}
