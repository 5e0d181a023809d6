import { availableParallelism } from 'node:os'
import { type Clock, systemClock } from '../clock.js'
import type { Connection } from '../connection.js'
import { CONNECTION_OPTIONS, type ConnectionOptions, time } from '../engine/connection-options.js'
import { PLAN_MODES, type PlanMode } from '../engine/planned-stage.js'
import { InvalidOptionError } from '../errors.js'
import { checkFunction, checkInteger, checkNames } from '../options/check-option.js'
import { boolean, choice, integer, type Option, orFunction, text } from '../options/option.js'
import { settingsFrom } from '../options/option-values.js'
import { showValue } from '../options/show-value.js'
import type { Outcome } from '../outcome.js'
import { type AddressRange, parseAddressRange } from './address/address-range.js'
import { listenAddress, type SystemdDescriptor } from './address/listen-address.js'
import type { AdmissionRules } from './admission.js'
import { defaultMaxConnections } from './open-files.js'
import type { TlsOptions } from './tls/tls-options.js'
import { UNCAUGHT_POLICIES, type UncaughtHandler, type UncaughtPolicy } from './uncaught.js'

/** Options of `listen()`. Times are in milliseconds. */
export interface ListenOptions extends ConnectionOptions {
  /** The address to bind. The default takes connections from every network. @default '0.0.0.0' */
  readonly host?: string
  /** The port to bind; 0 lets the system choose. @default 8080 */
  readonly port?: number
  /**
   * The file of a unix socket, instead of `host` and `port`. A file that a dead server has left there is removed; so is
   * ours when the listener closes.
   */
  readonly path?: string
  /** The permission bits of the unix socket's file, such as `0o660`. @default what the umask leaves */
  readonly mode?: number
  /**
   * An inherited descriptor that listens already, instead of `host` and `port`: its number, `systemd` for the one that
   * systemd hands over (`LISTEN_FDS`), or `systemd:name` for the one with that name.
   */
  readonly fd?: number | SystemdDescriptor
  /** Speaks TLS with these certificates. @default no TLS */
  readonly tls?: TlsOptions
  /**
   * How many connections may wait to be accepted. The system's own limit stands above it (on Linux
   * `net.core.somaxconn`, mostly 4096); beyond that a SYN is dropped, and the client tries again after a second.
   * @default 65535
   */
  readonly backlog?: number
  /** Sends small writes at once (TCP_NODELAY). @default true */
  readonly noDelay?: boolean
  /** Probes silent peers (SO_KEEPALIVE). @default true */
  readonly keepAlive?: boolean
  /** The silence before the first probe. @default 60000 */
  readonly keepAliveInitialDelay?: number
  /**
   * How many connections are served at once. One more is told `error: too many connections`, and its outcome is
   * `refused`. @default 10000, or what the limit of open files leaves
   */
  readonly maxConnections?: number
  /** How many connections of one address are served at once; one more is refused. 0 is any number. @default 0 */
  readonly maxConnectionsPerAddress?: number
  /** Addresses and CIDR ranges, such as `10.0.0.0/8`, that are served; others are refused. @default all */
  readonly allow?: readonly string[]
  /** Addresses and CIDR ranges that are refused, also where `allow` has them. @default none */
  readonly deny?: readonly string[]
  /** How long `close()` lets connections finish what has come before it destroys them. @default 15000 */
  readonly shutdownTimeout?: number
  /** How the pipeline runs. @default 'fused' */
  readonly plan?: PlanMode
  /**
   * What happens at an uncaught error that belongs to no connection, where the program has no `uncaughtException`
   * listener of its own: `exit` closes the listener and then lets Node print the error and exit with code 1, `isolate`
   * makes it a warning of the process, and a function gets it instead. @default 'exit'
   */
  readonly uncaught?: UncaughtPolicy | UncaughtHandler
  /**
   * How many processes serve the connections, each of which runs this same script; `auto` is one for each core, and 1
   * one that is started again when it dies. Without it this process serves. The limits are those of all together.
   * @default none
   */
  readonly workers?: number | 'auto'
  /** Closes the listener when it is aborted. */
  readonly signal?: AbortSignal
  /** Called once for each connection that is served, before its first stage and its TLS handshake. */
  readonly onOpen?: (connection: Connection) => void
  /** Called once for each connection, when it is over; also for one that was refused. */
  readonly onOutcome?: (outcome: Outcome, connection: Connection) => void
  /** Where deadlines take the time from; a test gives its own. @default the system's clock */
  readonly clock?: Clock
}

/** More connections than a process can have. */
const LARGEST_CONNECTIONS = 2_147_483_647

const count = (help: string, minimum: number) => ({ help, minimum, maximum: LARGEST_CONNECTIONS })

