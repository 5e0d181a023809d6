import type { Socket } from 'node:net'
import type { Connection } from '../connection.js'
import type { TlsOptions } from '../options/tls-options.js'
import type { Reason } from '../outcome.js'
import type { Pipeline } from '../pipeline.js'
import type { Book } from '../status/book.js'
import type { Status } from '../status/status.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import type { TapSettings } from '../status/taps/tap-options.js'
import type { LocalSettings } from './local-settings.js'

/** Serves the connections that an acceptor hands over, in this process or in workers. */
export interface Dispatcher {
  /** Open connections, including those in their TLS handshake. */
  readonly connections: number
  /** Whether there is a descriptor for one more, in the process that would serve it. */
  readonly hasRoom: boolean
  /** The counts of the connections. */
  readonly book: Book
  /** Makes the status of the listener. */
  status: (facts: ListenerFacts) => Promise<Status>
  /** Attaches a tap to the connections. */
  tap: (settings: TapSettings, onEvent: (event: TapEvent) => void) => Promise<Tap>
  /** Serves a connection. `head` is what was read of it already, behind its PROXY header. */
  serve: (socket: Socket, connection: Connection, head?: Buffer) => void
  /** Whether it serves any Duplex; only sockets can be sent to another process. */
  readonly servesAnyDuplex: boolean
  /** Replaces the pipeline for connections that are accepted from now on. */
  replace: (pipeline: Pipeline<Buffer, Buffer>) => Promise<void>
  /** Serves connections that are accepted from now on with other settings. */
  change: (local: LocalSettings) => Promise<void>
  /** Resolves when no connection is open: at once, or when the last has ended by itself. */
  empty: () => Promise<void>
  /** Replaces the TLS options for handshakes that start from now on. */
  setSecureContext: (options: TlsOptions) => void
  /**
   * Lets connections finish, and destroys those that are left after `timeout` milliseconds. Resolves when the last is
   * closed, with the number of those destroyed. If it is called again, the shorter timeout applies.
   */
  close: (timeout: number) => Promise<number>
  /** Fails the connection whose stages ran under this async id; returns false if there is none. */
  failConnection: (asyncId: number, error: unknown) => boolean
}

/** Facts that a listener knows of itself. */
export interface ListenerFacts extends Pick<Status, 'name' | 'address' | 'state'> {
  readonly worker: number | null
}

/** Called by a dispatcher for each connection that is closed. */
export type OnGone = (connection: Connection, reason: Reason) => void
