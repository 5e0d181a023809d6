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
  /** The client's address, with its port. */
  readonly address?: string
  readonly message?: string | undefined
}

/** Writes an entry as one line of printable ASCII, whatever bytes of a client are in it. */
export type WriteEntry = (entry: LogEntry) => void
