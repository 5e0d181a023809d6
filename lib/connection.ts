import { setMaxListeners } from 'node:events'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from './clock.js'
import type { BywashError } from './errors.js'
import type { StageCounts } from './stage-counts.js'

/** The addresses of a connection. A `net.Socket` has them under these names. */
export interface Endpoints {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** The part of the engine that runs a connection. */
interface Counter {
  /** What has passed each stage so far. */
  readonly counts: () => readonly StageCounts[]
  /** Fails the connection; once it is over, the error is only reported. */
  readonly failLater: (error: BywashError) => void
}

/** Marks a connection as over, aborts its signal, and lets go of its socket. Only the engine calls it. */
export let endConnection: (connection: Connection) => void

/** Calls a function when a connection is over; at once where it is. */
export let whenOver: (connection: Connection, callback: () => void) => void

/** Gives a connection its counter, which `counts` reads. Only the engine calls it. */
export let countWith: (connection: Connection, counter: Counter) => void

/** Fails a connection from outside of a call of its stages, for a promise of one that has rejected. */
export let failConnection: (connection: Connection, error: BywashError) => void

/** Asks how many connections a listener has had so far, and calls `answer` with it later. */
type AskTotal = (answer: (total: number) => void) => void

/** For each connection of a listener with workers, the function that asks for the number of all its connections. */
const totals = new WeakMap<Connection, AskTotal>()

/** Records `askTotal` for a connection of a listener with workers. The worker that serves the connection calls it. */
export function shareCount(connection: Connection, askTotal: AskTotal): void {
  totals.set(connection, askTotal)
}

/** The function that asks for the number of all connections; undefined where this process serves all of them. */
export function sharedCount(connection: Connection): AskTotal | undefined {
  return totals.get(connection)
}

/**
 * Reads the peer's address, so that Node keeps it. Once the peer has gone the system no longer knows the address, and a
 * read is a system call and an object, so only listeners call this whose handlers or stages may look at it.
 */
export function keepAddresses({ remoteAddress: _kept }: Connection): void {}

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
  /** 1 for the first connection that a listener serves, then rising by one; 0 for one that is refused. */
  readonly id: number
  /** The clock for the timers of stages. */
  readonly clock: Clock
  #endpoints: Endpoints
  #counter: Counter | undefined
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
    }
    failConnection = (connection, error) => {
      if (connection.#counter === undefined) process.emitWarning(error)
      else connection.#counter.failLater(error)
    }
  }

  constructor(id: number, endpoints: Endpoints = {}, clock: Clock = systemClock) {
    this.id = id
    this.#endpoints = endpoints
    this.clock = clock
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
