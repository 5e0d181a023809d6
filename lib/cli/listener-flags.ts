import { type Command, Option as Flag, InvalidArgumentError } from 'commander'
import { LISTENER_OPTIONS } from '../config/listener-options.js'
import { type ListenOptions, MOST_WORKERS } from '../listen-options.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** What the flags of a command that serves give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** Nothing but errors is printed. */
  readonly quiet: boolean
}

/** No option of a file: what runs in several processes cannot be reloaded in one. */
const workersFlag = () =>
  new Flag(
    '--workers <n|auto>',
    'how many processes serve; auto is one for each core (default: this one alone)',
  ).argParser(parseWorkers)

/** Adds the flags of everything that listens. */
export function listenerFlags(command: Command): Command {
  return addFlags(command, LISTENER_OPTIONS).addOption(workersFlag()).option('--quiet', 'print errors only')
}

export function listenerSettings(flags: Readonly<Record<string, unknown>>): ListenerSettings {
  const { workers, quiet } = flags as { readonly workers?: number | 'auto'; readonly quiet?: boolean }
  const listen = valuesFrom(LISTENER_OPTIONS, flags)
  return { listen: workers === undefined ? listen : { ...listen, workers }, quiet: quiet === true }
}

function parseWorkers(text: string): number | 'auto' {
  if (text === 'auto') return text
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST_WORKERS) return count
  throw new InvalidArgumentError(`It must be a whole number, from 1 to ${MOST_WORKERS}, or auto.`)
}
