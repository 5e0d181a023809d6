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

/** Marks a connection as over and aborts its signal. Only the engine calls it. */
export let endConnection: (connection: Connection) => void

/** Says who counts for a connection. Only the engine calls it. */
export let countWith: (connection: Connection, counter: Counter) => void

/** Asks how many connections there were so far; the answer comes later. */
type AskTotal = (answer: (total: number) => void) => void

/** Says that a listener's connections are spread over several processes, and whom to ask how many there were. */
export let shareCount: (connection: Connection, askTotal: AskTotal) => void

/** Whom to ask; undefined where this process has all connections. */
export let sharedCount: (connection: Connection) => AskTotal | undefined

/**
 * One client. A stage's `open` gets it. What a connection may never use (the signal) is made when it is first asked for.
 */
export class Connection implements Endpoints {
  /** 1 for the first connection that a listener serves, then rising by one; 0 for one that is refused. */
  readonly id: number
  /** Where stages take the time from. */
  readonly clock: Clock
  readonly #endpoints: Endpoints
  #controller: AbortController | undefined
  #counter: Counter | undefined
  #askTotal: AskTotal | undefined
  #ended = false

  static {
    endConnection = connection => {
      connection.#ended = true
      connection.#controller?.abort()
    }
    countWith = (connection, counter) => {
      connection.#counter = counter
    }
    shareCount = (connection, askTotal) => {
      connection.#askTotal = askTotal
    }
    sharedCount = connection => connection.#askTotal
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
    this.#controller ??= new AbortController()
    if (this.#ended) this.#controller.abort()
    return this.#controller.signal
  }
}
