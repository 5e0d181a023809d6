import type { Outcome } from '../../outcome.js'

export const LEVELS = ['info', 'warn', 'error'] as const

export type Level = (typeof LEVELS)[number]

/** Something to log: what became of a connection, or only a message. */
export interface LogEntry extends Partial<Omit<Outcome, 'error'>> {
  readonly level: Level
  /** `fault` is one that a stage reported, and went on. */
  readonly event?: 'opened' | 'closed' | 'refused' | 'fault'
  /** The name of the listener, where there may be several. */
  readonly listener?: string | undefined
  readonly id?: number
  readonly address?: string
  readonly message?: string | undefined
}

/** Writes an entry. The bytes of a client in it come out as one line of 0x20 to 0x7e. */
export type WriteEntry = (entry: LogEntry) => void
