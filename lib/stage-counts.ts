/** What has passed one place between two stages. */
export interface Passed {
  readonly items: number
  /** Bytes; of a line its characters, which are its bytes where all are ASCII; of a value nothing. */
  readonly bytes: number
}

/** What has passed one stage on one connection so far. */
export interface StageCounts {
  readonly name: string
  readonly in: Passed
  readonly out: Passed
}
