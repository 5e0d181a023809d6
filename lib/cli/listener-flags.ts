import { type Command, Option as Flag } from 'commander'
import { LISTENER_FLAGS, type ListenerOptions } from '../config/listener-options.js'
import { asksForTls, TLS_FILE_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import type { ListenOption, ListenOptions } from '../listener/listen-options.js'
import { LOG_FORMATS, type LogSettings } from './log/log.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** The certificates, where TLS is spoken. */
  readonly tls: TlsFiles | undefined
  readonly log: LogSettings
}

/** `cert` of TLS is `--tls-cert`. */
const tlsFlag = (name: string) => `tls${name.replace(/^./, letter => letter.toUpperCase())}`

const FLAGS: ListenerOptions = {
  ...LISTENER_FLAGS,
  host: defaultInWords(LISTENER_FLAGS.host),
  port: defaultInWords(LISTENER_FLAGS.port),
  ...Object.fromEntries(
    Object.entries(TLS_FILE_OPTIONS).map(([name, option]) => [tlsFlag(name), { ...option, group: 'TLS' }]),
  ),
}

/** A default that only the help has: who gives another address has given no port. `listen()` has the same. */
function defaultInWords(option: ListenOption | undefined): ListenOption {
  const { default: defaultValue, ...others } = option as ListenOption
  return { ...others, absent: JSON.stringify(defaultValue) }
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(addFlags(command, FLAGS))
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const files = Object.keys(TLS_FILE_OPTIONS).map(name => [name, flags[tlsFlag(name)]])
  const tls: TlsFiles = Object.fromEntries(files)
  return {
    listen: valuesFrom(LISTENER_FLAGS, flags),
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
