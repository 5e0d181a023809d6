import { triggerAsyncId } from 'node:async_hooks'

/** What to do about an uncaught error that belongs to no connection. */
export const UNCAUGHT_POLICIES = ['isolate', 'exit'] as const
export type UncaughtPolicy = (typeof UNCAUGHT_POLICIES)[number]

/** A policy of the program's own. */
export type UncaughtHandler = (error: unknown) => void

/** A listener, as far as uncaught errors go. */
export interface UncaughtOwner {
  readonly uncaught: UncaughtPolicy | UncaughtHandler
  /** Ends the connection in which something was started, by its async id; false where there is none. */
  failConnection: (asyncId: number, error: unknown) => boolean
  close: () => Promise<unknown>
}

const owners = new Set<UncaughtOwner>()

/**
 * Watches for uncaught errors as long as a listener is open. Node numbers whatever runs asynchronously, and an uncaught
 * error knows the number of what had started the timer (or immediate, or tick) that threw it: for one that a stage
 * started that is the connection's socket. It costs nothing before an error comes.
 */
export function watchUncaught(owner: UncaughtOwner): void {
  if (owners.size === 0) process.on('uncaughtException', onUncaught)
  owners.add(owner)
}

export function unwatchUncaught(owner: UncaughtOwner): void {
  owners.delete(owner)
  if (owners.size === 0) process.off('uncaughtException', onUncaught)
}

function onUncaught(error: unknown): void {
  const asyncId = triggerAsyncId()
  for (const owner of owners) if (owner.failConnection(asyncId, error)) return
  // A program that handles uncaught errors itself has its own policy.
  if (process.listenerCount('uncaughtException') > 1) return
  const exiting = [...owners].filter(({ uncaught }) => uncaught === 'exit')
  // Several listeners may have the same one.
  const handlers = new Set(
    [...owners].map(({ uncaught }) => uncaught).filter(one => typeof one === 'function'),
  )
  for (const handle of handlers) handle(error)
  if (exiting.length > 0) void exit(error, exiting)
  else if (handlers.size === 0) warn(error)
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}

let isExiting = false

/** Drains, and then lets Node do what it does with an uncaught error: print it, and exit with 1. */
async function exit(error: unknown, exiting: readonly UncaughtOwner[]): Promise<void> {
  if (isExiting) {
    warn(error)
    return
  }
  isExiting = true
  await Promise.allSettled(exiting.map(owner => owner.close()))
  process.off('uncaughtException', onUncaught)
  setImmediate(() => {
    throw error
  })
}
