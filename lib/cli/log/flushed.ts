import type { Writable } from 'node:stream'
import { type Clock, systemClock } from '../../clock.js'

/** Time that the reader of the log has for the rest of it when the process ends. */
const FLUSH_TIMEOUT_MS = 1_000

/** Resolves when all that was written has left the process, or after a second: a reader may have stopped for good. */
export function flushed(stream: Writable, clock: Clock = systemClock): Promise<void> {
  return new Promise(resolve => {
    const timer = clock.setTimeout(resolve, FLUSH_TIMEOUT_MS)
    const wait = () => {
      // Asked again, since the log writes how many lines were lost once the stream has drained.
      if (stream.writableLength > 0) {
        stream.write('', wait)
        return
      }
      clock.clearTimeout(timer)
      resolve()
    }
    stream.write('', wait)
  })
}
