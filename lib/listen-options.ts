import { availableParallelism } from 'node:os'
import { type AddressRange, parseAddressRange } from './address-range.js'
import type { AdmissionRules } from './admission.js'
import { checkBoolean, checkChoice, checkFunction, checkInteger, checkNames } from './check-option.js'
import { type Clock, systemClock } from './clock.js'
import type { Connection } from './connection.js'
import { CONNECTION_OPTIONS, type ConnectionOptions, LONGEST_TIMEOUT } from './connection-options.js'
import { InvalidOptionError } from './errors.js'
import { listenAddress, type SystemdDescriptor } from './listen-address.js'
import { defaultMaxConnections } from './open-files.js'
import type { Outcome } from './outcome.js'
import { PLAN_MODES, type PlanMode } from './plan.js'
import type { TlsOptions } from './tls-options.js'
import { UNCAUGHT_POLICIES, type Uncaught } from './uncaught.js'

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
  readonly uncaught?: Uncaught
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

const NAMES = [
  'host',
  'port',
  'path',
  'mode',
  'fd',
  'tls',
  'backlog',
  'noDelay',
  'keepAlive',
  'keepAliveInitialDelay',
  'maxConnections',
  'maxConnectionsPerAddress',
  'allow',
  'deny',
  'shutdownTimeout',
  'plan',
  'uncaught',
  'workers',
  'signal',
  'onOpen',
  'onOutcome',
  'clock',
  ...CONNECTION_OPTIONS,
]

/** More processes than a machine has cores. */
const MOST_WORKERS = 1024

/** More connections than a process can have. */
const LARGEST_CONNECTIONS = 2_147_483_647

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
    backlog = 65_535,
    noDelay = true,
    keepAlive = true,
    keepAliveInitialDelay = 60_000,
    maxConnections = defaultMaxConnections(),
    maxConnectionsPerAddress = 0,
    allow,
    deny,
    shutdownTimeout = 15_000,
    plan = 'fused',
    uncaught = 'exit',
    workers,
    signal,
    onOpen = () => {},
    onOutcome = () => {},
    clock = systemClock,
  } = options
  const owner = 'listen()'
  checkNames(owner, options, NAMES)
  checkInteger(owner, 'backlog', backlog, 1, 65_535)
  checkBoolean(owner, 'noDelay', noDelay)
  checkBoolean(owner, 'keepAlive', keepAlive)
  checkInteger(owner, 'keepAliveInitialDelay', keepAliveInitialDelay, 0, LONGEST_TIMEOUT)
  checkInteger(owner, 'maxConnections', maxConnections, 1, LARGEST_CONNECTIONS)
  checkInteger(owner, 'maxConnectionsPerAddress', maxConnectionsPerAddress, 0, LARGEST_CONNECTIONS)
  checkInteger(owner, 'shutdownTimeout', shutdownTimeout, 0, LONGEST_TIMEOUT)
  checkChoice(owner, 'plan', plan, PLAN_MODES)
  if (typeof uncaught !== 'function') checkChoice(owner, 'uncaught', uncaught, UNCAUGHT_POLICIES)
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
    allow: ranges(owner, 'allow', allow),
    deny: ranges(owner, 'deny', deny),
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
    clock,
  }
}

function ranges(owner: string, name: string, list: unknown): readonly AddressRange[] | undefined {
  if (list === undefined) return undefined
  return (Array.isArray(list) ? list : [list]).map(text => parseAddressRange(owner, name, text))
}