/** Those of the options that flags and files can say, but for the address and what `handle()` takes too. */
export const LISTEN_OPTIONS = {
  backlog: integer({
    help: 'how many connections may wait to be accepted',
    default: 65_535,
    minimum: 1,
    maximum: 65_535,
  }),
  noDelay: boolean({ help: 'sends small writes at once (TCP_NODELAY)', default: true }),
  keepAlive: boolean({ help: 'probes silent peers (SO_KEEPALIVE)', default: true }),
  keepAliveInitialDelay: time('the silence before the first probe', 60_000),
  maxConnections: integer({
    ...count('how many connections are served at once', 1),
    absent: '10000, or what the limit of open files leaves',
  }),
  maxConnectionsPerAddress: integer({
    ...count('how many connections of one address are served at once; 0 is any number', 0),
    default: 0,
  }),
  allow: ranges('addresses and CIDR ranges that are served', 'all'),
  deny: ranges('addresses and CIDR ranges that are refused, also where allow has them', 'none'),
  shutdownTimeout: time('how long open connections may finish when the listener closes', 15_000),
  plan: choice(PLAN_MODES, { help: 'how the stages run', default: 'fused' }),
  uncaught: orFunction<UncaughtHandler, UncaughtPolicy, 'default'>(
    choice(UNCAUGHT_POLICIES, {
      help: 'what an uncaught error that belongs to no connection does',
      default: 'exit',
    }),
    '(error) => void',
  ),
}

const NAMES = [
  'host',
  'port',
  'path',
  'mode',
  'fd',
  'tls',
  ...Object.keys(LISTEN_OPTIONS),
  'workers',
  'signal',
  'onOpen',
  'onOutcome',
  'clock',
  ...CONNECTION_OPTIONS,
]

/** Those who are handed a connection, also when its peer has gone. */
const TOLD = ['onOpen', 'onOutcome', 'onError', 'farewell'] as const

/** More processes than a machine has cores. */
export const MOST_WORKERS = 1024

export type ListenSettings = ReturnType<typeof listenSettings>

/** The options of the accepting side, checked, with their defaults filled in. */
export function listenSettings(options: ListenOptions) {
  const {
    host,
    port,
    path,
    mode,
    fd,
    tls,
    workers,
    signal,
    onOpen = () => {},
    onOutcome = () => {},
    clock = systemClock,
  } = options
  const owner = 'listen()'
  checkNames(owner, options, NAMES)
  const {
    backlog,
    noDelay,
    keepAlive,
    keepAliveInitialDelay,
    maxConnections = defaultMaxConnections(),
    maxConnectionsPerAddress,
    allow,
    deny,
    shutdownTimeout,
    plan,
    uncaught,
  } = settingsFrom(owner, LISTEN_OPTIONS, options)
  if (workers !== undefined && workers !== 'auto') checkInteger(owner, 'workers', workers, 1, MOST_WORKERS)
  checkFunction(owner, 'onOpen', onOpen)
  checkFunction(owner, 'onOutcome', onOutcome)
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidOptionError(
      `${owner}: 'signal' is an AbortSignal, such as the one of an AbortController.`,
    )
  }
  for (const name of ['now', 'setTimeout', 'clearTimeout'] as const) {
    checkFunction(owner, `clock.${name}`, clock?.[name])
  }
  const admission: AdmissionRules = {
    maxConnections,
    maxConnectionsPerAddress: maxConnectionsPerAddress || Infinity,
    allow: parseRanges(allow),
    deny: parseRanges(deny),
  }
  return {
    bind: listenAddress(owner, { host, port, path, mode, fd }, backlog),
    tls,
    socket: { noDelay, keepAlive, keepAliveInitialDelay },
    admission,
    shutdownTimeout,
    plan,
    uncaught,
    workers: workers === 'auto' ? availableParallelism() : workers,
    signal,
    onOpen,
    onOutcome,
    tells: TOLD.some(name => options[name] !== undefined),
    clock,
  }
}

/** Addresses and CIDR ranges: one, or a list of them. */
function ranges(help: string, absent: string): Option<readonly string[], 'optional'> {
  const refusal = (name: string, value: unknown) => {
    const list = [value].flat()
    const wrong = list.findIndex(range => parseAddressRange(range) === undefined)
    return wrong === -1
      ? undefined
      : `'${name}' is a list of addresses and CIDR ranges, such as '10.0.0.0/8' and '2001:db8::/32'; got ${showValue(list[wrong])}`
  }
  return Object.freeze({ ...text({ help, absent }), isList: true, refusal }) as Option<never, 'optional'>
}

function parseRanges(list: readonly string[] | undefined): readonly AddressRange[] | undefined {
  return list && [list].flat().map(range => parseAddressRange(range) as AddressRange)
}
