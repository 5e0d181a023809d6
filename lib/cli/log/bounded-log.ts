import type { Writable } from 'node:stream'
import type { WriteEntry } from './log-entry.js'

/** Bytes that may wait for the reader of the log; beyond them lines are lost. */
export const MAX_PENDING_BYTES = 1_048_576

/**
 * Bounds what waits in the stream that `write` writes to: clients decide how many lines there are, and the reader of the
 * log when it reads. While too much waits, lines are counted instead of written. When all that waited has been read, an
 * entry says how many were lost, and the log goes on.
 */
export function boundedLog(stream: Writable, write: WriteEntry): WriteEntry {
  unblock(stream)
  let lost = 0
  const onDrain = () => {
    const lines = lost === 1 ? '1 line' : `${lost} lines`
    lost = 0
    write({ level: 'error', message: `${lines} lost: the log was not read fast enough` })
  }
  return entry => {
    if (lost === 0 && stream.writableLength < MAX_PENDING_BYTES) {
      write(entry)
      return
    }
    if (lost === 0) stream.once('drain', onDrain)
    lost++
  }
}

/**
 * Lets a terminal that has been stopped (Ctrl-S, a hanging connection) stop the log alone: Node writes to terminals in a
 * way that waits, and the whole server would wait with it. Files do not stop, and pipes do not wait on POSIX.
 */
function unblock(stream: Writable): void {
  const { _handle: handle } = stream as {
    readonly _handle?: { readonly setBlocking?: (on: boolean) => unknown }
  }
  handle?.setBlocking?.(false)
}
