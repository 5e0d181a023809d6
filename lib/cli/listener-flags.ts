import { type Command, Option } from 'commander'
import { LISTENER_OPTIONS } from '../config/listener-options.js'
import type { ListenOptions } from '../listen-options.js'
import { LOG_FORMATS, type LogSettings } from './log.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  readonly log: LogSettings
}

/** Where a group of flags begins in the help. */
const HEADINGS: Readonly<Record<string, string>> = {
  host: 'Address:',
  maxConnections: 'Limits:',
  idleTimeout: 'Deadlines:',
  backlog: 'Sockets:',
  uncaught: 'Process:',
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, LISTENER_OPTIONS, HEADINGS))
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  return { listen: valuesFrom(LISTENER_OPTIONS, flags), log: logSettings(flags) }
}

/** Adds the flags that say what is logged. */
export function logFlags(command: Command): Command {
  return command
    .optionsGroup('Log:')
    .addOption(
      new Option(
        '--log <form>',
        'how to log every connection; without it those are logged, as text, that did not end well',
      ).choices(LOG_FORMATS),
    )
    .option('--quiet', 'log errors only')
}

export function logSettings(flags: Readonly<Record<string, unknown>>): LogSettings {
  return { format: flags.log as LogSettings['format'], quiet: flags.quiet === true }
}
