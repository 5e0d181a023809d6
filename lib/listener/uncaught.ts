import { triggerAsyncId } from 'node:async_hooks'
import { inspect } from 'node:util'
import { isThenable } from '../kind.js'

/** Policies for an uncaught error that belongs to no connection: make it a warning, or drain and exit. */
export const UNCAUGHT_POLICIES = ['isolate', 'exit'] as const
export type UncaughtPolicy = (typeof UNCAUGHT_POLICIES)[number]

/** Policy of the program's own: is called with the error. */
export type UncaughtHandler = (error: unknown) => void

/** The part of a listener that deals with uncaught errors. */
export interface UncaughtOwner {
  readonly uncaught: () => UncaughtPolicy | UncaughtHandler
  /** Fails the connection whose stages ran under this async id; returns false if there is none. */
  failConnection: (asyncId: number, error: unknown) => boolean
  close: () => Promise<unknown>
}

const owners = new Set<UncaughtOwner>()

/**
 * Handles uncaught errors as long as a listener is open. Node gives each async resource an id, and during
 * 'uncaughtException' `triggerAsyncId()` is the id of the resource that started the timer, immediate or tick that threw.
 * If a stage started it, that resource is the connection's socket. This costs nothing until there is an error.
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
  // The program has a handler of its own, which then decides.
  if (process.listenerCount('uncaughtException') > 1) return
  const exiting = [...owners].filter(({ uncaught }) => uncaught() === 'exit')
  // A handler that several listeners share is called once.
  const handlers = new Set(
    [...owners].map(({ uncaught }) => uncaught()).filter(one => typeof one === 'function'),
  )
  for (const handle of handlers) {
    const result: unknown = handle(error)
    // Unhandled, the rejection would come back here, for ever.
    if (isThenable(result)) result.then(undefined, warn)
  }
  if (exiting.length > 0) void exit(error, exiting)
  else if (handlers.size === 0) warn(error)
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error))
}

let isExiting = false

/** Drains the listeners and rethrows the error, so that Node prints it and exits with code 1. */
async function exit(error: unknown, exiting: readonly UncaughtOwner[]): Promise<void> {
  if (isExiting) {
    warn(error)
    return
  }
  isExiting = true
  // A worker may be ended by its primary while it drains, and the error must not be lost with it.
  const onExit = () => {
    process.stderr.write(`${inspect(error)}\n`)
    process.exitCode = 1
  }
  process.once('exit', onExit)
  await Promise.allSettled(exiting.map(owner => owner.close()))
  process.off('uncaughtException', onUncaught)
  setImmediate(() => {
    process.off('exit', onExit)
    throw error
  })
}
