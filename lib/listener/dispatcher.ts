import type { Socket } from 'node:net'
import type { Connection } from '../connection.js'
import type { Reason } from '../outcome.js'
import type { Pipeline } from '../pipeline.js'
import type { TlsOptions } from './tls/tls-options.js'

/** What serves the connections of a listener: this process, or workers. */
export interface Dispatcher {
  /** How many connections are open, with those that are in their TLS handshake. */
  readonly connections: number
  serve: (socket: Socket, connection: Connection) => void
  /** Serves connections that come from now on with another pipeline. */
  replace: (pipeline: Pipeline<Buffer, Buffer>) => Promise<void>
  /** Handshakes that begin from now on go by these options. */
  setSecureContext: (options: TlsOptions) => void
  /**
   * Lets connections finish, and destroys what is left after `timeout` milliseconds. Resolves with how many it
   * destroyed, when the last is closed. Called again, the shorter time counts.
   */
  close: (timeout: number) => Promise<number>
  /** Ends the connection in which something was started, by its async id; false where there is none. */
  failConnection: (asyncId: number, error: unknown) => boolean
}

/** Hears of each connection that is over. */
export type OnGone = (connection: Connection, reason: Reason) => void
