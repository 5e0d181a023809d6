import type { Reason } from '../outcome.js'

// The status of a listener as plain data: every value survives JSON.stringify() and JSON.parse() unchanged. Times are
// milliseconds, moments milliseconds since 1970, sizes bytes, shares numbers from 0 to 1. Where OpenTelemetry's `kestrel.*` has
// a name for a figure, its comment gives it.

/** When clocks run: `always`, only while somebody looks and then for a sample of the turns, or never. */
export type Observe = 'always' | 'sampled' | 'off'

/** Something counted since the start, and over the last 1, 10 and 60 seconds. */
export interface Windows<T> {
  readonly total: T
  /**
   * Over the last second; null until somebody has looked for a second, and with `observe: 'off'`. The same holds for the
   * windows below, but these count from the beginning of the look until they are full; `Status.observedFor` says how long that is.
   */
  readonly last1s: T | null
  readonly last10s: T | null
  readonly last60s: T | null
}

/** Why connections were refused; docs/observability.md explains each. */
export type RefusalReason =
  | 'max-connections'
  | 'max-connections-per-address'
  | 'address'
  | 'open-files'
  | 'closed'
  | 'handshake'
  | 'proxy-header'

/** The traffic: connections, bytes and items. */
export interface Traffic {
  /** Connections that were served. */
  readonly opened: number
  /** Connections that were refused, by reason (`kestrel.rejected_connections`). Reasons that did not occur are missing. */
  readonly refused: Readonly<Partial<Record<RefusalReason, number>>>
  /** Connections that were served and are over, by outcome. Outcomes that did not occur are missing. */
  readonly ended: Readonly<Partial<Record<Reason, number>>>
  /** Bytes that came from clients and went to the first stage. */
  readonly bytesIn: number
  /** Bytes that were handed to the transport, farewells included. */
  readonly bytesOut: number
  /** Items that came to the first stage: the chunks that were read. */
  readonly itemsIn: number
  /** Items that left the last stage. */
  readonly itemsOut: number
}

/** Connections that are open now. */
export interface OpenConnections {
  /** All of them (`kestrel.active_connections`), those in their handshake included. */
  readonly open: number
  /** Those in a TLS handshake or WebSocket upgrade (`kestrel.active_tls_handshakes`). */
  readonly handshaking: number
  /** `maxConnections`; null where there is no such limit, as with `handle()`. */
  readonly limit: number | null
}

/** The states of a stage, as shares of the time that connections were open and observed. They sum up to 1. */
export interface Shares {
  /** Runs, or waits for its own promise. */
  readonly busy: number
  /** Waits for input. */
  readonly starved: number
  /** Waits for a stage behind it, or for the client to read. */
  readonly blocked: number
}

/** The time that a stage works on one item, in milliseconds, without the stages behind it. */
export interface ItemTime {
  readonly median: number
  readonly p99: number
  /** The measurements that both are taken from, since the observation began. */
  readonly samples: number
}

/** Items and their size: bytes of bytes and frames, characters of lines, 0 for values. */
export interface Amount {
  readonly items: number
  readonly bytes: number
}

/** One stage over all connections of its listener; or several stages that the planner runs as one. */
export interface StageStatus {
  /** Place in the pipeline as it runs, from 0. With `name` it tells a stage from all others. */
  readonly index: number
  /** The name, or the names with ` | ` between them. */
  readonly name: string
  /** The stages that run as one; a list of one name where it runs for itself. */
  readonly stages: readonly string[]
  /** The way in which these run as one, in words; null where the stage runs for itself. */
  readonly runs: string | null
  readonly in: Windows<Amount>
  readonly out: Windows<Amount>
  /** Errors of the stage, and faults of clients that it has reported, since the start. */
  readonly errors: number
  /** Null where nothing was observed: nobody has looked before, `observe: 'off'`, or the plan runs the stage as a stream. */
  readonly shares: {
    readonly last1s: Shares | null
    readonly last10s: Shares | null
    readonly last60s: Shares | null
  }
  /**
   * The shares while there is something to do: the same shares without the time in which a connection waits for its
   * client to send. A page draws these: with a thousand idle connections `shares` are all but starved.
   */
  readonly activeShares: Shares | null
  /** Null where nothing was measured. */
  readonly itemTime: ItemTime | null
  /** The queue in front of it now, in all connections. */
  readonly held: Amount
  /** Items that it has dropped since the start, such as those that subscribers of its room have missed. */
  readonly dropped: number
}

/** The thing that a connection, or the listener as a whole, waits for. */
export interface Culprit {
  /**
   * - `stage`: the first stage from the end that is busy while those before it are blocked, or have nothing to do
   * - `client`: the clients do not read
   * - `input`: nothing comes
   * - `unknown`: nothing was observed
   */
  readonly kind: 'stage' | 'client' | 'input' | 'unknown'
  /** Index of the stage; null for the other kinds. */
  readonly stage: number | null
  /** The same in words, such as `stage 'lookup' is busy 93 % of the time`, `the clients do not read`, `nothing comes`. */
  readonly text: string
}

