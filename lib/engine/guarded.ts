/** Calls a function of the user. What it throws is uncaught, as from a listener of an event, but breaks no connection. */
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
