import type { Status } from '../status/status.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import type { TapOptions } from '../status/taps/tap-options.js'

/** Anything that tells its status, such as a listener. */
export interface StatusSource {
  status(): Promise<Status>
  /** Tells what its connections say; absent where it cannot. */
  tap?(options: TapOptions, onEvent: (event: TapEvent) => void): Promise<Tap>
}

/** One source, or several. They are asked for anew by each request, so that a list may change. */
export type StatusSources = StatusSource | Iterable<StatusSource>

/** The sources that there are now. */
export function sourcesIn(sources: StatusSources): readonly StatusSource[] {
  return Symbol.iterator in sources ? [...sources] : [sources]
}
