import { inspect } from 'node:util'
import type { UncaughtHandler, UncaughtPolicy } from '../uncaught.js'
import type { Log } from './log.js'

/**
 * Logs an uncaught error, which may hold what a client has sent: Node would print it as it is. Unless the policy is
 * `isolate` it is a failure.
 */
export function uncaughtLog(policy: UncaughtPolicy, log: Log, failure: AbortController): UncaughtHandler {
  return error => {
    log.error(`uncaught: ${inspect(error)}`)
    if (policy === 'exit') failure.abort()
  }
}
