import type { Listener } from '../listener.js'
import type { Io } from './main.js'

/**
 * Closes a listener, or several, at the first signal; at the second, without waiting for connections. Returns the exit
 * code: 0 when every connection could finish, 1 when one was cut off.
 */
export function untilStopped(listener: Pick<Listener, 'close'>, io: Io): Promise<number> {
  return new Promise(resolve => {
    let exitCode: number | undefined
    const stop = async () => {
      const isFirst = exitCode === undefined
      exitCode = isFirst ? 0 : 1
      const { forced } = await listener.close(isFirst ? {} : { timeout: 0 })
      if (forced > 0) exitCode = 1
      io.off('SIGINT', stop)
      io.off('SIGTERM', stop)
      resolve(exitCode)
    }
    io.on('SIGINT', stop)
    io.on('SIGTERM', stop)
  })
}
