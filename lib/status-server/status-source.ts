import type { Status } from '../status/status.js'

/** Anything that tells its status, such as a listener. */
export interface StatusSource {
  status(): Promise<Status>
}

/** One source, or several. They are asked for anew by each request, so that a list may change. */
export type StatusSources = StatusSource | Iterable<StatusSource>

/** The sources that there are now. */
export function sourcesIn(sources: StatusSources): readonly StatusSource[] {
  return Symbol.iterator in sources ? [...sources] : [sources]
}
