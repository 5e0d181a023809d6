import type { Command } from 'commander'
import { LISTENER_OPTIONS, listenOptions } from '../config/listener-options.js'
import { asksForTls, TLS_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import type { OptionTable } from '../definition.js'
import type { ListenOptions } from '../listen-options.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** The certificates, where TLS is spoken. */
  readonly tls: TlsFiles | undefined
  /** Nothing but errors is printed. */
  readonly quiet: boolean
}

/** `cert` of TLS is `--tls-cert`. */
const TLS_FLAGS: OptionTable = Object.fromEntries(
  Object.entries(TLS_OPTIONS).map(([name, option]) => [flagOf(name), option]),
)

function flagOf(name: string): string {
  return `tls${name.replace(/^./, letter => letter.toUpperCase())}`
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return addFlags(addFlags(command, LISTENER_OPTIONS), TLS_FLAGS).option('--quiet', 'print errors only')
}

/** The flags that a command was given, with their defaults. */
export function listenerSettings(command: Command): ListenerSettings {
  const flags = command.opts()
  // What has another address has not theirs; `listen()` has the same defaults.
  const isGiven = ([name]: [string, unknown]) =>
    !['host', 'port'].includes(name) || command.getOptionValueSource(name) !== 'default'
  const values = Object.entries(valuesFrom(LISTENER_OPTIONS, flags)).filter(isGiven)
  const tls: TlsFiles = Object.fromEntries(Object.keys(TLS_OPTIONS).map(name => [name, flags[flagOf(name)]]))
  return {
    listen: listenOptions(Object.fromEntries(values)),
    tls: asksForTls(tls) ? tls : undefined,
    quiet: flags.quiet === true,
  }
}
