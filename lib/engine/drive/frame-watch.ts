/** A frame that was unfinished at the last tick, and for how many ticks it has been. */
export interface FrameWatch {
  readonly frame: number
  ticks: number
}

/** Looks, once a tick, whether what a stage says of its unfinished frame has been the same for `limit` ticks. */
export function isOverdue(watcher: { watch: FrameWatch | undefined }, frame: number, limit: number): boolean {
  const { watch } = watcher
  if (frame === 0) watcher.watch = undefined
  else if (watch?.frame !== frame) watcher.watch = { frame, ticks: 0 }
  else watch.ticks++
  return (watcher.watch?.ticks ?? 0) >= limit
}
