import { type Connection, failConnection } from '../../connection.js'
import { blame } from '../../errors.js'
import { isThenable } from '../../kind.js'

/**
 * Makes the rejection of a promise that a function of a stage has returned a failure of its connection. Nobody else waits
 * for the promise, and an unhandled rejection ends the process.
 *
 * @param when - The function, for the message.
 */
export function ownRejection(result: unknown, stage: string, when: string, connection: Connection): void {
  if (!isThenable(result)) return
  result.then(undefined, cause => failConnection(connection, blame(stage, when, cause)))
}
