import type { Command } from 'commander'
import { LISTENER_OPTIONS } from '../config/listener-options.js'
import type { ListenOptions } from '../listen-options.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** Nothing but errors is printed. */
  readonly quiet: boolean
}

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return addFlags(command, LISTENER_OPTIONS).option('--quiet', 'print errors only')
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  return { listen: valuesFrom(LISTENER_OPTIONS, flags), quiet: flags.quiet === true }
}