/** One open connection. */
export interface ConnectionStatus {
  /** `connection.id`. */
  readonly id: number
  /** The peer's address; null where the transport has none. */
  readonly address: string | null
  readonly port: number | null
  /** Number of the worker that serves it; null without workers. */
  readonly worker: number | null
  /** Milliseconds since it was opened. */
  readonly duration: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Bytes that wait in its stages. */
  readonly heldBytes: number
  /** Bytes of output that wait for the client. */
  readonly pendingBytes: number
  /** The thing it waits for now. */
  readonly waitsFor: Culprit
  /** Milliseconds for which that has held, as far as it was observed. */
  readonly waitedFor: number
}

/** A hub, or the room of a `broadcast` stage. */
export interface HubStatus {
  readonly name: string
  /** Topics with subscribers, beside that of the hub itself. */
  readonly topics: number
  /** Subscribers of all its topics in this process; with workers, in all of them. */
  readonly subscribers: number
  /** Subscribers for which something waits. */
  readonly lagging: number
  /** Bytes that wait for all of them. */
  readonly heldBytes: number
  /** Bytes that wait for the slowest. */
  readonly maxHeldBytes: number
  /** Items that were published here since the start. */
  readonly published: number
  /** Items that subscribers have missed, and could not be sent to the bus, since the start. */
  readonly losses: number
}

/** The servers of an `upstream` stage, one entry for each address. */
export interface UpstreamStatus {
  /** The address as it was given. */
  readonly address: string
  /** Connections to it that are open. */
  readonly open: number
  /** Connections to it that are being opened. */
  readonly connecting: number
  /** Connections that were opened since the start. */
  readonly connects: number
  /** Connects that failed since the start, timeouts included. */
  readonly failures: number
  /** Connections that the server has broken off since the start. */
  readonly losses: number
  /** The last failure, in words; null where there was none. */
  readonly lastFailure: string | null
}

/** A process: the one that answers, or a worker. */
export interface ProcessStatus {
  readonly pid: number
  /** Milliseconds since the process was started. */
  readonly uptime: number
  /** The delay of timers, in milliseconds; null where nobody has looked before. */
  readonly eventLoopDelay: { readonly mean: number; readonly p99: number; readonly max: number } | null
  /** Share of the time in which the event loop was not idle, since the last look; null where there was none. */
  readonly eventLoopUtilization: number | null
  /** Bytes. */
  readonly memory: {
    readonly rss: number
    readonly heapUsed: number
    readonly heapTotal: number
    readonly external: number
  }
  /** Descriptors of connections and of stages, and how many may be held; `limit` is that of the system, null where it has none. */
  readonly descriptors: {
    readonly held: number
    readonly capacity: number | null
    readonly limit: number | null
  }
}

/** One worker of a listener with `workers`. */
export interface WorkerStatus {
  /** From 1 up. */
  readonly number: number
  /** `dead`: it has ended, and what it had counted is in the totals. `silent`: it has not answered in time; figures are its last. */
  readonly state: 'serving' | 'leaving' | 'silent' | 'dead'
  readonly connections: number
  readonly traffic: Traffic
  readonly culprit: Culprit
  /** Null before its first answer. */
  readonly process: ProcessStatus | null
}

/** The status of a listener, or of the connections of `pipeline.handle()`: what `status()` resolves with. */
export interface Status {
  /** Version of this shape. It changes when a member is removed or changes its meaning, not when one is added. */
  readonly version: 1
  /** The address, as `127.0.0.1:7000`, `[::1]:7000` or the path of a unix socket; the names of the stages for `handle()`. */
  readonly name: string
  /** As `listener.address`; null for `handle()`. */
  readonly address: { readonly address: string; readonly family: string; readonly port: number } | null
  readonly state: 'open' | 'suspended' | 'closing' | 'closed'
  /** The moment that all totals count from. */
  readonly startedAt: number
  /** The moment of this status. */
  readonly at: number
  readonly observe: Observe
  /** Milliseconds since the look began that this status belongs to; 0 for the first one. A look lasts 75 s from the last call on. */
  readonly observedFor: number
  readonly connections: OpenConnections
  readonly traffic: Windows<Traffic>
  /** In the order in which they run. */
  readonly stages: readonly StageStatus[]
  /** The cause that slows the connections down most. */
  readonly culprit: Culprit
  /** Up to 20 connections, those first that have waited longest for anything but input. */
  readonly slowest: readonly ConnectionStatus[]
  /** Up to 20 connections, those first that hold most. */
  readonly largest: readonly ConnectionStatus[]
  readonly hubs: readonly HubStatus[]
  readonly upstreams: readonly UpstreamStatus[]
  /** Empty without `workers`. */
  readonly workers: readonly WorkerStatus[]
  readonly process: ProcessStatus
}
