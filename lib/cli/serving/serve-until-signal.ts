import { once } from 'node:events'
import type { Listener } from '../../listener/listener.js'
import type { Io, Signal } from '../io.js'

/** A Listener or a ListenerSet. Of a worker, whose listener its primary closes, both optional members are set. */
type Closable = Pick<Listener, 'close'> & Partial<Pick<Listener, 'worker' | 'closed'>>

/** A command that serves. */
interface Serving {
  /**
   * Opens what is served, or returns an exit code where there is nothing to serve. `signal` is aborted when the command
   * is to end before that is done.
   */
  readonly start: (signal: AbortSignal) => Promise<Closable | number>
  /** Aborted by an error after which the command has to end. */
  readonly failed: AbortSignal
  /**
   * Called at SIGHUP; if that comes during the start, when the start is over. Without it SIGHUP stops the command: a
   * terminal sends it when it is closed.
   */
  readonly reload: (() => void) | undefined
}

/**
 * Serves until the first SIGINT, SIGTERM or, where it reloads nothing, SIGHUP, or until `failed` is aborted, and lets open
 * connections finish. A signal may come during the start already, so `start` does whatever takes time: a process with
 * number 1, as in a container, is not ended by a signal that it does not handle, and others are ended by each. A second signal waits for nothing. A worker that serves leaves signals to its primary. Resolves with the exit
 * code: 0 when every connection could finish; 1 when one was cut off, or after a failure.
 */
export async function serveUntilSignal({ start, failed, reload }: Serving, io: Io): Promise<number> {
  const starting = new AbortController()
  let listener: Closable | undefined
  let isStopping = false
  let isReloadDue = false
  let exitCode = 0
  const over = new AbortController()
  const end = () => over.abort()
  const ended = once(over.signal, 'abort').then(() => undefined)
  const stop = async (options: { readonly timeout?: number }) => {
    isStopping = true
    const closing = listener?.close(options)
    if (closing === undefined) {
      starting.abort()
      return
    }
    if ((await closing).forced > 0) exitCode = 1
    end()
  }
  const onSignal = () => {
    if (!isStopping) {
      void stop({})
      return
    }
    exitCode = 1
    if (listener === undefined) end()
    else void stop({ timeout: 0 })
  }
  const onHangup = () => {
    if (reload === undefined) onSignal()
    else if (listener === undefined) isReloadDue = true
    else reload()
  }
  const onFailure = () => {
    exitCode = 1
    if (!isStopping) void stop({})
  }
  const handlers: readonly [Signal, () => void][] = [
    ['SIGINT', onSignal],
    ['SIGTERM', onSignal],
    ['SIGHUP', onHangup],
  ]
  const ignoreSignals = () => {
    for (const [signal, handler] of handlers) io.off(signal, handler)
  }

  for (const [signal, handler] of handlers) io.on(signal, handler)
  failed.addEventListener('abort', onFailure)
  try {
    const started = await Promise.race([start(starting.signal), ended])
    if (started === undefined) return exitCode
    if (typeof started === 'number') return started
    listener = started
    if (listener.worker !== undefined) ignoreSignals()
    else if (isReloadDue) reload?.()
    void listener.closed?.then(end)
    if (isStopping) void stop({})
    await ended
  } catch (error) {
    if (!isStopping) throw error
  } finally {
    ignoreSignals()
    failed.removeEventListener('abort', onFailure)
  }
  return exitCode
}
