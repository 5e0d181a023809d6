import { type Command, Option as Flag, InvalidArgumentError } from 'commander'
import { LISTENER_OPTIONS, listenOptions } from '../config/listener-options.js'
import { asksForTls, TLS_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import { type ListenOptions, MOST_WORKERS } from '../listener/listen-options.js'
import type { Option, OptionTable } from '../options/option.js'
import { LOG_FORMATS, type LogSettings } from './log/log.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** The certificates, where TLS is spoken. */
  readonly tls: TlsFiles | undefined
  readonly log: LogSettings
}

/** Where a group of flags begins in the help. */
const HEADINGS: Readonly<Record<string, string>> = {
  host: 'Address:',
  maxConnections: 'Limits:',
  idleTimeout: 'Deadlines:',
  backlog: 'Sockets:',
  uncaught: 'Process:',
  tlsCert: 'TLS:',
}

/** `cert` of TLS is `--tls-cert`. */
const flagOf = (name: string) => `tls${name.replace(/^./, letter => letter.toUpperCase())}`

const FLAGS: OptionTable = {
  ...LISTENER_OPTIONS,
  host: defaultInWords(LISTENER_OPTIONS.host),
  port: defaultInWords(LISTENER_OPTIONS.port),
  ...Object.fromEntries(Object.entries(TLS_OPTIONS).map(([name, option]) => [flagOf(name), option])),
}

/** A default that only the help has: who gives another address has given no port. `listen()` has the same. */
function defaultInWords(option: Option | undefined): Option {
  const { default: standard, ...others } = option as Option
  return { ...others, absent: JSON.stringify(standard) }
}

/** No option of a file: what runs in several processes cannot be reloaded in one. */
const workersFlag = () =>
  new Flag(
    '--workers <n|auto>',
    'how many processes serve; auto is one for each core (default: this one alone)',
  ).argParser(parseWorkers)

function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST_WORKERS) return count
  throw new InvalidArgumentError(`It must be a whole number, from 1 to ${MOST_WORKERS}, or auto.`)
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, FLAGS, HEADINGS).addOption(workersFlag()))
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const { workers } = flags as Pick<ListenOptions, 'workers'>
  const options = listenOptions(valuesFrom(LISTENER_OPTIONS, flags))
  const tls: TlsFiles = Object.fromEntries(Object.keys(TLS_OPTIONS).map(name => [name, flags[flagOf(name)]]))
  return {
    listen: workers === undefined ? options : { ...options, workers },
    tls: asksForTls(tls) ? tls : undefined,
    log: logSettings(flags),
  }
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
