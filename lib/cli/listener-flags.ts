import { type Command, Option as Flag, InvalidArgumentError } from 'commander'
import { LISTENER_OPTIONS } from '../config/listener-options.js'
import { type ListenOptions, MOST_WORKERS } from '../listen-options.js'
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

/** No option of a file: what runs in several processes cannot be reloaded in one. */
const workersFlag = () =>
  new Flag(
    '--workers <n|auto>',
    'how many processes serve; auto is one for each core (default: this one alone)',
  ).argParser(parseWorkers)

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, LISTENER_OPTIONS, HEADINGS).addOption(workersFlag()))
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const workers = flags.workers as number | 'auto' | undefined
  const listen = valuesFrom(LISTENER_OPTIONS, flags)
  return { listen: workers === undefined ? listen : { ...listen, workers }, log: logSettings(flags) }
}

/** Adds the flags that say what is logged. */
export function logFlags(command: Command): Command {
  return command
    .optionsGroup('Log:')
    .addOption(
      new Flag(
        '--log <form>',
        'how to log every connection; without it those are logged, as text, that did not end well',
      ).choices(LOG_FORMATS),
    )
    .option('--quiet', 'log errors only')
}

export function logSettings(flags: Readonly<Record<string, unknown>>): LogSettings {
  return { format: flags.log as LogSettings['format'], quiet: flags.quiet === true }
}

function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST_WORKERS) return count
  throw new InvalidArgumentError(`It must be a whole number, from 1 to ${MOST_WORKERS}, or auto.`)
}
