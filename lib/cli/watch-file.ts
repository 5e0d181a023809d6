import { watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Clock, systemClock, type Timer } from '../clock.js'

/** What watches a folder; `fs.watch` is one. */
type WatchFolder = (
  folder: string,
  changed: () => void,
) => { close: () => void; on: (event: 'error', failed: (error: Error) => void) => unknown }

/** Options of `watchFile()`. */
export interface WatchFileOptions {
  /** Called when the file may have changed. */
  readonly onChange: () => void
  /** Called when it cannot be watched any more. */
  readonly onError: (error: Error) => void
  readonly clock?: Clock
  readonly watchFolder?: WatchFolder
}

/** Editors write in several steps; what they leave in between is no file yet. */
const PATIENCE = 100

/**
 * Watches a file through its folder: an editor, or a mounted volume, often puts a new file in the place of the old one,
 * which a watch of the file itself would not see. All that happens within 100 ms is one change. Returns what ends it.
 */
export function watchFile(path: string, options: WatchFileOptions): () => void {
  const { onChange, onError, clock = systemClock, watchFolder = watch } = options
  let timer: Timer
  const changed = () => {
    timer ??= clock.setTimeout(() => {
      timer = undefined
      onChange()
    }, PATIENCE)
  }
  const watcher = watchFolder(dirname(resolve(path)), changed)
  watcher.on('error', onError)
  return () => {
    clock.clearTimeout(timer)
    watcher.close()
  }
}
