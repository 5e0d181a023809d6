import type { HubStatus, UpstreamStatus } from './status.js'

/** Facts that a stage tells of itself beyond its counts. */
export interface StatusSource {
  /** Names the thing that the stage works with, such as a hub: several stages with the same one tell of it once. */
  readonly of: object
  readonly hub?: () => HubStatus
  readonly upstreams?: () => readonly UpstreamStatus[]
}

/** A stage as it runs, with the names of those that run as one. */
export interface ListedStage {
  readonly stages: readonly string[]
  readonly runs: string | null
  readonly source: StatusSource | undefined
  /** Whether clocks can tell what it does. */
  readonly isObservable: boolean
}
