import type { Connection } from '../connection.js'
import { BywashError } from '../errors.js'
import { isThenable } from '../kind.js'

type OnError = ((error: BywashError, connection: Connection) => void) | undefined

/**
 * Calls a callback of the user. If it throws, the error is rethrown on the next tick, as uncaught, and the connection goes
 * on. If it returns a promise that rejects, `onError` gets the error, with the name of the callback; without an `onError`,
 * or where that is the callback, it is a warning of the process.
 */
export function guarded<Result>(
  name: string,
  call: () => Result,
  connection: Connection,
  onError?: OnError,
): Result | undefined {
  try {
    const result = call()
    if (isThenable(result)) {
      result.then(undefined, cause => {
        const text = cause instanceof Error ? cause.message : String(cause)
        tellOf(`The callback '${name}' rejected: ${text}`, connection, onError, cause)
      })
    }
    return result
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
    return undefined
  }
}

/** Tells `onError` of a mistake in a callback of the user; without one it is a warning of the process. */
export function tellOf(message: string, connection: Connection, onError: OnError, cause?: unknown): void {
  const error = new BywashError('ERR_BYWASH_STAGE', message, cause === undefined ? {} : { cause })
  if (onError === undefined) process.emitWarning(error)
  else guarded('onError', () => onError(error, connection), connection)
}
