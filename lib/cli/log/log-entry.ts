import type { Outcome } from '../../outcome.js'

/** The levels of entries, in ascending order. */
export const LEVELS = ['info', 'warn', 'error'] as const

export type Level = (typeof LEVELS)[number]

/** An entry of the log: an event of a connection with what is known of it, or only a message. */
export interface LogEntry extends Partial<Omit<Outcome, 'error'>> {
  readonly level: Level
  /** `fault` is an error that a stage reported without ending the connection, or that came after its end. */
  readonly event?: 'opened' | 'closed' | 'refused' | 'fault'
  /** The name of the listener, when there may be several. */
  readonly listener?: string | undefined
  /** The connection's number. */
  readonly id?: number
  /** Items that came to the first stage and left the last, at the end of a connection. */
  readonly itemsIn?: number
  readonly itemsOut?: number
  /** The most bytes that have waited in the connection; missing where nothing had to. */
  readonly heldAtMost?: number
  /** The stage, or `client`, that the connection has waited for most, and its share; missing where it was not observed. */
  readonly slowest?: string
  readonly slowestShare?: number
  /** The client's address, with its port. */
  readonly address?: string
  readonly message?: string | undefined
}

/** Writes an entry as one line of printable ASCII, whatever bytes of a client are in it. */
export type WriteEntry = (entry: LogEntry) => void
