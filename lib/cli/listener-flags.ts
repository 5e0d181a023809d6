import { type Command, Option as Flag } from 'commander'
import { LISTENER_FLAGS, type ListenerOptions } from '../config/listener-options.js'
import { asksForTls, TLS_FILE_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import type { ListenOption, ListenOptions } from '../listener/listen-options.js'
import { LOG_FORMATS, type LogSettings } from './log/log.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** The settings that the flags of a serving command give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** The options of TLS, where it is spoken. */
  readonly tls: TlsFiles | undefined
  readonly log: LogSettings
}

/** Gives `tlsCert` for `cert` of TLS: its flag is `--tls-cert`. */
const tlsFlag = (name: string) => `tls${name.replace(/^./, letter => letter.toUpperCase())}`

const FLAGS: ListenerOptions = {
  ...LISTENER_FLAGS,
  host: withDefaultInHelp(LISTENER_FLAGS.host),
  port: withDefaultInHelp(LISTENER_FLAGS.port),
  ...Object.fromEntries(
    Object.entries(TLS_FILE_OPTIONS).map(([name, option]) => [tlsFlag(name), { ...option, group: 'TLS' }]),
  ),
}

/**
 * Turns a default value into words of the help. `host` and `port` must stay absent where another address is given, and
 * `listen()` has the same defaults.
 */
function withDefaultInHelp(option: ListenOption | undefined): ListenOption {
  const { default: defaultValue, ...others } = option as ListenOption
  return { ...others, absent: JSON.stringify(defaultValue) }
}

/** Adds the flags of a command that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, FLAGS))
}

/** Reads the flags that `listenerFlags` added. */
export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const files = Object.keys(TLS_FILE_OPTIONS).map(name => [name, flags[tlsFlag(name)]])
  const tls: TlsFiles = Object.fromEntries(files)
  return {
    listen: valuesFrom(LISTENER_FLAGS, flags),
    tls: asksForTls(tls) ? tls : undefined,
    log: logSettings(flags),
  }
}

/** Adds the flags of the log. */
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

/** Reads the flags that `logFlags` added. */
export function logSettings(flags: Readonly<Record<string, unknown>>): LogSettings {
  return { format: flags.log as LogSettings['format'], quiet: flags.quiet === true }
}
