/** Calls a function of the user. If it throws, the error is rethrown on the next tick, as uncaught, and the connection goes on. */
export function guarded<Result>(call: () => Result): Result | undefined {
  try {
    return call()
  } catch (error) {
    process.nextTick(() => {
      throw error
    })
    return undefined
  }
}
