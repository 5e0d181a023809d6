import { inspect } from 'node:util'
import type { ListenOptions } from '../../listener/listen-options.js'
import type { UncaughtHandler } from '../../listener/uncaught.js'
import type { Log } from './log.js'

/**
 * For each policy, what logs an uncaught error, which may hold what a client has sent: Node would print it as it is.
 * Unless the policy is `isolate` it is a failure.
 */
export function uncaughtLog(log: Log, failure: AbortController) {
  const isolate: UncaughtHandler = error => log.error(`uncaught: ${inspect(error)}`)
  const exit: UncaughtHandler = error => {
    isolate(error)
    failure.abort()
  }
  return (policy: ListenOptions['uncaught']): UncaughtHandler => (policy === 'isolate' ? isolate : exit)
}
