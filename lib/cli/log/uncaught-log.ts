import { inspect } from 'node:util'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { UncaughtHandler } from '../../listener/uncaught.js'
import type { Log } from './log.js'

/**
 * Returns a function that gives the handler of uncaught errors for a policy. The handler logs the error, escaped, since
 * it may hold bytes of a client, which Node would print as they are. Unless the policy is `isolate`, it also aborts
 * `failure`, and the command exits.
 */
export function uncaughtLog(log: Log, failure: AbortController) {
  const isolate: UncaughtHandler = error => log.error(`uncaught: ${inspect(error)}`)
  const exit: UncaughtHandler = error => {
    isolate(error)
    failure.abort()
  }
  return (policy: ListenOptions['uncaught']): UncaughtHandler => (policy === 'isolate' ? isolate : exit)
}
