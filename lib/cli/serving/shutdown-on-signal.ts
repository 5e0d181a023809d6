import type { Listener } from '../../listener/listener.js'
import type { Io } from '../io.js'

/** A Listener or a ListenerSet. `worker` is set when this process is a worker, whose listener its primary closes. */
type Closable = Pick<Listener, 'close'> & Partial<Pick<Listener, 'worker'>>

/**
 * Closes listeners at the first SIGINT or SIGTERM, or when `failed` is aborted, and lets open connections finish. A
 * second signal cuts them off. A worker leaves signals to its primary. Resolves with the exit code: 0 when every
 * connection could finish; 1 when one was cut off, or after a failure.
 */
export function shutdownOnSignal(listener: Closable, io: Io, failed?: AbortSignal): Promise<number> {
  return new Promise(resolve => {
    const signals = listener.worker === undefined ? (['SIGINT', 'SIGTERM'] as const) : []
    let isClosing = false
    let exitCode = 0
    const close = async (options: { readonly timeout?: number }) => {
      isClosing = true
      const { forced } = await listener.close(options)
      for (const signal of signals) io.off(signal, stop)
      resolve(forced > 0 ? 1 : exitCode)
    }
    const stop = () => {
      if (isClosing) exitCode = 1
      void close(isClosing ? { timeout: 0 } : {})
    }
    const fail = () => {
      exitCode = 1
      if (!isClosing) void close({})
    }
    for (const signal of signals) io.on(signal, stop)
    if (failed?.aborted) fail()
    else failed?.addEventListener('abort', fail)
  })
}
