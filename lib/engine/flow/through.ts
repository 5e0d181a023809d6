import type { Duplex } from 'node:stream'
import { transform as through2 } from 'through2'

/**
 * Makes a through2 Transform; the types of through2 and readable-stream stay inside this file. Both sides are in object
 * mode, also for bytes: at a wrong item a byte stream throws where nobody can catch it (on Node 20 and 22 as an uncaught
 * exception). So the kinds are checked around it, and the high-water marks count items.
 */
export function through(
  marks: { readonly writableHighWaterMark: number; readonly readableHighWaterMark: number },
  transform: (item: unknown, callback: () => void) => void,
  flush: (callback: () => void) => void,
): Duplex {
  return through2(
    { objectMode: true, ...marks },
    (item: unknown, _encoding: string, callback: () => void) => transform(item, callback),
    flush,
  ) as unknown as Duplex
}
