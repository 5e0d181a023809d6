import { type Command, Option } from 'commander'
import { LISTENER_OPTIONS, listenOptions } from '../config/listener-options.js'
import { asksForTls, TLS_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import type { OptionTable } from '../definition.js'
import type { ListenOptions } from '../listen-options.js'
import type { Option as ListenerOption } from '../option.js'
import { LOG_FORMATS, type LogSettings } from './log.js'
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
function defaultInWords(option: ListenerOption | undefined): ListenerOption {
  const { default: standard, ...others } = option as ListenerOption
  return { ...others, absent: JSON.stringify(standard) }
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, FLAGS, HEADINGS))
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const tls: TlsFiles = Object.fromEntries(Object.keys(TLS_OPTIONS).map(name => [name, flags[flagOf(name)]]))
  return {
    listen: listenOptions(valuesFrom(LISTENER_OPTIONS, flags)),
    tls: asksForTls(tls) ? tls : undefined,
    log: logSettings(flags),
  }
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
