import { type Command, Option as Flag } from 'commander'
import { LISTENER_FLAGS, type ListenerOptions } from '../config/listener-options.js'
import { kebabCase } from '../config/registry.js'
import { asksForTls, TLS_FILE_OPTIONS, type TlsFiles } from '../config/tls-files.js'
import { InvalidOptionError } from '../errors.js'
import type { ListenOption, ListenOptions } from '../listener/listen-options.js'
import { WEBSOCKET_OPTIONS } from '../listener/websocket/websocket-options.js'
import { WORKERS_OPTIONS, type WorkersOptions } from '../listener/workers/workers-options.js'
import { boolean } from '../options/option.js'
import { formatQuantity } from '../options/quantity.js'
import { STATUS_ADDRESS } from '../status-server/status-address.js'
import {
  STATUS_OPTIONS,
  type StatusServerOptions,
  statusSettings,
  TOKEN_VARIABLE,
} from '../status-server/status-options.js'
import { LOG_FORMATS, type LogSettings } from './log/log.js'
import { addFlags, valuesFrom } from './option-flags.js'

/** The settings that the flags of a serving command give. */
export interface ListenerSettings {
  readonly listen: ListenOptions
  /** The options of TLS, where it is spoken. */
  readonly tls: TlsFiles | undefined
  /** The address at which the status is served; undefined without one. */
  readonly status: StatusServerOptions | undefined
  readonly log: LogSettings
}

/** Gives `tlsCert` for `cert` of TLS: its flag is `--tls-cert`. */
const tlsFlag = (name: string) => `tls${name.replace(/^./, letter => letter.toUpperCase())}`

/** Gives `websocketType` for `type` of `websocket`. Two have shorter names: the switch itself, and the page. */
const websocketFlag = (name: string) =>
  name === 'page' ? name : `websocket${name.replace(/^./, letter => letter.toUpperCase())}`

const WEBSOCKET_FLAGS: ListenerOptions = {
  websocket: {
    ...boolean({ help: 'serves WebSockets instead of TCP; any flag below does too' }),
    group: 'WebSocket',
  },
  ...Object.fromEntries(
    Object.entries(WEBSOCKET_OPTIONS).map(([name, option]) => [
      websocketFlag(name),
      // A flag that is not given must stay absent: any that is given asks for WebSockets.
      { ...withDefaultInHelp(option), group: 'WebSocket' },
    ]),
  ),
}

/** The number of workers, and the options that stand beside it. */
const WORKERS_FLAGS: ListenerOptions = {
  workers: LISTENER_FLAGS.workers as ListenOption,
  spread: { ...withDefaultInHelp(WORKERS_OPTIONS.spread), group: 'Process' },
  maxHeapSize: { ...WORKERS_OPTIONS.maxHeapSize, group: 'Process' },
}

const FLAGS: ListenerOptions = {
  ...LISTENER_FLAGS,
  host: withDefaultInHelp(LISTENER_FLAGS.host),
  port: withDefaultInHelp(LISTENER_FLAGS.port),
  ...Object.fromEntries(
    Object.entries(TLS_FILE_OPTIONS).map(([name, option]) => [tlsFlag(name), { ...option, group: 'TLS' }]),
  ),
  ...WEBSOCKET_FLAGS,
  ...WORKERS_FLAGS,
}

/**
 * Turns a default value into words of the help. `host` and `port` must stay absent where another address is given, and
 * `listen()` has the same defaults.
 */
function withDefaultInHelp(option: ListenOption | undefined): ListenOption {
  const { default: defaultValue, ...others } = option as ListenOption
  if (defaultValue === undefined || typeof defaultValue === 'boolean') return others
  const { unit } = others
  return {
    ...others,
    absent: unit === 'ms' ? formatQuantity(defaultValue as number, unit) : JSON.stringify(defaultValue),
  }
}

/** Adds the flags of a command that listens. */
export function listenerFlags(command: Command): Command {
  return logFlags(statusFlag(addFlags(command, FLAGS)))
}

/** Reads the flags that `listenerFlags` added. */
export function listenerSettings(
  flags: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): ListenerSettings {
  const workers = workersFrom(flags)
  const files = Object.keys(TLS_FILE_OPTIONS).map(name => [name, flags[tlsFlag(name)]])
  const tls: TlsFiles = Object.fromEntries(files)
  return {
    listen: { ...valuesFrom(LISTENER_FLAGS, flags), ...websocketFrom(flags), ...(workers && { workers }) },
    tls: asksForTls(tls) ? tls : undefined,
    status: statusFrom(flags, env),
    log: logSettings(flags),
  }
}

/** The option `websocket`, where one of its flags is given. */
function websocketFrom(flags: Readonly<Record<string, unknown>>): Pick<ListenOptions, 'websocket'> {
  const { websocket, ...given } = valuesFrom(WEBSOCKET_FLAGS, flags)
  if (websocket === undefined && Object.keys(given).length === 0) return {}
  const options = Object.keys(WEBSOCKET_OPTIONS).map(name => [name, given[websocketFlag(name)]])
  return { websocket: Object.fromEntries(options.filter(([, value]) => value !== undefined)) }
}

/** Adds the flags of workers, for a command whose other options of listeners stand in a file. */
export function workersFlags(command: Command): Command {
  return addFlags(command, WORKERS_FLAGS)
}

/** Reads the flags of workers; undefined without any. */
export function workersFrom(flags: Readonly<Record<string, unknown>>): WorkersOptions | undefined {
  const { workers: count, ...given } = valuesFrom(WORKERS_FLAGS, flags)
  const [name] = Object.keys(given)
  if (name === undefined && count === undefined) return undefined
  if (count === undefined) {
    throw new InvalidOptionError(
      `'--${kebabCase(name as string)}' is about workers; give '--workers' too, as in '--workers auto'.`,
    )
  }
  return { count, ...given } as WorkersOptions
}

/** Adds the flag that says where the status is served. */
export function statusFlag(command: Command): Command {
  return addFlags(command.optionsGroup('Status:'), {
    status: STATUS_ADDRESS,
    allowTap: STATUS_OPTIONS.allowTap,
  })
}

/**
 * Reads the flag that `statusFlag` added; the token comes from the environment.
 *
 * @throws InvalidOptionError for an address that other machines can reach without a token, and for a tap without an address.
 */
export function statusFrom(
  { status, allowTap }: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): StatusServerOptions | undefined {
  if (status === undefined) {
    if (allowTap === true)
      throw new InvalidOptionError(
        "--allow-tap needs --status. In a file, write 'allowTap: true' under 'status:'.",
      )
    return undefined
  }
  const token = env[TOKEN_VARIABLE] || undefined
  const options = { ...(status as StatusServerOptions), token, ...(allowTap === true && { allowTap }) }
  statusSettings(options)
  return options
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
