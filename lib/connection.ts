import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type Clock, MAX_TIMEOUT_MS, systemClock } from './clock.js'
import { type BywashError, InvalidOptionError } from './errors.js'
import { checkBoolean, checkInteger, checkNames } from './options/check-option.js'
import type { TlsOptions } from './options/tls-options.js'
import type { StageCounts } from './stage-counts.js'

/** The addresses of a connection. A `net.Socket` has them under these names. */
export interface Endpoints {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** The results of a TLS handshake. */
export interface TlsInfo {
  /** The host name that the client asked for (SNI). */
  readonly servername?: string | undefined
  /** The protocol that was agreed on (ALPN). */
  readonly alpnProtocol?: string | undefined
  /** The version of TLS, such as `TLSv1.3`. */
  readonly protocol?: string | undefined
  /** The cipher by its standard name, such as `TLS_AES_256_GCM_SHA384`. */
  readonly cipher?: string | undefined
  /** The certificate that the client has shown, as Node describes it. With `ca` in `tls` one of those authorities has signed it. */
  readonly peerCertificate?: PeerCertificate | undefined
}

/** The name and type of a value that stages keep for each connection. `stateKey()` makes one. */
export interface StateKey<Value> {
  readonly name: string
  /** Makes the value when it is first asked for. */
  readonly initial: (connection: Connection) => Value
}

/**
 * Makes a key for a value of each connection, which `connection.state(key)` gives to all stages of its pipeline. Keys are told
 * apart by identity, and not by name, so that no two modules can meet by accident.
 *
 * @param name - A name for people, as a debugger shows it.
 * @param initial - Makes the value when it is first asked for. @default the value is undefined until it is set
 * @example
 * const user = stateKey<string>('user')
 * const login = tap('login', (line, connection) => connection.setState(user, line))
 * const sign = map('sign', (line, connection) => `${connection.state(user) ?? 'somebody'}: ${line}`)
 * @example
 * const basket = stateKey('basket', () => new Set<string>())
 */
export function stateKey<Value>(name: string): StateKey<Value | undefined>
export function stateKey<Value>(name: string, initial: (connection: Connection) => Value): StateKey<Value>
export function stateKey<Value>(
  name: string,
  initial: (connection: Connection) => Value | undefined = () => undefined,
): StateKey<Value | undefined> {
  return Object.freeze({ name, initial })
}

/** Options of `connection.setIdleTimeout()`. */
export interface IdleTimeoutOptions {
  /** Whether only bytes from the client count, and output does not. @default false */
  readonly inputOnly?: boolean
}

/** An idle timeout that a stage has set for its connection. */
export interface IdleTimeout {
  /** 0 is for ever. */
  readonly milliseconds: number
  readonly inputOnly: boolean
}

/** Figures of a connection: the bytes that it has held, and the stage that it has waited for. */
export interface ConnectionFigures {
  /**
   * The most bytes that have waited in its stages and for the client, when a stage or the client held it up; each item in a stage counts
   * 128 more.
   */
  readonly heldAtMost: number
  /**
   * The stage, or `client`, that it has waited for most, and its share of the time in which there was something to do; undefined where
   * it was not observed.
   */
  readonly slowest: { readonly name: string; readonly share: number } | undefined
}

/** The part of the engine that runs a connection. */
interface Counter {
  /** What has passed each stage so far. */
  readonly counts: () => readonly StageCounts[]
  /** Fails the connection; once it is over, the error is only reported. */
  readonly failLater: (error: BywashError) => void
  /** The figures of the connection; absent where nobody finds out. */
  readonly figures?: () => ConnectionFigures
  /** Sets the idle timeout of the connection; none where no time passes. */
  readonly setIdleTimeout?: (timeout: IdleTimeout) => void
  /** Goes over to TLS; absent where there is no socket. */
  readonly startTls?: (options: TlsOptions) => Promise<void>
}

const IDLE_TIMEOUT = stateKey<IdleTimeout>('idle timeout')

let lastId = 0

/** The id of the next connection that this process serves: 1 for the first, then rising by one. */
export function nextId(): number {
  return ++lastId
}

/** Marks a connection as over, aborts its signal, and lets go of its socket. Only the engine calls it. */
export let endConnection: (connection: Connection) => void

/** Calls a function when a connection is over; at once where it is. */
export let whenOver: (connection: Connection, callback: () => void) => void

/** Gives a connection its counter, which `counts` reads. Only the engine calls it. */
export let countWith: (connection: Connection, counter: Counter) => void

/** The figures of a connection so far; undefined where nobody finds out. The log calls it. */
export let figuresOf: (connection: Connection) => ConnectionFigures | undefined

/** Fails a connection from outside of a call of its stages, for a promise of one that has rejected. */
export let failConnection: (connection: Connection, error: BywashError) => void

/** Gives a connection its TLS socket, once the handshake is over, for `tls`. Only who makes handshakes calls it. */
export let secureWith: (connection: Connection, socket: TLSSocket) => void

/** Asks how many connections a listener has had so far, and calls `answer` with it later. */
type AskTotal = (answer: (total: number) => void) => void

/** The number of a connection among those of its listener in all workers. */
interface SharedCount {
  /** 1 for the first connection of the listener, then rising by one. */
  readonly number: number
  readonly askTotal: AskTotal
}

/** The property of connections in workers that has their number: others do without the place for it. */
const shared = Symbol('bywash.shared')
type Counted = Connection & { [shared]?: SharedCount }

/** Records the number of a connection of a listener with workers. The worker that serves the connection calls it. */
export function shareCount(connection: Counted, count: SharedCount): void {
  connection[shared] = count
}

/** The number of a connection among those of all workers; undefined where this process serves all of them. */
export function sharedCount(connection: Counted): SharedCount | undefined {
  return connection[shared]
}

/**
 * Reads the peer's address, so that Node keeps it. Once the peer has gone the system no longer knows the address, and a
 * read is a system call and an object, so only listeners call this whose handlers or stages may look at it.
 */
export function keepAddresses({ remoteAddress: _kept }: Connection): void {}

/** Reads what TLS has settled, which Node forgets when the socket is closed. */
export function keepTls({ tls: _kept }: Connection): void {}

/** The member of a socket that a reset needs. */
interface Resettable {
  readonly resetAndDestroy?: () => unknown
}

/** A duplex that may be a socket, or have one below it, as that of TLS. */
type ResettableDuplex = Duplex & Resettable & { readonly _parent?: Resettable | null | undefined }

/**
 * Ends a duplex so that its other side sees an error, and no end in good order: with a RST where the transport has one. A unix
 * socket has none, and is closed; any other Duplex is destroyed with the error.
 */
export function resetDuplex(duplex: ResettableDuplex, error?: Error): void {
  try {
    // The RST of a TLS connection is that of the socket below it.
    ;(duplex._parent ?? duplex).resetAndDestroy?.()
  } catch {
    // A unix socket of Node's has the method, but no reset.
  }
  duplex.destroy(error)
}

/** One client of a listener, or of `pipeline.handle()`, as the `open` of each stage gets it. */
export class Connection implements Endpoints {
  /**
   * 1 for the first connection that a process serves, whichever listener it belongs to, then rising by one; 0 for one that is
   * not served. With workers the primary process numbers, or a counter that threads share.
   */
  readonly id: number
  /** The clock for the timers of stages. */
  readonly clock: Clock
  #endpoints: Endpoints
  #counter: Counter | undefined
  /** The results of the handshake, or the socket that has them. Of a connection without TLS it stays undefined. */
  #tls: TlsInfo | TLSSocket | undefined
  /** Made when the first value is set or asked for. */
  #state: Map<StateKey<unknown>, unknown> | undefined
  /**
   * The controller of `signal`, made when the signal is first read, since few stages read it; false when the connection
   * was over before.
   */
  #controller: AbortController | false | undefined
  /** Called when the connection is over. */
  #endCallbacks: (() => void)[] | undefined

