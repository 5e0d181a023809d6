import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.js'
import type { Endpoints } from '../connection.js'
import { RefusedError } from '../errors.js'
import { type ProxyHeader, parseProxyHeader } from '../net/proxy-header.js'
import { OPEN_FILES } from '../open-files.js'
import { formatDuration } from '../options/format-duration.js'
import { AddressList } from './address/address-list.js'
import type { AddressRange } from './address/address-range.js'

/** The time that a header may take, from the accept on. The specification asks for 3 s at least, for a lost packet. */
const HEADER_TIMEOUT_MS = 3_000

/** The word of `proxyProtocol` for senders without an address: those of a unix socket. */
export const UNIX_PEERS = 'unix'

/** The senders that are trusted with the addresses of others. */
export interface TrustedProxies {
  readonly ranges: readonly AddressRange[]
  /** Whether senders without an address, those of a unix socket, are trusted. */
  readonly unix: boolean
}

/** Callbacks for the end of a header. */
export interface HeaderEvents {
  /** Called with the ends of the connection, and with the bytes that came behind the header. */
  readonly onRead: (socket: Socket, ends: Endpoints, head: Buffer | undefined) => void
  readonly onRefused: (socket: Socket, refusal: RefusedError) => void
  /** Called when the sender goes away without a word, as a health check does. `openedAt` is the time of the accept. */
  readonly onGone: (socket: Socket, error: Error | undefined, openedAt: number) => void
}

/** A connection whose header is still to come. */
interface Pending {
  readonly openedAt: number
  readonly timer: Timer
  /** Stops listening to the socket, and leaves in it what was not read. */
  readonly release: () => void
  /** The part of the header that has come. */
  bytes: Buffer
}

/** Reads the PROXY header of each connection of a listener, before anything else is done with it. */
export class ProxyHeaders {
  #trusted: AddressList
  #trustsUnix: boolean
  readonly #clock: Clock
  readonly #events: HeaderEvents
  readonly #pending = new Map<Socket, Pending>()
  #resolveSettled = () => {}

  constructor({ ranges, unix }: TrustedProxies, clock: Clock, events: HeaderEvents) {
    this.#trusted = new AddressList(ranges)
    this.#trustsUnix = unix
    this.#clock = clock
    this.#events = events
  }

  /** Number of connections whose header has not come yet. */
  get size(): number {
    return this.#pending.size
  }

  /** Takes headers of other senders, for connections that begin from now on. */
  trust({ ranges, unix }: TrustedProxies): void {
    this.#trusted = new AddressList(ranges)
    this.#trustsUnix = unix
  }

  /** Resolves when no header is awaited any more. */
  async settled(): Promise<void> {
    if (this.size === 0) return
    await new Promise<void>(resolve => {
      this.#resolveSettled = resolve
    })
  }

  /** Waits for the header of a connection, or refuses the connection. */
  begin(socket: Socket): void {
    const { remoteAddress, localAddress } = socket
    const openedAt = Math.round(this.#clock.now())
    if (remoteAddress === undefined && localAddress !== undefined) {
      // The sender has reset the connection, so its address is not known any more.
      socket.destroy()
      this.#events.onGone(socket, undefined, openedAt)
      return
    }
    const isTrusted = remoteAddress === undefined ? this.#trustsUnix : this.#trusted.has(remoteAddress)
    if (!isTrusted) {
      this.#events.onRefused(socket, strangerRefused(remoteAddress))
      return
    }
    const onReadable = () => this.#onReadable(socket, pending)
    const onEnd = () => {
      if (pending.bytes.length > 0) this.#refuse(socket, 'is not complete')
      else onGone()
    }
    const onGone = (error?: Error) => this.#leave(socket, pending, error)
    const onClose = () => onGone()
    const timer = this.#clock.setTimeout(
      () => this.#refuse(socket, `took longer than ${formatDuration(HEADER_TIMEOUT_MS)}`),
      HEADER_TIMEOUT_MS,
    )
    const release = () => {
      socket.off('readable', onReadable).off('end', onEnd).off('error', onGone).off('close', onClose)
    }
    const pending: Pending = { openedAt, timer, release, bytes: Buffer.alloc(0) }
    OPEN_FILES.hold()
    this.#pending.set(socket, pending)
    socket.on('readable', onReadable).on('end', onEnd).on('error', onGone).on('close', onClose)
    // A socket that was used before may have ended or closed already, which it says only once.
    if (socket.readableEnded || socket.closed) onGone()
  }

  /** Refuses the connections whose header has not come yet. */
  abort(refusal: RefusedError): void {
    for (const socket of this.#pending.keys()) {
      this.#release(socket)
      this.#events.onRefused(socket, refusal)
    }
  }

  /** Takes what has come. It is no 'data' handler: Node 26 loses what is unshifted in one. */
  #onReadable(socket: Socket, pending: Pending): void {
    while (this.#pending.has(socket)) {
      const chunk: Buffer | null = socket.read()
      if (chunk === null) return
      this.#take(socket, pending, pending.bytes.length === 0 ? chunk : Buffer.concat([pending.bytes, chunk]))
    }
  }

  /** Looks for the header in all that has come so far. */
  #take(socket: Socket, pending: Pending, bytes: Buffer): void {
    const header = parseProxyHeader(bytes)
    if (header === undefined) {
      pending.bytes = bytes
    } else if ('fault' in header) {
      this.#refuse(socket, header.fault)
    } else {
      this.#release(socket)
      const { length, ends } = header
      const head = bytes.length === length ? undefined : bytes.subarray(length)
      this.#events.onRead(socket, ends === undefined ? socket : endpointsOf(ends), head)
    }
  }

  #refuse(socket: Socket, fault: string): void {
    this.#release(socket)
    const refusal = new RefusedError(
      `The PROXY header ${fault} ('proxyProtocol').`,
      `PROXY header ${fault}`,
      'proxy-header',
    )
    this.#events.onRefused(socket, refusal)
  }

  #leave(socket: Socket, { openedAt }: Pending, error: Error | undefined): void {
    this.#release(socket)
    socket.destroy()
    this.#events.onGone(socket, error, openedAt)
  }

  #release(socket: Socket): void {
    const { timer, release } = this.#pending.get(socket) as Pending
    this.#pending.delete(socket)
    this.#clock.clearTimeout(timer)
    release()
    OPEN_FILES.release()
    // The connection is served or refused before anybody hears that the last header has come.
    if (this.size === 0) queueMicrotask(this.#resolveSettled)
  }
}

function strangerRefused(address = 'a unix socket'): RefusedError {
  return new RefusedError(
    `Connections from ${address} are not from a proxy that 'proxyProtocol' names.`,
    'address not allowed',
    'proxy-header',
  )
}

function endpointsOf({ source, destination }: NonNullable<ProxyHeader['ends']>): Endpoints {
  return {
    remoteAddress: source.address,
    remotePort: source.port,
    localAddress: destination.address,
    localPort: destination.port,
  }
}
