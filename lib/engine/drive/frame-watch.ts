/** An unfinished frame, and the number of ticks since it was first seen. */
export interface FrameWatch {
  readonly frame: number
  ticks: number
}

/**
 * Called once a tick with the number of the frame that a stage has not finished, or 0 for none. True when it has been the
 * same frame for `limit` ticks.
 */
export function isOverdue(watcher: { watch: FrameWatch | undefined }, frame: number, limit: number): boolean {
  const { watch } = watcher
  if (frame === 0) watcher.watch = undefined
  else if (watch?.frame !== frame) watcher.watch = { frame, ticks: 0 }
  else watch.ticks++
  return (watcher.watch?.ticks ?? 0) >= limit
}
