import { type Clock, systemClock } from './clock.js'
import type { StageCounts } from './stage-counts.js'

/** Where a connection's addresses are read from: a `net.Socket`, or anything with the same names. */
export interface Endpoints {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

/** What counts for a connection. */
interface Counter {
  readonly counts: () => readonly StageCounts[]
}

/** Marks a connection as over, aborts its signal, and lets go of its socket. Only the engine calls it. */
export let endConnection: (connection: Connection) => void

/** Says who counts for a connection. Only the engine calls it. */
export let countWith: (connection: Connection, counter: Counter) => void

/** Asks how many connections there were so far; the answer comes later. */
type AskTotal = (answer: (total: number) => void) => void

/** Those of a listener whose connections are spread over several processes. */
const totals = new WeakMap<Connection, AskTotal>()

/** Says that a listener's connections are spread over several processes, and whom to ask how many there were. */
export function shareCount(connection: Connection, askTotal: AskTotal): void {
  totals.set(connection, askTotal)
}

/** Whom to ask; undefined where this process has all connections. */
export function sharedCount(connection: Connection): AskTotal | undefined {
  return totals.get(connection)
}

/**
 * Makes the peer's address one that stays. Node forgets it when the peer has gone, unless it was asked before; to ask is
 * a system call and an object, so it is asked only where somebody may want to know.
 */
export function keepAddresses({ remoteAddress: _kept }: Connection): void {}

/**
 * One client. A stage's `open` gets it. What a connection may never use (the signal) is made when it is first asked for.
 */
export class Connection implements Endpoints {
  /** 1 for the first connection that a listener serves, then rising by one; 0 for one that is refused. */
  readonly id: number
  /** Where stages take the time from. */
  readonly clock: Clock
  #endpoints: Endpoints
  #counter: Counter | undefined
  /** False when the connection was over before anybody asked for its signal. */
  #controller: AbortController | false | undefined

  static {
    endConnection = connection => {
      const { remoteAddress, remotePort } = connection.#endpoints
      connection.#endpoints = { remoteAddress, remotePort }
      if (connection.#controller) connection.#controller.abort()
      else connection.#controller = false
    }
    countWith = (connection, counter) => {
      connection.#counter = counter
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

  /** Our own address; undefined also once the connection is over. */
  get localAddress(): string | undefined {
    return this.#endpoints.localAddress
  }

  get localPort(): number | undefined {
    return this.#endpoints.localPort
  }

  /**
   * What has passed each stage so far, first to last; also once the connection is over.
   *
   * @example
   * listen(shout, { onOutcome: (_outcome, { counts }) => console.error(counts[0]?.in.bytes) })
   */
  get counts(): readonly StageCounts[] {
    return this.#counter?.counts() ?? []
  }

  /** Aborted when the connection is over; hand it to what a stage waits for. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    if (this.#controller === false) controller.abort()
    this.#controller = controller
    return controller.signal
  }
}
