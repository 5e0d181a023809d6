import { AsyncLocalStorage } from 'node:async_hooks'

type Listener = (...parameters: unknown[]) => void

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const
/** The list for what the code of a run throws: Node calls the listeners of the events in the scope that has thrown. */
const scope = new AsyncLocalStorage<unknown[]>()
/** The listeners of the process from before, which are told of what no run has thrown. */
let others: Readonly<Record<string, readonly Listener[]>> = {}
const owns = EVENTS.map(event => [event, (...parameters: unknown[]) => hear(event, parameters)] as const)
let runs = 0

/**
 * Runs a function, and calls it with a list. Errors that nobody catches and rejections that nobody handles come into the
 * list when code of the run is to blame, such as a timer, and do not end the process or fail another test.
 */
export async function collectUncaught(run: (uncaught: readonly unknown[]) => Promise<void>): Promise<void> {
  runs++
  if (runs === 1) takeOver()
  try {
    const uncaught: unknown[] = []
    await scope.run(uncaught, () => run(uncaught))
  } finally {
    runs--
    if (runs === 0) giveBack()
  }
}

function takeOver(): void {
  others = Object.fromEntries(EVENTS.map(event => [event, process.rawListeners(event) as Listener[]]))
  for (const [event, own] of owns) process.removeAllListeners(event).on(event, own)
}

function giveBack(): void {
  scope.disable()
  for (const [event, own] of owns) {
    process.off(event, own)
    // Those that were added meanwhile come behind.
    const added = process.rawListeners(event) as Listener[]
    process.removeAllListeners(event)
    for (const listener of [...(others[event] as readonly Listener[]), ...added]) process.on(event, listener)
  }
}

function hear(event: string, parameters: unknown[]): void {
  const uncaught = scope.getStore()
  if (uncaught !== undefined) {
    uncaught.push(parameters[0])
    return
  }
  const listeners = others[event] as readonly Listener[]
  // Without a listener the process would have ended.
  if (listeners.length === 0) throw parameters[0]
  for (const listener of listeners) listener.apply(process, parameters)
}
