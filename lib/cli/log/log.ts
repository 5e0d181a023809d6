import type { Writable } from 'node:stream'
import { formatAddress } from '../../address.js'
import { type Connection, figuresOf } from '../../connection.js'
import { StageError } from '../../errors.js'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { Reason } from '../../outcome.js'
import { boundedLog } from './bounded-log.js'
import type { Level, LogEntry, WriteEntry } from './log-entry.js'
import { LEVELS } from './log-entry.js'
import { writeText } from './text-log.js'

/** The values of `--log`; `silent` logs nothing. */
export const LOG_FORMATS = ['text', 'json', 'silent'] as const

/** The values of the flags `--log` and `--quiet`. */
export interface LogSettings {
  /** Format in which every connection is logged. When undefined, only those that did not end well are, as text. */
  readonly format: (typeof LOG_FORMATS)[number] | undefined
  /** Whether to log errors only. */
  readonly quiet: boolean
}

/** The log of a command that serves. */
export interface Log {
  /** Logs a message of the command, or of a stage such as `counter`. */
  readonly info: (message: string) => void
  /** Logs what may become a failure. */
  readonly warn: (message: string) => void
  /** Logs a failure. */
  readonly error: (message: string) => void
  /** Returns the options of `listen()` that log its connections. `listener` is its name, when there may be several. */
  readonly connections: (listener?: string) => Pick<ListenOptions, 'onOpen' | 'onOutcome' | 'onError'>
}

/** Opens the log on a stream, which is stderr. A reader that stops makes it lose lines, and never wait. */
export async function openLog({ format, quiet }: LogSettings, stream: NodeJS.WritableStream): Promise<Log> {
  const write = boundedLog(stream as Writable, await entryWriter(format, stream as Writable))
  const isOn = (level: Level, minimum: Level) => LEVELS.indexOf(level) >= LEVELS.indexOf(minimum)
  const minimumLevel = quiet ? 'error' : 'info'
  const minimumConnectionLevel = quiet ? 'error' : format === undefined ? 'warn' : 'info'
  const logAt = (level: Level) => (message: string) => {
    if (isOn(level, minimumLevel)) write({ level, message })
  }
  return {
    info: logAt('info'),
    warn: logAt('warn'),
    error: logAt('error'),
    connections: listener => connectionLog(listener, write, level => isOn(level, minimumConnectionLevel)),
  }
}

async function entryWriter(format: LogSettings['format'], stream: Writable): Promise<WriteEntry> {
  if (format === 'silent') return () => {}
  if (format !== 'json') return writeText(stream)
  // Loaded only when needed: pino takes longer to load than everything else together.
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
      // Connection number 0 was never opened.
      const event = connection.id === 0 && outcome.reason === 'refused' ? 'refused' : 'closed'
      if (!isOn(level)) return
      write({
        level,
        event,
        ...about(connection),
        ...outcome,
        ...figures(connection),
        message: error?.message,
      })
    },
    onError: (error, connection) => {
      // onOutcome logs a stage error that ends the connection; this is for one that comes afterwards.
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

/** The figures that the status has of a connection, as they were at its end. One that had no stages, as after a refusal, has none of it. */
function figures(
  connection: Connection,
): Pick<LogEntry, 'itemsIn' | 'itemsOut' | 'heldAtMost' | 'slowest' | 'slowestShare'> {
  const { counts } = connection
  const [first] = counts
  const last = counts.at(-1)
  const { heldAtMost = 0, slowest } = figuresOf(connection) ?? {}
  return {
    ...(first && last && { itemsIn: first.in.items, itemsOut: last.out.items }),
    ...(heldAtMost > 0 && { heldAtMost }),
    ...(slowest && { slowest: slowest.name, slowestShare: slowest.share }),
  }
}

/** Normal ends; a client that goes away is one. */
const INFO_REASONS: readonly Reason[] = ['end', 'terminated', 'client-reset', 'shutdown']
/** Ends that are the server's own fault. */
const ERROR_REASONS: readonly Reason[] = ['stage-error', 'worker-died']

/** The level for a connection's end: `warn` when it was neither normal nor the server's fault. */
function levelOf(reason: Reason): Level {
  if (INFO_REASONS.includes(reason)) return 'info'
  return ERROR_REASONS.includes(reason) ? 'error' : 'warn'
}
