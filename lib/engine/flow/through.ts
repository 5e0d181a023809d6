import type { Duplex } from 'node:stream'
import { transform as through2 } from 'through2'

/**
 * A through2 Transform in object mode, with through2's and readable-stream's types kept inside this file.
 * Both sides are in object mode also for bytes: a byte stream would throw out of reach at a wrong item (on Node 20
 * and 22 as an uncaught exception), so kinds are checked around it. The marks count items.
 */
export function through(
  marks: { readonly writableHighWaterMark: number; readonly readableHighWaterMark: number },
  transform: (item: unknown) => void,
  flush: () => void,
): Duplex {
  return through2(
    { objectMode: true, ...marks },
    (item: unknown, _encoding: string, callback: () => void) => {
      transform(item)
      callback()
    },
    (callback: () => void) => {
      flush()
      callback()
    },
  ) as unknown as Duplex
}
