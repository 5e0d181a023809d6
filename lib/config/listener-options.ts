import { CONNECTION_TIMES } from '../connection-options.js'
import type { OptionTable } from '../definition.js'
import { TCP_OPTIONS } from '../listen-address.js'
import { LISTEN_OPTIONS } from '../listen-options.js'

const { backlog, noDelay, keepAlive, keepAliveInitialDelay, shutdownTimeout, uncaught, plan, ...limits } =
  LISTEN_OPTIONS

/**
 * The options of `listen()` that a file, or the command line, can say. The defaults are those of `listen()`, but that
 * a server that nobody programs closes idle connections.
 */
export const LISTENER_OPTIONS: OptionTable = {
  ...TCP_OPTIONS,
  ...limits,
  ...CONNECTION_TIMES,
  idleTimeout: Object.freeze({ ...CONNECTION_TIMES.idleTimeout, default: 300_000 }),
  shutdownTimeout,
  backlog,
  noDelay,
  keepAlive,
  keepAliveInitialDelay,
  uncaught,
  plan,
}
