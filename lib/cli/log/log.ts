import type { Writable } from 'node:stream'
import { formatAddress } from '../../address.js'
import type { Connection } from '../../connection.js'
import { StageError } from '../../errors.js'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { Reason } from '../../outcome.js'
import type { Level, LogEntry, WriteEntry } from './log-entry.js'
import { LEVELS } from './log-entry.js'
import { writeText } from './text-log.js'

/** The forms of a log; `silent` is none. */
export const LOG_FORMATS = ['text', 'json', 'silent'] as const

/** What the flags say about the log. */
export interface LogSettings {
  /** Logs every connection in this form. Without it those are logged, as text, that did not end well. */
  readonly format: (typeof LOG_FORMATS)[number] | undefined
  /** Logs errors only. */
  readonly quiet: boolean
}

/** Where a command that serves says what happens. */
export interface Log {
  /** A line of the command's own, or of a preset. */
  readonly info: (message: string) => void
  /** What went wrong. */
  readonly error: (message: string) => void
  /** The options of `listen()` that log connections, with the name of the listener where there may be several. */
  readonly connections: (listener?: string) => Pick<ListenOptions, 'onOpen' | 'onOutcome' | 'onError'>
}

/** Opens the log of a command. */
export async function openLog({ format, quiet }: LogSettings, stream: NodeJS.WritableStream): Promise<Log> {
  const write = await entryWriter(format, stream as Writable)
  const isOn = (level: Level, minimumLevel: Level) => LEVELS.indexOf(level) >= LEVELS.indexOf(minimumLevel)
  const least = quiet ? 'error' : 'info'
  const minimumConnectionLevel = quiet ? 'error' : format === undefined ? 'warn' : 'info'
  const logAt = (level: Level) => (message: string) => {
    if (isOn(level, least)) write({ level, message })
  }
  return {
    info: logAt('info'),
    error: logAt('error'),
    connections: listener => connectionLog(listener, write, level => isOn(level, minimumConnectionLevel)),
  }
}

async function entryWriter(format: LogSettings['format'], stream: Writable): Promise<WriteEntry> {
  if (format === 'silent') return () => {}
  if (format !== 'json') return writeText(stream)
  // pino takes longer to load than all the rest.
  /* c8 ignore next -- the loader of the tests puts branches of its own behind a dynamic import */
  const { writeJson } = await import('./json-log.js')
  return writeJson(stream)
}

function connectionLog(
  listener: string | undefined,
  write: WriteEntry,
  isOn: (level: Level) => boolean,
): ReturnType<Log['connections']> {
  const closed = new WeakSet<Connection>()
  const about = (connection: Connection) => ({ listener, ...identity(connection) })
  return {
    onOpen: connection => {
      if (isOn('info')) write({ level: 'info', event: 'opened', ...about(connection) })
    },
    onOutcome: ({ error, ...outcome }, connection) => {
      closed.add(connection)
      const level = levelOf(outcome.reason)
      // One that was refused has no number, and was never opened.
      const event = connection.id === 0 ? 'refused' : 'closed'
      if (isOn(level)) write({ level, event, ...about(connection), ...outcome, message: error?.message })
    },
    onError: (error, connection) => {
      // The end of the connection says it.
      if (error instanceof StageError && !closed.has(connection)) return
      const level = error instanceof StageError ? 'error' : 'warn'
      if (isOn(level)) write({ level, event: 'fault', ...about(connection), message: error.message })
    },
  }
}

function identity({ id, remoteAddress, remotePort }: Connection): Pick<LogEntry, 'id' | 'address'> {
  return {
    ...(id === 0 ? {} : { id }),
    ...(remoteAddress === undefined ? {} : { address: formatAddress(remoteAddress, remotePort) }),
  }
}

const INFO_REASONS: readonly Reason[] = ['end', 'terminated', 'client-reset', 'shutdown']
const ERROR_REASONS: readonly Reason[] = ['stage-error', 'worker-died']

/** Good ends, and those of clients that went away, are `info`, faults of clients `warn`, our own `error`. */
function levelOf(reason: Reason): Level {
  if (INFO_REASONS.includes(reason)) return 'info'
  return ERROR_REASONS.includes(reason) ? 'error' : 'warn'
}
