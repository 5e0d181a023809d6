import { checkBoolean, checkChoice, checkFunction, checkInteger, checkNames } from './check-option.js'
import { type Clock, systemClock } from './clock.js'
import type { Connection } from './connection.js'
import { CONNECTION_OPTIONS, type ConnectionOptions, LONGEST_TIMEOUT } from './connection-options.js'
import { InvalidOptionError } from './errors.js'
import type { Outcome } from './outcome.js'
import { PLAN_MODES, type PlanMode } from './plan.js'

/** Options of `listen()`. Times are in milliseconds. */
export interface ListenOptions extends ConnectionOptions {
  /** The address to bind. The default takes connections from every network. @default '0.0.0.0' */
  readonly host?: string
  /** The port to bind; 0 lets the system choose. @default 8080 */
  readonly port?: number
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
  /** How long `close()` lets open connections finish before it destroys them. @default 15000 */
  readonly shutdownTimeout?: number
  /** How the pipeline runs. @default 'fused' */
  readonly plan?: PlanMode
  /** Closes the listener when it is aborted. */
  readonly signal?: AbortSignal
  /** Called once for each connection, when it is over. */
  readonly onOutcome?: (outcome: Outcome, connection: Connection) => void
  /** Where deadlines take the time from; a test gives its own. @default the system's clock */
  readonly clock?: Clock
}

const NAMES = [
  'host',
  'port',
  'backlog',
  'noDelay',
  'keepAlive',
  'keepAliveInitialDelay',
  'shutdownTimeout',
  'plan',
  'signal',
  'onOutcome',
  'clock',
  ...CONNECTION_OPTIONS,
]

export type ListenSettings = ReturnType<typeof listenSettings>

/** The options of the accepting side, checked, with their defaults filled in. */
export function listenSettings(options: ListenOptions) {
  const {
    host = '0.0.0.0',
    port = 8080,
    backlog = 65_535,
    noDelay = true,
    keepAlive = true,
    keepAliveInitialDelay = 60_000,
    shutdownTimeout = 15_000,
    plan = 'fused',
    signal,
    onOutcome = () => {},
    clock = systemClock,
  } = options
  const owner = 'listen()'
  checkNames(owner, options, NAMES)
  if (typeof host !== 'string' || host === '') {
    throw new InvalidOptionError(`${owner}: 'host' is an address or a host name, such as '127.0.0.1'.`)
  }
  checkInteger(owner, 'port', port, 0, 65_535)
  checkInteger(owner, 'backlog', backlog, 1, 65_535)
  checkBoolean(owner, 'noDelay', noDelay)
  checkBoolean(owner, 'keepAlive', keepAlive)
  checkInteger(owner, 'keepAliveInitialDelay', keepAliveInitialDelay, 0, LONGEST_TIMEOUT)
  checkInteger(owner, 'shutdownTimeout', shutdownTimeout, 0, LONGEST_TIMEOUT)
  checkChoice(owner, 'plan', plan, PLAN_MODES)
  checkFunction(owner, 'onOutcome', onOutcome)
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidOptionError(
      `${owner}: 'signal' is an AbortSignal, such as the one of an AbortController.`,
    )
  }
  for (const name of ['now', 'setTimeout', 'clearTimeout'] as const) {
    checkFunction(owner, `clock.${name}`, clock?.[name])
  }
  return {
    bind: { host, port, backlog },
    socket: { noDelay, keepAlive, keepAliveInitialDelay },
    shutdownTimeout,
    plan,
    signal,
    onOutcome,
    clock,
  }
}
