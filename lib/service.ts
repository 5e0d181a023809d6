import type { Socket } from 'node:net'
import type { Connection } from './connection.js'
import type { Outcome } from './outcome.js'
import type { Pipeline } from './pipeline.js'

/** What serves the connections that a listener takes: this process, or workers. */
export interface Service {
  /** How many connections are open. */
  readonly connections: number
  serve: (socket: Socket, connection: Connection) => void
  /** Serves connections that come from now on with another pipeline. */
  replace: (pipeline: Pipeline<Buffer, Buffer>) => Promise<void>
  /**
   * Lets connections finish, and destroys what is left after `timeout` milliseconds. Resolves with how many it
   * destroyed, when the last is closed. Called again, the shorter time counts.
   */
  close: (timeout: number) => Promise<number>
  /** Ends the connection in which something was started, by its async id; false where there is none. */
  blame: (asyncId: number, error: unknown) => boolean
}

/** Tells the listener that a connection is over; without an outcome where another process has reported it. */
export type OnDone = (connection: Connection, outcome: Outcome | undefined) => void