  static {
    endConnection = connection => {
      const { remoteAddress, remotePort } = connection.#endpoints
      connection.#endpoints = { remoteAddress, remotePort }
      if (isTlsSocket(connection.#tls)) connection.#tls = undefined
      if (connection.#controller) connection.#controller.abort()
      else connection.#controller = false
      const callbacks = connection.#endCallbacks
      connection.#endCallbacks = undefined
      for (const callback of callbacks ?? []) callback()
    }
    whenOver = (connection, callback) => {
      const controller = connection.#controller
      if (controller === false || controller?.signal.aborted) callback()
      else {
        connection.#endCallbacks ??= []
        connection.#endCallbacks.push(callback)
      }
    }
    countWith = (connection, counter) => {
      connection.#counter = counter
      const idleTimeout = connection.#state && connection.state(IDLE_TIMEOUT)
      if (idleTimeout !== undefined) counter.setIdleTimeout?.(idleTimeout)
    }
    figuresOf = connection => connection.#counter?.figures?.()
    secureWith = (connection, socket) => {
      connection.#tls = socket
    }
    failConnection = (connection, error) => {
      if (connection.#counter === undefined) process.emitWarning(error)
      else connection.#counter.failLater(error)
    }
  }

  /**
   * @param endpoints - The addresses, or a socket, which has them. The socket of a TLS connection gives `tls` too.
   * @param tls - What TLS has settled, for a test of a stage that asks for it.
   */
  constructor(id: number, endpoints: Endpoints = {}, clock: Clock = systemClock, tls?: TlsInfo) {
    this.id = id
    this.#endpoints = endpoints
    this.clock = clock
    this.#tls = tls
  }

  /** The peer's address, or undefined on a transport that has none. */
  get remoteAddress(): string | undefined {
    return this.#endpoints.remoteAddress
  }

  get remotePort(): number | undefined {
    return this.#endpoints.remotePort
  }

  /** The address on our side; undefined once the connection is over. */
  get localAddress(): string | undefined {
    return this.#endpoints.localAddress
  }

  get localPort(): number | undefined {
    return this.#endpoints.localPort
  }

  /**
   * What the TLS handshake has settled; undefined on a connection without TLS, and before the handshake is over, as in `onOpen`.
   *
   * @example
   * map('sign', (line, { tls }) => `${tls?.peerCertificate?.subject.CN ?? 'somebody'}: ${line}`)
   */
  get tls(): TlsInfo | undefined {
    const known = this.#tls ?? this.#endpoints
    if (!isTlsSocket(known)) return this.#tls as TlsInfo | undefined
    const info = tlsInfoOf(known)
    if (info !== undefined) this.#tls = info
    return info
  }

  /**
   * The value of a key for this connection, which all stages of its pipeline share. It stays when the connection is over.
   *
   * @example
   * const user = stateKey<string>('user')
   * connection.setState(user, 'ann')
   * connection.state(user) // 'ann'
   */
  state<Value>(key: StateKey<Value>): Value {
    if (this.#state?.has(key)) return this.#state.get(key) as Value
    const value = key.initial(this)
    this.setState(key, value)
    return value
  }

  /** Sets the value of a key for this connection. */
  setState<Value>(key: StateKey<Value>, value: NoInfer<Value>): void {
    this.#state ??= new Map()
    this.#state.set(key, value)
  }

  /**
   * Sets how long nothing may come or go on this connection, in milliseconds, in place of the `idleTimeout` of its listener;
   * 0 is for ever. It begins anew with each call, and is noticed two seconds late at most.
   *
   * @throws InvalidOptionError for a time that is not allowed.
   * @example
   * // MQTT: a client that says nothing for one and a half times its keepalive is gone.
   * connection.setIdleTimeout(1500 * keepAliveSeconds, { inputOnly: true })
   */
  setIdleTimeout(milliseconds: number, options: IdleTimeoutOptions = {}): void {
    checkInteger('setIdleTimeout()', 'milliseconds', milliseconds, 0, MAX_TIMEOUT_MS)
    checkNames('setIdleTimeout()', options, ['inputOnly'])
    const { inputOnly = false } = options
    checkBoolean('setIdleTimeout()', 'inputOnly', inputOnly)
    const timeout = { milliseconds, inputOnly }
    this.setState(IDLE_TIMEOUT, timeout)
    this.#counter?.setIdleTimeout?.(timeout)
  }

  /**
   * Goes over to TLS, as a server does with STARTTLS: what the list has given up to the end of this turn leaves in plaintext,
   * what the client has sent behind its request is discarded (RFC 3207 §6), and then it makes the handshake. A stage with
   * `upgrades: true` calls it, in the turn of its go-ahead, and waits. Resolves when the handshake is over; then `tls` is set. A
   * handshake that fails ends the connection as with a listener of TLS, and the promise rejects.
   *
   * @param options - Those of `tls` in `listen()`. Give the same object each time: certificates are read once for each.
   * @throws InvalidOptionError on a connection that speaks TLS already, has no socket, or ends; and where no stage of its list
   * says `upgrades: true`.
   * @example
   * async transform(line, controller) {
   *   if (line !== 'STARTTLS') return
   *   controller.enqueue('220 go ahead')
   *   await connection.startTls({ cert, key })
   * }
   */
  startTls(options: TlsOptions): Promise<void> {
    const start = this.#counter?.startTls
    if (start === undefined)
      throw new InvalidOptionError('connection.startTls() needs a connection with a socket.')
    return start.call(this.#counter, options)
  }

  /**
   * The amounts that have passed each stage so far, first to last. They stay when the connection is over.
   *
   * @example
   * listen(shout, { onOutcome: (_outcome, { counts }) => console.error(counts[0]?.in.bytes) })
   */
  get counts(): readonly StageCounts[] {
    return this.#counter?.counts() ?? []
  }

  /** A signal that is aborted when the connection is over. Hand it to what a stage waits for. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    // Each of many calls under way may listen to it; Node would warn of a leak from 11 on.
    setMaxListeners(0, controller.signal)
    if (this.#controller === false) controller.abort()
    this.#controller = controller
    return controller.signal
  }
}

function isTlsSocket(known: Endpoints | TlsInfo | undefined): known is TLSSocket {
  return known !== undefined && 'getPeerCertificate' in known
}

/** The results of the handshake of a socket; undefined before it is over, and once the socket is closed. */
function tlsInfoOf(socket: TLSSocket): TlsInfo | undefined {
  // Undefined or null, or without a name, while there is none.
  const { standardName: cipher } = (socket.getCipher() ?? {}) as { readonly standardName?: string }
  if (cipher === undefined) return undefined
  const { servername, alpnProtocol } = socket as { readonly servername?: unknown } & TLSSocket
  const certificate = socket.getPeerCertificate()
  return Object.freeze({
    servername: textOf(servername),
    alpnProtocol: textOf(alpnProtocol),
    protocol: textOf(socket.getProtocol()),
    cipher,
    // Node gives an object without properties where there is none.
    peerCertificate: Object.keys(certificate).length === 0 ? undefined : certificate,
  })
}

/** A text that Node gives, which is false or null where there is none. */
function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
